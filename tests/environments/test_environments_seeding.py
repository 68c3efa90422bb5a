"""Seeded states: equal bytes, rows that agree with each other and with their schema, other seeds other rows."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from itertools import pairwise
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.canonical import digest
from rayscaler.environment import Column, Entity, Semantic
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.seeding import seed_rows
from shop import SHOP

NOW = SHOP.now


def column(name: str, semantic: Semantic, **more: Any) -> Column:
    return Column(**{"name": name, "type": "TEXT", "semantic": semantic, "nullable": False, **more})


def table(name: str, *columns: Column, label: str | None = None) -> Entity:
    key = column("id", Semantic.ID, generated=True)
    return Entity(name=name, singular=name.rstrip("s"), key="id", label=label, columns=(key, *columns))


def refer(name: str, to: str, **more: Any) -> Column:
    return column(name, Semantic.REFERENCE, references=to, **more)


def seeded(*entities: Entity, rows: int = 12, seed: int = 1) -> dict[str, list[dict[str, Any]]]:
    """The rows, after SQLite has taken them under the schema's constraints."""
    spec = SHOP.model_copy(update={"entities": entities, "tools": ()})
    HostedEnvironment(spec, rows=rows).start(seed)
    return seed_rows(entities, seed=seed, rows=rows, now=NOW)


@pytest.fixture(scope="module")
def shop() -> dict[str, list[dict[str, Any]]]:
    return seeded(*SHOP.entities, rows=40)


def test_the_same_seed_gives_the_same_bytes_whatever_else_is_random():
    code = ("from shop import SHOP; from rayscaler.canonical import digest; "
            "from rayscaler.environments.seeding import seed_rows; "
            "print(digest(seed_rows(SHOP.entities, seed=5, rows=12, now=SHOP.now)))")
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    elsewhere = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    random.seed(3)
    np.random.seed(3)
    assert digest(seed_rows(SHOP.entities, seed=5, rows=12, now=NOW)) == elsewhere.stdout.strip()


def test_a_table_that_goes_leaves_the_rows_of_the_others_as_they_were():
    whole = seed_rows(SHOP.entities, seed=5, rows=12, now=NOW)
    fewer = seed_rows([e for e in SHOP.entities if e.name != "order_items"], seed=5, rows=12, now=NOW)
    assert fewer == {name: rows for name, rows in whole.items() if name != "order_items"}


def test_different_seeds_give_different_states():
    states = [seed_rows(SHOP.entities, seed=seed, rows=12, now=NOW) for seed in range(20)]
    assert len({digest(state) for state in states}) == 20
    values = [{str(v) for rows in state.values() for row in rows for v in row.values()} for state in states]
    shared = [len(a & b) / len(a | b) for a, b in pairwise(values)]
    assert sum(shared) / len(shared) < 0.1


def test_references_have_rows_and_parents_have_children(shop):
    customers = {row["customer_id"] for row in shop["customers"]}
    buyers = [row["customer_id"] for row in shop["orders"]]
    assert set(buyers) <= customers
    assert len(set(buyers)) > 15
    assert max(buyers.count(c) for c in customers) > 1


def test_a_child_is_younger_than_its_parent_and_changes_come_after_creation(shop):
    born = {row["customer_id"]: row["created_at"] for row in shop["customers"]}
    for order in shop["orders"]:
        assert born[order["customer_id"]] < order["created_at"] <= order["updated_at"] <= NOW


def test_every_status_occurs_and_what_belongs_to_one_status_is_nowhere_else(shop):
    states = [order["status"] for order in shop["orders"]]
    assert {s: states.count(s) for s in states} == dict.fromkeys(SHOP.entity("orders").column("status").enum, 10)
    assert {order["status"] for order in shop["orders"] if order["cancel_reason"]} == {"cancelled"}


def test_a_row_is_one_persons(shop):
    for row in shop["customers"]:
        first, last = row["name"].lower().replace("'", "").split(" ", 1)
        assert row["email"].startswith(f"{first}.{last.replace(' ', '')}")
    assert len({row["email"] for row in shop["customers"]}) == 40
    assert len({row["title"] for row in shop["products"]}) == 40


def test_ranges_hold_and_numbers_vary(shop):
    assert {1 <= row["quantity"] <= 20 for row in shop["order_items"]} == {True}
    assert len({row["unit_price"] for row in shop["order_items"]}) > 20


def test_two_ways_to_an_ancestor_meet():
    rows = seeded(table("users"), table("orders", refer("user", "users")),
                  table("bills", refer("user", "users"), refer("order", "orders")))
    owner = {row["id"]: row["user"] for row in rows["orders"]}
    assert all(row["user"] == owner[row["order"]] for row in rows["bills"])


def test_places_of_one_row_agree_and_two_addresses_differ():
    names = [(f"{side}_{part}", semantic) for side in ("billing", "shipping") for part, semantic in (
        ("city", Semantic.CITY), ("country", Semantic.COUNTRY), ("timezone", Semantic.TIMEZONE))]
    rows = seeded(table("sites", *(column(name, semantic) for name, semantic in names)), rows=60)["sites"]
    countries = {(row[f"{side}_city"], row[f"{side}_country"]) for row in rows for side in ("billing", "shipping")}
    assert len({city for city, _ in countries}) == len(countries)
    assert sum(row["billing_city"] != row["shipping_city"] for row in rows) > 30


