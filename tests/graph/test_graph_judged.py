"""Links after a verdict: dropped, kept, written after all; never more sources than a parameter may have."""

from __future__ import annotations

from rayscaler.graph.judged import doubtful, judged, key_of
from rayscaler.graph.links import links_of
from rayscaler.recipes import LinkRecipe
from rayscaler.toolspec import ToolSpec

TEXT = {"type": "string"}
RECIPE = LinkRecipe(min_score=0.7)


def tool(name: str, taken: tuple[str, ...], given: tuple[str, ...]) -> ToolSpec:
    parameters = {"type": "object", "properties": dict.fromkeys(taken, TEXT)}
    response = {"type": "object", "properties": dict.fromkeys(given, TEXT)}
    return ToolSpec(tool_id=name, name=name, vendor="acme", api="shop", parameters=parameters, response=response,
                    format="test")


TOOLS = [tool("list_orders", (), ("id", "customerId")), tool("get_order", ("order_id",), ("id",)),
         tool("get_customer", ("customer_id",), ("id",)), tool("cancel_order", ("order_id",), ())]
ROWS = links_of("d", TOOLS, RECIPE)


def into(dst: str):
    return [row for row in ROWS if row["dst"] == dst]


def test_links_that_the_rules_are_sure_of_or_think_nothing_of_are_not_doubtful():
    found = doubtful("d", TOOLS, RECIPE, consider=0.5, sure=0.9)
    scores = {(c.src.tool_id, dst): c.score for dst, some in found.items() for c in some}
    assert scores == {("get_order", "cancel_order"): 0.6, ("list_orders", "get_customer"): 0.8}
    assert doubtful("d", TOOLS, RECIPE, consider=0.85, sure=0.9) == {}


def test_a_link_that_is_confirmed_is_written_after_all_with_the_lowest_score_that_is():
    some = doubtful("d", TOOLS, RECIPE, consider=0.5, sure=0.9)["cancel_order"]
    assert [row["src"] for row in into("cancel_order")] == ["list_orders"]
    rows = judged("d", into("cancel_order"), some, {key_of(some[0]): True}, RECIPE)
    assert rows[:-1] == into("cancel_order")
    assert rows[-1] == {"domain_id": "d", "src": "get_order", "field": "id", "dst": "cancel_order",
                        "parameter": "order_id", "score": 0.7, "rule": "echo"}
    one = RECIPE.model_copy(update={"max_sources": 1})
    assert judged("d", into("cancel_order"), some, {key_of(some[0]): True}, one) == into("cancel_order")


def test_a_link_that_is_refused_is_gone_and_without_a_verdict_everything_stands():
    some = doubtful("d", TOOLS, RECIPE, consider=0.5, sure=0.9)["get_customer"]
    assert judged("d", into("get_customer"), some, {key_of(some[0]): False}, RECIPE) == []
    assert judged("d", into("get_customer"), some, {}, RECIPE) == into("get_customer")
