"""Files that mean harm, and files that are broken anywhere: tools or rejects, never an error."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from specs.reading import assert_valid, read
from specs.samples import DOCUMENTS, OPENAPI, SWAGGER

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(12)
)


def nested_schema(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def with_body(schema: Any) -> dict[str, Any]:
    body = {"name": "body", "in": "body", "schema": schema}
    return {**SWAGGER, "paths": {"/x": {"post": {"parameters": [body], "responses": {"200": {"schema": schema}}}}}}


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("[" * 100_000, "a.json"),
        ('{"a":' * 100_000, "a.json"),
        ("[" * 100_000, "a.yaml"),
        ("- " * 5_000 + "x", "a.yaml"),
        (BOMB, "a.yaml"),
        ("a: !!python/object/apply:os.system [ls]", "a.yaml"),
        ("? {a: b}\n: c", "a.yaml"),
        ("1: " + "9" * 10_000, "a.yaml"),
        (b"\xff\xfe\x00", "a.yaml"),
        (b"PK\x03\x04\x00\x00", "a.json"),
        ("a" * 1_000_000, "a.yaml"),
        ('"' + "a" * 200_000 + '",\n' * 5, "a.csv"),
        ("类名,input_parameters,api_info\n,a," + "a=" + "(" * 20_000, "a.csv"),
    ],
    ids=lambda value: None if isinstance(value, bytes) or len(value) > 9 else value,
)
@pytest.mark.timeout(60)
def test_hostile_files_are_rejected_quickly(data, name):
    parsed = read(data, name)
    assert_valid(parsed)
    assert not parsed.tools
    assert parsed.rejects


def test_an_alias_bomb_is_too_large():
    assert [r.reason for r in read(BOMB, "a.yaml").rejects] == ["too_large"]


@pytest.mark.parametrize(
    "schema",
    [
        nested_schema(150),
        {"$ref": "#/definitions/Loop"},
        {"$ref": "#/paths"},
        {"$ref": ""},
        {"allOf": [{"$ref": "#/definitions/Loop"}] * 50},
        {"type": "object", "properties": {"a": {"type": "string", "description": "x <" * 300_000}}},
        {"type": "object", "properties": {"a" * 1_000_000: {"type": "string"}}},
        {"type": "string", "enum": ["v" * 1_000_000], "pattern": "(a+)+" * 100, "default": "\ud800"},
        {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(20_000)}},
        {"anyOf": [{"type": "string"}] * 10_000},
    ],
    ids=["deep", "loop", "itself", "empty", "all-of", "long-text", "long-name", "long-values", "wide", "any-of"],
)
@pytest.mark.timeout(60)
def test_hostile_schemas_give_a_bounded_tool_or_a_reject(schema):
    again = {"$ref": "#/definitions/Loop"}
    parsed = read({**with_body(schema), "definitions": {"Loop": {"allOf": [again], "items": again}}})
    assert_valid(parsed)
    assert len(parsed.tools) + len(parsed.rejects) == 1
    assert all(len(json.dumps(tool.parameters)) < 80_000 for tool in parsed.tools)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**70),
    st.floats(),
    st.sampled_from(["", "x", "#", "$ref", "#/definitions/Ticket", "array", "\ud800", "\0", "é" * 300, "../.."]),
    st.lists(st.sampled_from([None, 1, "x", {}, []]), max_size=3),
    st.dictionaries(
        st.sampled_from(["type", "$ref", "properties", "items", "allOf", "anyOf", "required", "enum", "name", "x"]),
        st.sampled_from([None, 1, "string", "#/components/schemas/Pet", {"a": {}}, [{}], ["a"], [None], True]),
        max_size=4,
    ),
)


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """(container, key) of every value inside `value`, in its order."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found.append((value, key))
        places(inner, found)
    return found


@settings(max_examples=160, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(name=st.sampled_from(sorted(DOCUMENTS)), data=st.data())
def test_specifications_with_any_value_replaced_never_raise_and_give_valid_tools(name, data):
    document = copy.deepcopy(DOCUMENTS[name])
    for _ in range(data.draw(st.integers(1, 4))):
        found = places(document, [])
        if found:
            holder, key = found[data.draw(st.integers(0, len(found) - 1))]
            holder[key] = copy.deepcopy(data.draw(JUNK))
    parsed = read(document, name)
    assert_valid(parsed)
    assert parsed.tools or parsed.rejects


@settings(max_examples=80, deadline=None, derandomize=True)
@given(cut=st.integers(0, len(OPENAPI)), junk=st.binary(max_size=6))
def test_yaml_with_bytes_put_in_anywhere_never_raises(cut, junk):
    data = OPENAPI.encode()
    parsed = read(data[:cut] + junk + data[cut:], "a.yaml")
    assert_valid(parsed)
    assert parsed.tools or parsed.rejects


COLLECTION = {"info": {"_postman_id": 1, "version": "9" * 9_000}}


@pytest.mark.parametrize(
    "document",
    [
        [{"api_name": "a - b", "api_call": "a" * 200_000 + "{", "api_arguments": {"a": " " * 200_000, "b": {"c": {}}}}],
        [{"Name": "x", "Function_Description": {"f": "Parameters: {" * 5_000, "g": "Parameters:" + " " * 200_000}}],
        {"tools": [{"name": "a", "inputSchema": {}}], "serverInfo": {"name": "9" * 9_000}},
        {**COLLECTION, "item": [{"name": "a", "request": {"url": "{{" * 50_000}}]},
        {**COLLECTION, "item": [{"name": "a", "request": {"body": {"mode": "raw", "raw": "[" * 90_000}}}]},
        [{"api_list": [{"api_name": "a", "template_response": "[" * 90_000, "url": "://" * 50_000}]}],
    ],
    ids=["zoo", "alpaca", "mcp", "postman-url", "postman-body", "toolbench"],
)
@pytest.mark.timeout(60)
def test_hostile_texts_in_collections_give_bounded_tools_quickly(document):
    parsed = read(document, "x.json")
    assert_valid(parsed)
    assert all(len(tool.version) <= 40 for tool in parsed.tools)
