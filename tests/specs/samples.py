"""One small specification per format, with the turns that real ones take."""

from __future__ import annotations

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
