"""Bounds on references, size and nesting; plain text; names."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from rayscaler.specs.keywords import Kind, constraints, kind_of
from rayscaler.specs.naming import api_of, function_name, route_name, route_nouns, vendor_of
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.text import bounded, plain


def reader(schemas, *, ref_depth=6, max_bytes=10_000):
    return SchemaReader(schemas.get, ref_depth=ref_depth, max_bytes=max_bytes)


def chain(n):
    """L0 -> L1 -> … -> Ln, each an object with the next inside."""
    return {f"L{i}": {"type": "object", "properties": {"next": {"$ref": f"L{i + 1}"}}} for i in range(n)} | {
        f"L{n}": {"type": "object", "properties": {"end": {"type": "string"}}}
    }


def test_references_deeper_than_the_bound_are_open_objects():
    found = reader(chain(9), ref_depth=3).read({"$ref": "L0"}, "request")
    for _ in range(3):
        found = found["properties"]["next"]
    assert found == {"type": "object"}


def test_too_large_schemas_lose_their_innermost_references_first():
    wide = {"type": "object", "properties": {f"field_{i}": {"$ref": "leaf"} for i in range(20)}}
    schemas = {"root": {"type": "object", "properties": {"a": {"$ref": "mid"}}}, "mid": wide}
    schemas["leaf"] = {"type": "object", "properties": {f"text_{i}": {"type": "string"} for i in range(50)}}
    found = reader(schemas, max_bytes=2_000).read({"$ref": "root"}, "response")
    assert found["properties"]["a"]["properties"]["field_19"] == {"type": "object"}
    assert len(json.dumps(found)) < 2_000


def test_a_schema_without_references_loses_its_inner_levels_and_then_is_none():
    members = {f"q{j}": {"type": "string"} for j in range(50)}
    inline = {"type": "object", "properties": {f"p{i}": {"type": "object", "properties": members} for i in range(50)}}
    found = reader({}, max_bytes=2_000).read(inline, "request")
    assert found["properties"]["p49"] == {"type": "object"}
    assert reader({}, max_bytes=100).read(inline, "request") is None


def test_a_cycle_through_all_of_ends():
    schemas = {"Node": {"properties": {"child": {"allOf": [{"$ref": "Node"}, {"description": "Below."}]}}}}
    found = reader(schemas).read({"$ref": "Node"}, "request")
    assert found["properties"]["child"] == {"description": "Below."}


def test_what_a_reference_expands_to_does_not_depend_on_who_asked_before():
    schemas = {
        "A": {"type": "object", "properties": {"b": {"$ref": "B"}, "x": {"type": "string"}}},
        "B": {"type": "object", "properties": {"a": {"$ref": "A"}, "y": {"type": "string"}}},
    }
    first = reader(schemas)
    first.read({"$ref": "A"}, "request")
    assert first.read({"$ref": "B"}, "request") == reader(schemas).read({"$ref": "B"}, "request")
    assert first.read({"$ref": "B"}, "request")["properties"]["a"]["properties"]["b"] == {"type": "object"}


def test_mutually_recursive_schemas_stay_within_the_bound():
    names = [f"S{i}" for i in range(30)]
    schemas = {n: {"type": "object", "properties": {m: {"$ref": m} for m in names}} for n in names}
    found = reader(schemas).read({"type": "array", "items": {"$ref": "S0"}}, "response")
    assert len(json.dumps(found)) < 20_000
    assert set(found["items"]["properties"]) == set(names)


@pytest.mark.parametrize(
    ("raw", "kind", "out"),
    [
        ({"type": "file"}, "string", {"format": "binary"}),
        ({"type": ["null", "STRING"], "maxLength": -1}, "string", {}),
        ({"type": "number", "minimum": 3, "exclusiveMinimum": True}, "number", {"exclusiveMinimum": 3}),
        ({"type": "integer", "minimum": "5", "maximum": "x", "default": "7"}, "integer", {"minimum": 5, "default": 7}),
        ({"type": "string", "enum": [1, True, None, 1]}, "string", {"enum": ["1", "true"]}),
        ({"type": "string", "enum": [str(i) for i in range(500)]}, "string", {"examples": ["0", "1", "2", "3", "4"]}),
        ({"enum": ["a"]}, "string", {"enum": ["a"]}),
        ({"type": "string", "pattern": "(("}, "string", {}),
        ({"type": "boolean", "default": "false"}, "boolean", {"default": False}),
        ({"type": "number", "default": float("inf"), "maximum": float("nan")}, "number", {}),
        ({"type": "array", "minItems": 9, "maxItems": 2}, "array", {}),
        ({"type": {"a": 1}, "format": 3}, "", {}),
    ],
)
def test_keywords_of_every_dialect(raw, kind, out):
    found = kind_of(raw)
    assert found.name == kind
    assert constraints(raw, found) == out
    Draft202012Validator.check_schema({"type": kind, **out} if kind else out)


def test_a_type_that_several_words_spell_is_kept_whole():
    assert kind_of({"type": ["string", "integer", "null"]}) == Kind("string", ("integer",), "", True)


def test_markup_becomes_plain_text():
    text = "<p>Creates a <code>user</code>.</p><ul><li>One &amp; two</li></ul> See [the docs](https://x.y/z), **now**."
    assert plain(text, 200) == "Creates a user. One & two See the docs, now."
    assert plain("a < b and c > d", 99) == "a < b and c > d"
    assert plain({"no": "text"}, 9) == ""


def test_long_text_ends_at_a_sentence_else_at_a_word():
    assert bounded("One two. Three four. Five", 22) == "One two. Three four."
    assert bounded("word " * 20, 22) == "word word word word…"
    assert len(bounded("x" * 99, 10)) <= 10


def test_names_from_ids_routes_hosts_and_titles():
    assert function_name("class") == "class_"
    assert function_name("查询") == "unnamed"
    long = function_name("projects.locations.catalogs.branches.products.attributes.values.listRecommendedValues")
    assert len(long) <= 64
    assert long.startswith("projects_")
    assert long.endswith("_list_recommended_values")
    assert route_name("get", "/pets/{petId}") == "get_pets_by_pet_id"
    assert route_nouns("/api/v3/Users/{id}/open-orders.json") == ("users", "open_orders")
    assert route_nouns("/odata/Orders({key})/items:batchGet") == ("orders", "items")
    assert vendor_of("https://api.eu.deepl.com/v2") == "deepl"
    assert vendor_of("shop.acme.co.uk") == "acme"
    assert vendor_of("desk.azurewebsites.net") == "desk"
    assert vendor_of("http://localhost:8080") == vendor_of("10.0.0.1") == vendor_of("{host}") == ""
    assert api_of("Jira Cloud REST API v3", "x.json") == "jira-cloud"
    assert api_of("API", "certified/Yelp/apiDefinition.swagger.json") == "Yelp"
