"""One small specification per format, with the turns that real ones take."""

from __future__ import annotations

from typing import Any

from rayscaler.specs import yaml_values

MODEL = {
    "metadata": {"apiVersion": "2020-01-01", "endpointPrefix": "desk", "serviceFullName": "Acme Desk"},
    "operations": {
        "CreateUserGroup": {
            "name": "CreateUserGroup",
            "http": {"method": "PUT", "requestUri": "/groups/{DeskId+}?create"},
            "input": {"shape": "CreateUserGroupRequest"},
            "output": {"shape": "CreateUserGroupResponse"},
            "documentation": "<p>Creates a <code>group</code>.</p>",
        }
    },
    "shapes": {
        "CreateUserGroupRequest": {
            "type": "structure",
            "required": ["DeskId", "Name"],
            "members": {
                "DeskId": {"shape": "Id", "location": "uri", "documentation": "<p>The desk.</p>"},
                "Name": {"shape": "Name"},
                "Size": {"shape": "Size", "location": "querystring"},
                "Parent": {"shape": "Group"},
                "Token": {"shape": "Id", "idempotencyToken": True},
            },
        },
        "CreateUserGroupResponse": {
            "type": "structure",
            "members": {"Status": {"shape": "Size", "location": "statusCode"}, "Groups": {"shape": "Groups"}},
        },
        "Groups": {"type": "list", "member": {"shape": "Group"}, "max": 5},
        "Group": {"type": "structure", "members": {"Id": {"shape": "Id"}, "Parent": {"shape": "Group"}}},
        "Id": {"type": "string", "min": 1, "max": 9, "pattern": "[a-z]+"},
        "Name": {"type": "string", "enum": ["A", "B"], "pattern": "\\p{L}+"},
        "Size": {"type": "integer", "min": 1, "max": 7},
    },
}
MODEL_FILE = "botocore/data/desk/2020-01-01/service-2.json"

INSERT = {
    "id": "diary.events.insert",
    "path": "diaries/{+diaryId}/events",
    "httpMethod": "POST",
    "description": "Creates an event.",
    "parameterOrder": ["diaryId"],
    "parameters": {
        "limit": {"type": "integer", "format": "int32", "minimum": "1", "default": "25", "location": "query"},
        "tags": {"type": "string", "repeated": True, "location": "query"},
        "diaryId": {"type": "string", "required": True, "location": "path"},
    },
    "request": {"$ref": "Event"},
    "response": {"$ref": "Event"},
}
DISCOVERY = {
    "kind": "discovery#restDescription",
    "name": "diary",
    "version": "v3",
    "title": "Diary API",
    "parameters": {"prettyPrint": {"type": "boolean"}},
    "schemas": {
        "Event": {
            "id": "Event",
            "type": "object",
            "properties": {
                "id": {"type": "string", "readOnly": True},
                "updated": {"type": "string", "format": "google-datetime", "description": "Output only. When."},
                "start": {"$ref": "Time", "annotations": {"required": ["diary.events.insert"]}},
                "size": {"type": "string", "format": "int64"},
                "extra": {"type": "any"},
            },
        },
        "Time": {"type": "object", "properties": {"zone": {"type": "string"}}},
    },
    "resources": {"events": {"methods": {"insert": INSERT}}},
}

OPENAPI = """
openapi: 3.0.3
info: {title: Pet Shop API, version: 1.2.0, license: {name: CC0}}
servers: [{url: "https://api.petshop.co.uk/v1"}]
paths:
  /api/v2/pets/{petId}:
    parameters:
      - {name: petId, in: path, required: true, schema: {type: integer, format: int64}, example: 7}
      - {name: Authorization, in: header, schema: {type: string}}
    put:
      operationId: updatePet
      summary: Update a pet.
      description: Changes the fields that are given.
      parameters:
        - {$ref: '#/components/parameters/Dry'}
      requestBody:
        content:
          application/json:
            schema:
              allOf:
                - {$ref: '#/components/schemas/Pet'}
                - {type: object, required: [name], properties: {note: {type: string, nullable: true}}}
      responses:
        404: {description: none}
        200:
          description: ok
          content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}
components:
  parameters:
    Dry: {name: dry, in: query, schema: {type: boolean, default: false}}
  schemas:
    Pet:
      type: object
      required: [id]
      properties:
        id: {type: integer, readOnly: true}
        petId: {type: string}
        name: {type: string, description: "Its <b>name</b>.", example: Rex}
        kind: {oneOf: [{$ref: '#/components/schemas/Cat'}, {$ref: '#/components/schemas/Dog'}]}
        owner: {$ref: 'people.yaml#/Owner'}
        parent: {$ref: '#/components/schemas/Pet'}
        born: {type: string, nullable: true, default: 2020-01-01}
        country: {type: string, enum: [no, de, null]}
    Cat: {type: object, required: [type, lives], properties: {type: {enum: [cat]}, lives: {type: integer}}}
    Dog: {type: object, required: [type], properties: {type: {enum: [dog]}, breed: {type: string}}}
"""

