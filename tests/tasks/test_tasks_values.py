"""New values fit their column, their schema and what is there already."""

from __future__ import annotations

from typing import Any

import jsonschema
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.environment import Column, Semantic
from rayscaler.tasks.values import Wanted, new_value
from shop import ORDERS, PRODUCTS

NOW = "2026-01-15T09:00:00Z"
TYPES = {
    Semantic.BOOLEAN: "boolean", Semantic.INTEGER: "integer", Semantic.QUANTITY: "integer", Semantic.NUMBER: "number",
    Semantic.MONEY: "number", Semantic.PERCENT: "number", Semantic.LATITUDE: "number", Semantic.LONGITUDE: "number",
}
PLAIN = sorted(set(Semantic) - {Semantic.JSON, Semantic.REFERENCE, Semantic.STATUS, Semantic.ENUM, Semantic.BASE64})


def wanted(name: str, semantic: Semantic, schema: dict[str, Any], **more: Any) -> Wanted:
    kind = {"boolean": "INTEGER", "integer": "INTEGER", "number": "REAL"}.get(schema.get("type", ""), "TEXT")
    return Wanted(Column(name=name, type=kind, semantic=semantic), schema, PRODUCTS, NOW, **more)


@given(st.sampled_from(PLAIN), st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_every_plain_semantic_has_a_value_that_its_schema_takes(semantic: Semantic, seed: int):
    schema = {"type": TYPES.get(semantic, "string")}
    value = new_value(wanted("thing", semantic, schema), np.random.default_rng(seed))
    assert value is not None
    jsonschema.validate(value, schema)


def test_a_new_status_is_another_one_than_now():
    status = ORDERS.column("status")
    ask = Wanted(status, {"type": "string", "enum": list(status.enum)}, ORDERS, NOW, current="pending")
    found = {new_value(ask, np.random.default_rng(i)) for i in range(40)}
    assert found == {"processing", "delivered", "cancelled"}


def test_a_pattern_that_no_plain_value_meets_gives_none():
    assert new_value(wanted("code", Semantic.CODE, {"type": "string", "pattern": "^[0-9]{40}$"}),
                     np.random.default_rng(1)) is None


def test_an_end_comes_after_the_start_that_was_said():
    start = "2026-02-16T08:30:00Z"
    for i in range(40):
        end = new_value(wanted("endTime", Semantic.DATETIME, {"type": "string"}, after=start), np.random.default_rng(i))
        assert start < end < "2026-02-16T11:00:00Z"


def test_an_object_has_one_plain_member_and_a_nested_one_is_not_made_up():
    moment = {"type": "object", "properties": {"dateTime": {"type": "string"}, "timeZone": {"type": "string"}}}
    value = new_value(wanted("start", Semantic.JSON, moment), np.random.default_rng(3))
    assert list(value) == ["dateTime"]
    nested = {"type": "object", "required": ["rule"], "properties": {"rule": {"type": "object"}}}
    assert new_value(wanted("rule", Semantic.JSON, nested), np.random.default_rng(3)) is None


def test_same_seed_same_value():
    ask = wanted("contact", Semantic.PERSON, {"type": "string"})
    assert [new_value(ask, np.random.default_rng(5)) for _ in range(3)] == [
        new_value(ask, np.random.default_rng(5)) for _ in range(3)
    ]


def test_an_object_with_a_sentence_or_several_members_inside_is_not_made_up():
    scope = {"type": "object", "required": ["value"], "properties": {"value": {"type": "string"}}}
    source = {"type": "object", "required": ["name", "email"],
              "properties": {"name": {"type": "string"}, "email": {"type": "string"}}}
    for schema in (scope, source):
        assert new_value(wanted("scope", Semantic.JSON, schema), np.random.default_rng(1)) is None


def test_a_text_of_the_same_task_is_not_said_again():
    notes = wanted("notes", Semantic.TEXT, {"type": "string"})
    first = new_value(notes, np.random.default_rng(4))
    again = new_value(notes._replace(said=(first,)), np.random.default_rng(4))
    assert again != first


@given(st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_names_and_addresses_of_one_person_fit_together(seed: int):
    rng, text = np.random.default_rng(seed), {"type": "string"}
    name = new_value(wanted("name", Semantic.PERSON, text), rng)
    email = new_value(wanted("email", Semantic.EMAIL, text, person={Semantic.PERSON: name}), rng)
    first, last = name.split(" ", 1)
    assert email.partition("@")[0] == f"{first}.{last.split()[-1]}".lower().replace("'", "")
    known = {Semantic.EMAIL: "ada.byron@example.org"}
    assert new_value(wanted("first_name", Semantic.FIRST_NAME, text, person=known), rng) == "Ada"
    known = {Semantic.FIRST_NAME: "Ada", Semantic.LAST_NAME: "Byron"}
    assert new_value(wanted("username", Semantic.USERNAME, text, person=known), rng) == "ada_byron"
