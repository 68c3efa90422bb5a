"""OpenAPI 3 and Swagger 2 documents."""

from __future__ import annotations

import pytest

from specs.reading import assert_valid, one, read
from specs.samples import OPENAPI, SWAGGER


def test_an_openapi_operation_becomes_a_tool():
    tool = one(OPENAPI, "acme/openapi.yaml")
    assert (tool.tool_id, tool.name) == ("petshop/pet-shop/1.2.0/updatePet", "update_pet")
    assert (tool.method, tool.path, tool.resources) == ("PUT", "/api/v2/pets/{petId}", ("pets",))
    assert tool.description == "Update a pet. Changes the fields that are given."
    assert (tool.license, tool.format, tool.file) == ("CC0", "openapi3", "acme/openapi.yaml")
    assert tool.pointer == "/paths/~1api~1v2~1pets~1{petId}/put"
    assert tool.parameters["properties"] == {
        "petId": {"type": "integer", "format": "int64", "examples": [7]},          # the path's wins over the body's
        "dry": {"type": "boolean", "default": False},
        "name": {"type": "string", "description": "Its name.", "examples": ["Rex"]},
        "kind": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "enum": ["cat", "dog"]},
                "lives": {"type": "integer"},
                "breed": {"type": "string"},
            },
            "required": ["type"],
        },
        "owner": {"type": "object", "$comment": "unresolved reference people.yaml#/Owner"},
        "parent": tool.parameters["properties"]["parent"],
        "born": {"type": "string", "default": "2020-01-01"},
        "country": {"type": "string", "enum": ["no", "de"]},
        "note": {"type": "string"},
    }
    assert tool.parameters["required"] == ["petId", "name"]
    assert tool.locations["name"] == "body"
    assert tool.response["required"] == ["id"]
    assert tool.response["properties"]["born"]["type"] == ["string", "null"]
    assert tool.response["properties"]["country"]["enum"] == ["no", "de", None]
    assert tool.response["properties"]["parent"] == {"type": "object"}


def test_external_references_are_read_beside_the_file_where_that_is_possible():
    from rayscaler.recipes import IngestRecipe, Source
    from rayscaler.specs import SpecFile, read_file

    files = {
        "people.yaml": b"Owner: {$ref: 'deep/names.yaml#/Name'}",
        "deep/names.yaml": b"Name: {type: object, properties: {first: {$ref: '#/First'}}}\nFirst: {type: string}",
    }
    file = SpecFile("pool", "a/openapi.yaml", "/nowhere", "MIT", 1)
    parsed = read_file(file, OPENAPI.encode(), Source(path="x"), IngestRecipe(), files.get)
    owner = parsed.tools[0].parameters["properties"]["owner"]
    assert owner == {"type": "object", "properties": {"first": {"type": "string"}}}




def test_swagger_bodies_forms_and_names_from_routes():
    post, put = read(SWAGGER, "acme/apiDefinition.swagger.json").tools
    assert (post.tool_id, post.name, put.name) == ("desk/desk/1.0/post_tickets", "post_tickets", "put_tickets_file")
    assert post.parameters == {
        "type": "object",
        "properties": {
            "urgent": {"type": "boolean", "description": "Whether to hurry"},
            "title": {"type": "string", "maxLength": 9},
            "tags": {"type": "array", "items": {}},
        },
        "required": [],
        "$comment": "left out, nothing to resolve: gone.json#/parameters/Version",
    }
    assert post.response["type"] == "object"
    assert put.parameters["properties"] == {
        "id": {"type": "integer", "exclusiveMinimum": 0},
        "content": {"type": "string", "format": "binary"},
    }
    assert (put.parameters["required"], put.locations["content"]) == (["id", "content"], "body")
    assert (put.response, put.response_inferred) == ({"type": "object", "properties": {}}, False)      # 204


@pytest.mark.parametrize(("schema", "name"), [({"type": "array", "items": {"type": "integer"}}, "ids"), ({}, "ids")])
def test_a_body_that_is_no_object_is_one_argument(schema, name):
    parameters = [{"name": name, "in": "body", "required": True, "schema": schema}]
    tool = one({**SWAGGER, "paths": {"/x": {"post": {"parameters": parameters, "responses": {}}}}})
    assert list(tool.parameters["properties"]) == tool.parameters["required"] == [name]


def test_repeated_operation_ids_get_numbers():
    operation = {"operationId": "list", "responses": {}}
    parsed = read({**SWAGGER, "paths": {"/a": {"get": operation}, "/b": {"get": operation}, "/c": {"get": operation}}})
    assert [tool.name for tool in parsed.tools] == ["list", "list_2", "list_3"]
    assert [tool.path for tool in parsed.tools] == ["/a", "/b", "/c"]
    assert_valid(parsed)


def test_a_path_item_that_points_nowhere_is_an_unresolved_reference():
    parsed = read({**SWAGGER, "paths": {"/a": {"$ref": "paths/a.yaml"}}})
    assert [r.reason for r in parsed.rejects] == ["unresolved_reference"]
    assert "paths/a.yaml" in parsed.rejects[0].detail


def test_a_newer_version_in_all_routes_belongs_to_the_version():
    def version(declared, *paths):
        document = {"openapi": "3.0.0", "info": {"title": "x", "version": declared}}
        [tool, *_] = read({**document, "paths": {path: {"get": {}} for path in paths}}).tools
        return tool.version

    assert version("1.0.0", "/v2/a", "/v2/b") == "1.0.0-v2"
    assert version("1.0.0", "/v1/a") == version("1.0.0", "/v2/a", "/v1/b") == "1.0.0"
    assert version("2020-08-27", "/v1/a") == "2020-08-27"