def test_a_circle_of_references_is_filled():
    users = table("users", refer("team", "teams"), refer("boss", "users"))
    rows = seeded(table("teams", refer("lead", "users")), users)
    assert {row["team"] for row in rows["users"]} <= {row["id"] for row in rows["teams"]}


def test_a_tree_in_one_table_has_a_root_and_no_circle():
    rows = seeded(table("folders", refer("parent", "folders", nullable=True)), rows=30)["folders"]
    parents = {row["id"]: row["parent"] for row in rows}
    assert any(parents.values())
    for start in parents:
        at = start
        for _ in range(31):
            at = parents.get(at)
        assert at is None


def test_dates_of_one_row_are_in_order():
    names = ["created_at", "start_time", "end_time", "updated_at", "completed_at"]
    rows = seeded(table("events", *(column(n, Semantic.DATETIME) for n in names), column("birth_date", Semantic.DATE),
                        column("epoch_created", Semantic.DATETIME, type="INTEGER")), rows=50)["events"]
    for row in rows:
        assert row["created_at"] < row["start_time"] < row["end_time"]
        assert row["created_at"] <= row["updated_at"] <= NOW
        assert row["created_at"] <= row["completed_at"] <= NOW
        assert row["birth_date"] < "2008"
        assert type(row["epoch_created"]) is int
    assert sum(row["start_time"] > NOW for row in rows) > 20


def test_unique_columns_and_one_to_one_references_shrink_a_table_instead_of_failing():
    flag = column("level", Semantic.ENUM, enum=("low", "mid", "high"), unique=True)
    badge = Entity(name="badges", singular="badge", key="level_id", columns=(refer("level_id", "levels"),))
    rows = seeded(table("levels", flag), badge)
    assert sorted(row["level"] for row in rows["levels"]) == ["high", "low", "mid"]
    assert [row["level_id"] for row in rows["badges"]] == [row["id"] for row in rows["levels"]]


