"""AWS service models."""

from __future__ import annotations

from specs.reading import assert_valid, one, read
from specs.samples import MODEL, MODEL_FILE

ID = {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "[a-z]+"}


def test_an_operation_becomes_a_tool_with_its_shapes_written_out():
    tool = one(MODEL, MODEL_FILE)
    assert (tool.tool_id, tool.name) == ("amazonaws/desk/2020-01-01/CreateUserGroup", "create_user_group")
    assert (tool.method, tool.path, tool.resources) == ("PUT", "/groups/{DeskId}", ("user_group",))
    assert (tool.api_title, tool.description) == ("Acme Desk", "Creates a group.")
    assert tool.pointer == "/operations/CreateUserGroup"
    assert tool.locations == {"DeskId": "path", "Name": "body", "Size": "query", "Parent": "body", "Token": "body"}
    assert tool.parameters["required"] == ["DeskId", "Name"]
    properties = tool.parameters["properties"]
    assert properties["DeskId"] == {**ID, "description": "The desk."}
    assert properties["Name"] == {"type": "string", "enum": ["A", "B"]}       # Java's \p{L} is no Python pattern
    assert properties["Size"] == {"type": "integer", "minimum": 1, "maximum": 7}
    assert properties["Parent"]["properties"] == {"Id": ID, "Parent": {"type": "object"}}      # a cycle ends open
    assert "dempotency" in properties["Token"]["description"]
    assert list(tool.response["properties"]) == ["Groups"]
    assert tool.response["properties"]["Groups"]["maxItems"] == 5


def test_an_rpc_operation_has_no_route_and_answers_nothing_where_there_is_no_output():
    operation = {"name": "BatchGetItem", "http": {"method": "POST", "requestUri": "/"}}
    tool = one({**MODEL, "operations": {"BatchGetItem": operation}}, MODEL_FILE)
    assert (tool.method, tool.path, tool.resources) == ("", "", ("item",))
    assert (tool.response, tool.response_inferred) == ({"type": "object", "properties": {}}, False)
    assert tool.parameters == {"type": "object", "properties": {}, "required": []}


def test_an_operation_that_is_no_object_is_rejected_and_the_others_stay():
    parsed = read({**MODEL, "operations": {**MODEL["operations"], "Broken": "x"}}, MODEL_FILE)
    assert [tool.name for tool in parsed.tools] == ["create_user_group"]
    [reject] = parsed.rejects
    assert (reject.key, reject.reason) == (f"pool:{MODEL_FILE}#/operations/Broken", "invalid_operation")
    assert_valid(parsed)
