"""Answers that specifications leave out."""

from __future__ import annotations

from typing import Any

import pytest

from rayscaler.specs.answers import EMPTY, singular, with_answers
from rayscaler.toolspec import ToolSpec
from specs.reading import read

ORDER = {"type": "object", "properties": {"id": {"type": "integer"}, "total": {"type": "number"}}}
ORDERS = {"type": "object", "properties": {"orders": {"type": "array", "items": ORDER}, "next": {"type": "string"}}}


def tool(name: str, response: Any = None, **more: Any) -> ToolSpec:
    arguments = more.pop("arguments", {})
    parameters = {"type": "object", "properties": {k: {"type": v} for k, v in arguments.items()}, "required": []}
    given = {"api": "shop", "vendor": "acme", "format": "functions", "parameters": parameters}
    return ToolSpec(tool_id=f"acme/{name}", name=name, response=response, **{**given, **more})


def inferred(*tools: ToolSpec) -> dict[str, Any]:
    return {t.name: t.response for t in with_answers(list(tools)) if t.response_inferred}


def test_a_sibling_shows_the_item():
    assert inferred(tool("get_order"), tool("list_orders", ORDERS)) == {"get_order": ORDER}
    assert inferred(tool("list_orders"), tool("get_order", ORDER)) == {"list_orders": {"type": "array", "items": ORDER}}
    assert inferred(tool("cancel_order"), tool("get_order", {"type": "object", "properties": {"order": ORDER}})) == {
        "cancel_order": ORDER
    }


def test_an_item_comes_from_what_makes_it_where_nothing_shows_it():
    answers = inferred(tool("create_order", arguments={"total": "number", "api_key": "string"}), tool("get_order"))
    made = {"type": "object", "properties": {"id": {"type": "string"}, "total": {"type": "number"}}}
    assert answers == {"create_order": made, "get_order": made}


def test_siblings_of_another_api_do_not_count():
    assert inferred(tool("get_order"), tool("list_orders", ORDERS, api="other"))["get_order"] != ORDER


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("delete_order", {}, EMPTY),
        ("order", {"method": "DELETE", "path": "/orders/{id}", "resources": ("orders",)}, EMPTY),
        ("verify_address", {}, {"type": "object", "properties": {"result": {"type": "boolean"}}}),
        ("calculate_area", {}, {"type": "object", "properties": {"area": {"type": "number"}}}),
        ("calculate", {}, {"type": "object", "properties": {"result": {"type": "number"}}}),
        ("blend", {}, {"type": "object", "properties": {"status": {"type": "string"}}}),
        (
            "get_weather",
            {"arguments": {"city": "string", "page": "integer", "days": "array"}},
            {"type": "object", "properties": {"weather": {"type": "string"}, "city": {"type": "string"}}},
        ),
        (
            "geofence_controller",
            {"method": "GET", "path": "/geofences", "resources": ("geofences",)},
            {
                "type": "array",
                "items": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}},
            },
        ),
        (
            "block_volume",
            {"description": "Gets the volume."},
            {"type": "object", "properties": {"block_volume": {"type": "string"}}},
        ),
    ],
)
def test_the_verb_and_the_noun_decide_where_there_is_no_sibling(name, more, expected):
    assert inferred(tool(name, **more)) == {name: expected}


def test_a_declared_answer_stays_and_is_not_marked():
    kept = with_answers([tool("get_order", ORDER)])[0]
    assert (kept.response, kept.response_inferred) == (ORDER, False)


@pytest.mark.parametrize(
    ("plural", "expected"),
    [("categories", "category"), ("boxes", "box"), ("orders", "order"), ("status", "status"), ("address", "address")],
)
def test_regular_plurals(plural, expected):
    assert singular(plural) == expected


def test_siblings_are_found_in_a_real_document():
    item = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
    listed = {"responses": {"200": {"schema": {"type": "array", "items": item}}}}
    made = {"parameters": [{"in": "body", "name": "pet", "schema": item}]}
    paths = {"/pets": {"get": listed, "post": made}, "/pets/{id}": {"get": {}, "delete": {}}}
    parsed = read({"swagger": "2.0", "info": {"title": "Pets", "version": "1"}, "paths": paths})
    assert {t.name: (t.response, t.response_inferred) for t in parsed.tools} == {
        "get_pets": ({"type": "array", "items": item}, False),
        "post_pets": (item, True),
        "get_pets_by_id": (item, True),
        "delete_pets_by_id": (EMPTY, True),
    }
