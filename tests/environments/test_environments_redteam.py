"""Hostile tools and hostile arguments: refused or contained, the session and the process alive and well after."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayscaler.environment import (
    CallResult,
    Column,
    CompiledTool,
    Entity,
    EnvironmentSpec,
    Operator,
    Semantic,
    ToolErrorKind,
)
from rayscaler.environments.hosting import HostedEnvironment, host_tool
from rayscaler.errors import RayscalerError, ToolCodeError
from shop import SHOP

CORPUS: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "hostile_tools.yaml").read_text("utf-8"))
SECONDS = 5.0
"""Far above what a contained tool takes (well under one second), for slow and shared machines."""
NOTES = Entity(
    name="notes", singular="note", key="note_id",
    columns=(
        Column(name="note_id", type="TEXT", semantic=Semantic.ID, nullable=False, generated=True),
        Column(name="body", type="TEXT", semantic=Semantic.JSON),
    ),
)
TARGET: EnvironmentSpec = SHOP.model_copy(update={"entities": (*SHOP.entities, NOTES)})
"""The shop, and a table that takes any JSON value."""


def attack(code: str) -> CompiledTool:
    source = code if "\n" in code or not code else f"def attack(db, x: str = None):\n    return {code}\n"
    return CompiledTool(
        name="attack", tool_id="hostile", description="", parameters={"type": "object", "properties": {}},
        operator=Operator.UPDATE, entity="orders", code=source,
    )


@pytest.fixture(scope="module")
def shop() -> HostedEnvironment:
    return HostedEnvironment(SHOP)


@pytest.mark.parametrize("name", CORPUS["refused"])
def test_it_is_refused(name):
    with pytest.raises(RayscalerError) as refusal:
        host_tool(attack(str(CORPUS["refused"][name])), SHOP)
    assert isinstance(refusal.value, ToolCodeError) or "called" in str(refusal.value)


def run_contained(code: str) -> CallResult:
    """What the tool ends in, once it is sure that nothing else came of it."""
    honest = SHOP.tool("cancel_order")
    environment = HostedEnvironment(TARGET.model_copy(update={"tools": (attack(code), honest)}))
    session, other = environment.start(3), environment.start(3)
    before = session.digest()
    started = time.thread_time()
    result = session.call("attack", {})
    assert time.thread_time() - started < SECONDS
    assert result.error is not None, f"gave {str(result.value)[:100]}"
    assert result.error.kind is not ToolErrorKind.UNKNOWN_TOOL
    assert len(result.error.message) < 1_000
    assert (result.changes, session.changes(), session.digest()) == ((), (), before)
    assert other.digest() == before
    order = next(row for row in session.rows("orders") if row["status"] == "pending")
    assert session.call("cancel_order", {"order_id": order["order_id"], "cancel_reason": "no longer needed"}).ok
    assert other.digest() == before
    return result


@pytest.mark.parametrize("name", CORPUS["contained"])
def test_it_is_contained(name):
    run_contained(CORPUS["contained"][name])


@pytest.mark.parametrize("value", CORPUS["contained_values"])
@pytest.mark.parametrize("call", CORPUS["contained_calls"])
def test_no_verb_walks_through_a_value_without_end(call, value):
    made = textwrap.indent(CORPUS["contained_values"][value], "    ")
    result = run_contained(f"def attack(db, x: str = None):\n{made}    return {CORPUS['contained_calls'][call]}\n")
    assert result.error is not None
    kinds = {ToolErrorKind.INVALID_ARGUMENT} if "cycle" in value else {
        ToolErrorKind.INVALID_ARGUMENT, ToolErrorKind.BUDGET_EXCEEDED}
    assert result.error.kind in kinds


@pytest.mark.parametrize(("name", "kind"), [
    ("key_of_row_is_list", ToolErrorKind.INVALID_ARGUMENT), ("row_of_wrong_type", ToolErrorKind.INVALID_ARGUMENT),
    ("key_of_updated_row_is_list", ToolErrorKind.INVALID_ARGUMENT), ("row_without_key", ToolErrorKind.INVALID_ARGUMENT),
    ("key_of_updated_row_is_long", ToolErrorKind.NOT_FOUND), ("number_as_name_in_json", ToolErrorKind.INVALID_ARGUMENT),
    ("negation_of_the_smallest_integer", ToolErrorKind.BUDGET_EXCEEDED),
])
def test_a_mistake_is_said_by_its_kind_and_is_not_internal(name, kind):
    error = run_contained(CORPUS["contained"][name]).error
    assert error is not None
    assert error.kind is kind


@pytest.mark.parametrize("text", CORPUS["arguments"])
def test_a_text_is_a_value_and_never_sql(shop, text):
    session = shop.start(5)
    customer = session.rows("customers")[0]
    assert session.call("get_customer", {"customer_id": text}).error.kind is ToolErrorKind.NOT_FOUND
    assert session.call("list_orders", {"customer_id": text}).value == {"orders": []}
    found = session.call("search_customers", {"query": text})
    assert found.ok
    assert all(any(text.lower() in str(v).lower() for v in row.values()) for row in found.value["customers"])
    assert session.changes() == ()
    written = session.call("update_customer", {"customer_id": customer["customer_id"], "street": text})
    assert written.ok
    assert session.rows("customers")[0]["street"] == text
    assert {change.table for change in session.changes()} == {"customers"}
    assert session.call("update_customer", {"customer_id": text, "street": "x"}).error is not None


@pytest.mark.parametrize("arguments", [
    None, [], "text", 3, {"customer_id": None}, {"customer_id": 3}, {"customer_id": {}}, {"customer_id": ["cus-1"]},
    {3: "x"}, {"customer_id": "\ud800"}, {"customer_id": float("nan")}, {"customer_id": 10**40}, {"customer_id": b"x"},
    {"customer_id": object()}, {"customer_id": "x" * 10_000_000}, {"customer_id": [[]] * 100_000}, {"\ud800": 1},
    {"__class__": "x"}, {"db": "x"}, {"customer_id": "x", "self": 1},
])
def test_arguments_of_any_kind_give_an_error_that_an_agent_can_read(shop, arguments):
    session = shop.start(5)
    result = session.call("get_customer", arguments)
    assert result.error.kind is ToolErrorKind.INVALID_ARGUMENT
    assert len(result.error.message) < 500
    str(result.to_json()).encode()


def test_deeply_nested_arguments_end_in_an_error(shop):
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    assert shop.start(5).call("get_customer", {"customer_id": value}).error.kind is ToolErrorKind.INVALID_ARGUMENT


@pytest.mark.parametrize("name", ["", "nothing", "__init__", "get_customer\0", None, 7, ["get_customer"]])
def test_a_name_of_no_tool_is_an_error(shop, name):
    assert shop.start(5).call(name, {}).error.kind is ToolErrorKind.UNKNOWN_TOOL


def test_a_pattern_that_backtracks_for_ever_is_bounded():
    given = SHOP.tool("search_customers")
    schema = {"type": "object", "properties": {"query": {"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}}}
    tool = given.model_copy(update={"parameters": schema})
    session = HostedEnvironment(SHOP.model_copy(update={"tools": (tool,)})).start(1)
    started = time.thread_time()
    assert not session.call("search_customers", {"query": "a" * 5_000}).ok
    assert time.thread_time() - started < SECONDS


def test_a_schema_that_points_elsewhere_is_refused_and_nothing_is_fetched():
    given = SHOP.tool("search_customers")
    for reference in ("http://127.0.0.1:9/schema.json", "file:///etc/passwd"):
        schema = {"type": "object", "properties": {"query": {"$ref": reference}}}
        with pytest.raises(RayscalerError, match="nothing is fetched"):
            host_tool(given.model_copy(update={"parameters": schema}), SHOP)


@pytest.mark.parametrize("kind", CORPUS["kinds"])
def test_the_corpus_has_tools_of_every_kind(kind):
    assert [name for name in CORPUS["kinds"][kind] if name not in {**CORPUS["refused"], **CORPUS["contained"]}] == []


def test_the_corpus_is_large():
    assert len(CORPUS["refused"]) + len(CORPUS["contained"]) >= 200
