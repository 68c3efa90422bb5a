"""The schema as SQL: readable, stable, and refused where it contradicts itself."""

from __future__ import annotations

from typing import Any

import apsw
import pytest

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.sql import schema_sql
from rayscaler.errors import EnvironmentSpecError
from shop import SHOP


def entity(name: str = "things", key: str = "id", **columns: dict[str, Any]) -> Entity:
    given = {"id": {"nullable": False, "generated": True, "semantic": Semantic.ID}, **columns}
    return Entity(name=name, singular=name.rstrip("s"), key=key, columns=tuple(
        Column(**{"name": n, "type": "TEXT", "semantic": Semantic.WORD, **c}) for n, c in given.items()))


def test_the_schema_of_an_entity_reads_like_one():
    assert schema_sql([SHOP.entity("customers"), SHOP.entity("orders")]).split("\n\n")[1] == (
        "-- What a customer has asked for.\n"
        'CREATE TABLE "orders" (\n'
        '  "order_id" TEXT PRIMARY KEY NOT NULL,\n'
        '  "customer_id" TEXT NOT NULL REFERENCES "customers" ("customer_id") ON DELETE RESTRICT,\n'
        "  \"status\" TEXT NOT NULL CHECK (\"status\" IN ('pending', 'processing', 'delivered', 'cancelled')),\n"
        '  "delivery_date" TEXT,\n'
        "  \"cancel_reason\" TEXT CHECK (\"cancel_reason\" IN ('no longer needed', 'ordered by mistake')),\n"
        '  "created_at" TEXT NOT NULL,\n'
        '  "updated_at" TEXT NOT NULL\n'
        ") STRICT, WITHOUT ROWID;\n"
        'CREATE INDEX "orders.customer_id" ON "orders" ("customer_id");'
    )


def test_names_and_values_of_any_spelling_are_quoted():
    odd = entity('od"d tables', **{
        "select": {}, "it's": {"enum": ("a'b", 'c"d', "e; DROP TABLE x")},
        "n": {"type": "INTEGER", "minimum": 1, "maximum": 9, "semantic": Semantic.INTEGER},
        "x": {"type": "REAL", "minimum": -0.5, "semantic": Semantic.NUMBER},
        "level": {"type": "INTEGER", "enum": ("1", "2")},
        "group": {"references": 'od"d tables', "on_delete": "set_null"},
    })
    connection = apsw.Connection(":memory:")
    connection.execute(schema_sql([odd]))
    assert [row[1] for row in connection.execute("SELECT * FROM pragma_table_info('od\"d tables')")][:3] == [
        "id", "select", "it's"]
    session = HostedEnvironment(SHOP.model_copy(update={"entities": (odd,), "tools": ()})).start(1)
    assert len(session.rows('od"d tables')) == 12


@pytest.mark.parametrize("entities, words", [
    ([entity(), entity()], "entity 'things' occurs more than once"),
    ([entity(calendarId={}, calendarid={})], "column of things 'calendarid' occurs more than once"),
    ([entity(key="name")], "the key 'name' is none of its columns"),
    ([entity(owner={"references": "users"})], "things.owner references 'users'; there are things"),
    ([entity(owner={"references": "things", "type": "INTEGER"})], "things.owner is INTEGER, the key things.id is TEXT"),
    ([entity(owner={"references": "things", "on_delete": "set_null", "nullable": False})], "needs a nullable column"),
    ([entity(owner={"type": "VARCHAR"})], "the type 'VARCHAR' is none of TEXT, INTEGER, REAL"),
    ([entity(name="_counters")], "cannot be called '_counters'"),
    ([entity(level={"type": "INTEGER", "enum": ("high",)})], "the enumeration value 'high' is no INTEGER"),
])
def test_a_contradiction_is_named(entities, words):
    with pytest.raises(EnvironmentSpecError) as refusal:
        schema_sql(entities)
    assert words in str(refusal.value)
