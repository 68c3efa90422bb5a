"""Postman collections."""

from __future__ import annotations

from rayscaler.recipes import IngestRecipe
from specs.reading import assert_valid, read
from specs.samples import POSTMAN


def test_a_request_in_a_folder_with_its_saved_answer():
    parsed = read(POSTMAN, "parcels.json")
    assert_valid(parsed)
    [tool] = parsed.tools
    assert (tool.tool_id, tool.method, tool.path) == ("parcels/parcel/3/Get-a-parcel", "GET", "/parcels/{id}")
    assert (tool.name, tool.pointer) == ("get_a_parcel", "/item/0/item/0")
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "Which one."},
            "depth": {"type": "string", "examples": ["3"]},
            "lang": {"type": "string"},
            "Idempotency-Key": {"type": "string"},
        },
        "required": ["id", "lang"],
    }
    assert tool.locations == {"id": "path", "depth": "query", "lang": "query", "Idempotency-Key": "header"}
    assert tool.response["properties"]["weight"] == {"type": "number", "examples": [2.5]}
    assert tool.response["properties"]["tags"]["items"]["type"] == "string"
    assert not tool.response_inferred


def test_a_folder_that_is_deprecated_deprecates_its_requests_and_a_note_is_no_request():
    assert [r.reason for r in read(POSTMAN, "x.json").rejects] == ["filtered", "invalid_operation"]
    send = read(POSTMAN, "x.json", recipe=IngestRecipe(deprecated=True)).tools[1]
    assert (send.deprecated, send.path) == (True, "/parcels")
    assert send.parameters["properties"]["size"]["properties"] == {"height": {"type": "integer", "examples": [3]}}


def test_forms_files_and_graphql_bodies():
    def fields(body):
        request = {"method": "POST", "url": {"path": ["a"]}, "body": body}
        [tool] = read({**POSTMAN, "item": [{"name": "a", "request": request}]}, "x.json").tools
        return tool.parameters["properties"]

    entry = [{"key": "name", "value": "x", "type": "text", "description": {"content": "Its name."}}]
    assert fields({"mode": "urlencoded", "urlencoded": entry})["name"]["description"] == "Its name."
    assert fields({"mode": "formdata", "formdata": [{"key": "scan", "type": "file"}]})["scan"]["format"] == "binary"
    assert list(fields({"mode": "file"})) == ["file"]
    assert list(fields({"mode": "graphql", "graphql": {}})) == ["variables"]
    assert list(fields({"mode": "raw", "raw": "plain text"})) == ["body"]