def test_json_columns_have_the_shape_of_their_schema():
    schema = {
        "type": "object", "required": ["email", "lines"], "properties": {
            "email": {"type": "string"}, "count": {"type": "integer", "minimum": 3, "maximum": 4},
            "kind": {"type": "string", "enum": ["a", "b"]}, "active": {"type": "boolean"},
            "lines": {"type": "array", "items": {"type": "object", "required": ["price"], "properties": {
                "price": {"type": "number"}, "start_date": {"type": "string", "format": "date"}}}},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    }
    rows = seeded(table("things", column("body", Semantic.JSON, json_schema=schema), column("labels", Semantic.JSON)))
    for row in rows["things"]:
        jsonschema.validate(row["body"], schema)
        assert "@" in row["body"]["email"]
    assert len({digest(row["body"]) for row in rows["things"]}) == 12


SEMANTICS = [s for s in Semantic if s not in (Semantic.ID, Semantic.REFERENCE)]


SWITCHES = st.fixed_dictionaries({name: st.booleans() for name in ("nullable", "unique", "generated")})


@st.composite
def schemas(draw: Any) -> tuple[Entity, ...]:
    names = ["users", "orders", "notes"][: draw(st.integers(1, 3))]
    entities = []
    for name in names:
        columns = []
        for i in range(draw(st.integers(0, 6))):
            semantic = draw(st.sampled_from(SEMANTICS))
            kind = draw(st.sampled_from(["TEXT", "INTEGER", "REAL"])) if semantic is not Semantic.JSON else "TEXT"
            low = draw(st.one_of(st.none(), st.integers(-5, 5)))
            listed = semantic in (Semantic.ENUM, Semantic.STATUS) and draw(st.booleans())
            columns.append(Column(
                name=f"{draw(st.sampled_from(['start_date', 'email', 'name', 'city', 'age', 'x']))}{i}", type=kind,
                semantic=semantic, enum=("1", "2", "3") if listed else (), minimum=low,
                maximum=None if low is None else low + draw(st.integers(0, 40)), **draw(SWITCHES),
            ))
        if draw(st.booleans()):
            switches = {**draw(SWITCHES), "generated": False}
            columns.append(refer("owner", draw(st.sampled_from(names)), **switches))
        entities.append(table(name, *columns))
    return tuple(entities)


@settings(max_examples=80, deadline=None)
@given(schemas(), st.integers(0, 5), st.sampled_from([1, 3, 12]))
def test_any_schema_gets_rows_that_it_takes(entities, seed, rows):
    state = seeded(*entities, rows=rows, seed=seed)
    assert state == seed_rows(entities, seed=seed, rows=rows, now=NOW)
    assert all(len(found) <= rows for found in state.values())
    for entity in entities:
        for c in entity.columns:
            assert c.nullable or all(row[c.name] is not None for row in state[entity.name])


def test_one_row_in_five_has_the_title_of_the_row_before_where_a_date_tells_them_apart():
    columns = (Column(name="id", type="TEXT", semantic=Semantic.ID, generated=True),
               Column(name="title", type="TEXT", semantic=Semantic.TITLE, nullable=False),
               Column(name="due", type="TEXT", semantic=Semantic.DATE, nullable=False))
    tasks = Entity(name="tasks", singular="task", key="id", label="title", columns=columns)
    rows = seed_rows((tasks,), seed=1, rows=20, now=NOW)["tasks"]
    twins = [i for i in range(1, 20) if rows[i]["title"] == rows[i - 1]["title"]]
    assert len(twins) == 4
    assert len({row["title"] for row in rows}) == 16
    lone = tasks.model_copy(update={"columns": columns[:2]})
    assert len({row["title"] for row in seed_rows((lone,), seed=1, rows=20, now=NOW)["tasks"]}) == 20


def test_a_key_that_people_choose_is_a_name_and_plain_columns_hold_words_of_their_kind():
    kinds = {"name": Semantic.ID, "role": Semantic.CODE, "mimeType": Semantic.CODE}
    columns = tuple(Column(name=n, type="TEXT", semantic=semantic, nullable=False) for n, semantic in kinds.items())
    entity = Entity(name="clusters", singular="cluster", key="name", label="name", columns=columns)
    rows = seed_rows((entity,), seed=1, rows=12, now=NOW)["clusters"]
    assert all(re.fullmatch(r"[a-z]+(-[a-z0-9]+)+", row["name"]) for row in rows)
    assert {row["role"] for row in rows} <= {"owner", "editor", "commenter", "reader"}
    assert all("/" in row["mimeType"] for row in rows)


def test_one_person_has_one_name_in_every_column_of_a_row():
    people = table("customers", column("first_name", Semantic.FIRST_NAME), column("last_name", Semantic.LAST_NAME),
                   column("email", Semantic.EMAIL), column("username", Semantic.USERNAME),
                   column("display_name", Semantic.TITLE), column("receiver_name", Semantic.TITLE),
                   column("receiver_email", Semantic.EMAIL), column("plan_name", Semantic.TITLE))
    for row in seeded(people)["customers"]:
        first, last = row["first_name"], row["last_name"]
        assert row["display_name"] == f"{first} {last}"
        assert row["email"].partition("@")[0] == f"{first}.{last}".lower().replace("'", "").replace(" ", "")
        assert row["username"].startswith(f"{first}_".lower())
        receiver = row["receiver_name"].lower().replace(" ", ".").replace("'", "")
        assert row["receiver_email"].partition("@")[0] == receiver
        assert row["receiver_email"] != row["email"]


def test_a_key_that_is_an_email_is_its_owners():
    people = Entity(name="delegates", singular="delegate", key="delegateEmail", columns=(
        Column(name="delegateEmail", type="TEXT", semantic=Semantic.ID, nullable=False, generated=True),
        column("full_name", Semantic.PERSON)))
    for row in seeded(people)["delegates"]:
        first, _, last = row["delegateEmail"].partition("@")[0].partition(".")
        assert row["full_name"] == f"{first.title()} {last.title()}"


@pytest.mark.parametrize("name, pattern", [
    ("roleArn", r"arn:aws:iam::123456789012:role/[a-z0-9-]+"), ("snsTopicArn", r"arn:aws:sns:us-east-1:\d{12}:[a-z-]+"),
    ("arn", r"arn:aws:thing:us-east-1:123456789012:thing/thi-\d{4}"),
    ("requestId", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-.{12}"),
    ("accountId", r"[1-9]\d{11}"), ("content_hash", "[0-9a-f]{64}"), ("instanceId", "i-0[0-9a-f]{16}"),
    ("privateIpAddress", r"(10\.0|172\.16)\.\d+\.1\d\d"), ("creatorId", r"cre-[1-9]\d{3}"),
    ("code", r"thi-[1-9]\d{3}"),
])
def test_a_code_has_the_form_that_its_name_says(name, pattern):
    rows = seeded(table("things", column(name, Semantic.CODE)))["things"]
    assert [row[name] for row in rows if not re.fullmatch(pattern, row[name])] == []
    assert len({row[name] for row in rows}) == len(rows)


def test_items_of_a_list_are_what_one_of_them_is_called():
    schema = {"type": "array", "items": {"type": "string"}}
    rows = seeded(table("mails", column("ccEmailAddresses", Semantic.JSON, json_schema=schema),
                        column("labelIds", Semantic.JSON, json_schema=schema)))["mails"]
    assert all("@" in address for row in rows for address in row["ccEmailAddresses"])
    assert all(re.fullmatch(r"lab-\d{4}", label) for row in rows for label in row["labelIds"])


def test_whole_numbers_keep_bounds_that_are_not_whole():
    size = column("size", Semantic.INTEGER, type="INTEGER", minimum=3.5, maximum=5.5)
    assert {row["size"] for row in seeded(table("boxes", size))["boxes"]} == {4, 5}