SWAGGER = {
    "swagger": "2.0",
    "info": {"title": "Desk", "version": "1.0"},
    "host": "desk.azurewebsites.net",
    "paths": {
        "/tickets": {
            "post": {
                "parameters": [
                    {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Ticket"}},
                    {"name": "urgent", "in": "query", "type": "boolean", "x-ms-summary": "Whether to hurry"},
                    {"$ref": "gone.json#/parameters/Version"},
                ],
                "responses": {"201": {"schema": {"$ref": "#/definitions/Ticket"}}},
            },
        },
        "/tickets/{id}/file": {
            "put": {
                "parameters": [
                    {"name": "id", "in": "path", "type": "integer", "minimum": 0, "exclusiveMinimum": True},
                    {"name": "content", "in": "formData", "type": "file", "required": True},
                ],
                "responses": {"204": {"description": "done"}},
            }
        },
    },
    "definitions": {"Ticket": {"properties": {"title": {"type": "String", "maxLength": 9}, "tags": {"type": "array"}}}},
}

FACTORIAL = {
    "name": "math.factorial",
    "description": "The factorial of a number.",
    "parameters": {
        "type": "dict",
        "properties": {
            "number": {"type": "integer", "description": "Not negative."},
            "exact": {"type": "Boolean", "default": True},
            "scale": {"type": "float"},
            "anything": {"type": "any"},
            "pair": {"type": "tuple", "items": {"type": "String"}},
            "options": {"type": "HashMap"},
        },
        "required": ["number"],
    },
}

POSTMAN = {
    "info": {"name": "Parcel API (v3)", "version": "3", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/"},
    "variable": [{"key": "baseUrl", "value": "https://api-test.parcels.com/v3"}],
    "item": [
        {
            "name": "Parcels",
            "item": [
                {
                    "name": "Get a parcel",
                    "request": {
                        "method": "GET",
                        "header": [{"key": "Accept", "value": "*/*"}, {"key": "Idempotency-Key", "disabled": True}],
                        "url": {
                            "raw": "{{baseUrl}}/parcels/:id",
                            "path": ["parcels", ":id"],
                            "variable": [{"key": "id", "description": "Which one."}],
                            "query": [
                                {"key": "depth", "value": "3", "disabled": True},
                                {"key": "lang", "value": "lang_example", "disabled": False},
                            ],
                        },
                    },
                    "response": [
                        {"code": 404, "body": '{"error": "gone"}'},
                        {"code": 200, "body": '{"id": "P1", "weight": 2.5, "tags": ["a"], "owner": {{owner}}}'},
                    ],
                },
            ],
        },
        {
            "name": "Old things (DEPRECATED)",
            "item": [
                {
                    "name": "Send a parcel",
                    "request": {
                        "method": "POST",
                        "url": "{{baseUrl}}/parcels?dry=1",
                        "body": {"mode": "raw", "raw": '{"to": "<string>", "size": {"height": 3}}'},
                    },
                }
            ],
        },
        {"name": "A note"},
    ],
}

TOOLBENCH = [
    {
        "query": "Find a video",
        "api_list": [
            {
                "category_name": "Media",
                "tool_name": "Vimeo",
                "api_name": "SearchVideos",
                "api_description": "Search for videos.",
                "required_parameters": [{"name": "query", "type": "STRING", "description": "Terms.", "default": ""}],
                "optional_parameters": [{"name": "page", "type": "NUMBER", "description": "", "default": "1"}],
                "method": "GET",
                "template_response": {"videos": [{"id": "int", "name": "str", "_list_length": 3}], "more": "bool"},
            },
            {
                "category_name": "Media",
                "tool_name": "Vimeo",
                "api_name": "Delete Video",
                "api_description": "",
                "required_parameters": [{"name": "id", "type": "STRING", "description": "", "default": ""}],
                "optional_parameters": [],
                "method": "DELETE",
                "template_response": {"message": "str"},
            },
        ],
    }
]

APIZOO = [
    {
        "user_name": "someone",
        "api_name": "Datadog API - Key Management: Get an API key",
        "api_call": "GET /api/v2/api_keys/{api_key_id}",
        "api_version": "v2",
        "api_arguments": {"api_key_id": "[REQUIRED] string: The key's ID.", "include": "string: Comma separated."},
        "functionality": "Get an API key.",
    },
    {
        "api_name": "Account - GET /now/account",
        "api_call": "servicenow.retrieve_account_records(limit={limit}, kind={kind})",
        "api_arguments": {
            "limit": {"description": "How many.", "data_type": "integer", "required": True},
            "kind": {"data_type": "String", "possible_values": ["a", "b"]},
            "mode": ["fast", "slow"],
            "after": " string (Optional. Where to start.)",
        },
        "functionality": "Retrieve account records",
    },
]

SEAL_TOOLS = {
    "api_name": "analyzeEvidence",
    "api_description": "Analyze evidence.",
    "field": "Chemistry/Forensics",
    "parameters": {"sample": {"type": "str", "description": "Which."}, "method": {"type": "str"}},
    "required": ["sample"],
    "responses": {"conclusion": {"type": "str", "description": "What it was."}},
}

API_BANK = '''id,类型,应用场景,API名称,参数,路径,类名,input_parameters,expressions,api_info
7,对外影响 - 数据库操作 - 删,账户管理,删除账户,x,apis/a.py,DeleteAccount,(token: str),x,"description = ""Delete it.""
input_parameters = {
    'token': {'type': 'str', 'description': 'Who.'},
}
output_parameters = {'status': {'type': 'str', 'description': 'success or failed'}}"
8,获取信息 - 数据库查询,账户管理,图像描述,x,apis/b.py,ImageCaption,"(image: file, size: int)",x,it is broken
'''

TASKBENCH = {
    "nodes": [
        {"id": "get_weather", "desc": "The weather.", "parameters": [{"name": "day", "type": "date", "desc": "When."}]},
        {"id": "Image Blender", "desc": "Blends.", "input-type": ["image", "image"], "output-type": ["image"]},
    ]
}

TOOLALPACA = [
    {
        "Name": "Axolotl",
        "Documentation": (
            '{"openapi": "3.0.0", "info": {"title": "x", "version": "1"}, "paths": {"/facts": {"get": {"responses":'
            ' {"200": {"content": {"application/json": {"schema": {"type": "object", "properties": {"fact": {"type":'
            ' "string"}}}}}}}}}}}'
        ),
        "Function_Description": {
            "getFacts": "Facts.\nParameters: {}\nOutput: ok",
            "findImages": 'Finds.\nParameters: {"color": "Required. string. One of: [wild, albino]. The color."}',
            "components": "",
        },
        "Function_Projection": {"getFacts": ["/facts", "get"], "findImages": ["/search", "get"]},
    }
]

MCP = {"tools": [{"name": "get_node", "inputSchema": FACTORIAL["parameters"], "annotations": {}}]}
DOCUMENTS: dict[str, Any] = {
    MODEL_FILE: MODEL,
    "google.json": DISCOVERY,
    "openapi.json": yaml_values.load(OPENAPI),
    "swagger.json": SWAGGER,
    "functions.json": [FACTORIAL, {"type": "function", "function": FACTORIAL}],
    "mcp.json": MCP,
    "postman.json": POSTMAN,
    "toolbench.json": TOOLBENCH,
    "apizoo.json": APIZOO,
    "seal.jsonl": [SEAL_TOOLS, SEAL_TOOLS],
    "taskbench.json": TASKBENCH,
    "toolalpaca.json": TOOLALPACA,
}
"""File name -> the document of each format that JSON can spell."""
