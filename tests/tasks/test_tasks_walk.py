"""The link graph of the shop and the walks over it, checked by hand."""

from __future__ import annotations

import numpy as np

from rayscaler.environment import Operator
from rayscaler.tasks.walk import IMPLIED, sample_walk, tool_graph
from shop import SHOP, TOOLS

LINKS = [
    {"domain_id": "shop", "src": "shop/shop/1/list_orders", "field": "orders[].order_id",
     "dst": "shop/shop/1/get_order", "parameter": "order_id", "score": 0.9, "rule": "same_name"},
    {"domain_id": "shop", "src": "shop/shop/1/list_products", "field": "products[].product_id",
     "dst": "shop/shop/1/add_order_item", "parameter": "product_id", "score": 0.8, "rule": "same_name"},
    {"domain_id": "shop", "src": "shop/shop/1/gone", "field": "id", "dst": "shop/shop/1/get_order",
     "parameter": "order_id", "score": 0.9, "rule": "same_name"},
]
GRAPH = tool_graph(SHOP, LINKS)


def walks(write: bool, count: int = 200) -> list[list[str]]:
    found = []
    for i in range(count):
        start = TOOLS[i % len(TOOLS)].name
        found.append(sample_walk(GRAPH, start=start, steps=5, write=write, rng=np.random.default_rng(i)))
    return [w for w in found if w]


def test_links_come_from_the_table_and_from_the_bindings():
    of_orders = {link.dst: link.score for link in GRAPH.links["list_orders"]}
    assert of_orders["get_order"] == 0.9                     # the row of the table
    assert of_orders["cancel_order"] == IMPLIED              # its answer holds orders, the other takes an order's key
    assert "get_customer" not in of_orders                   # orders[].customer_id is a reference, not a customer


def test_a_link_that_names_no_tool_of_the_environment_is_passed_over():
    assert all(link.src in {t.name for t in TOOLS} for links in GRAPH.links.values() for link in links)


def test_needs_are_the_rows_that_must_be_given():
    assert GRAPH.needs["add_order_item"] == ("orders", "products")
    assert GRAPH.needs["list_orders"] == ()                  # its customer is optional
    assert GRAPH.needs["delete_order_item"] == ("order_items",)


def test_items_are_findable_through_the_order_that_shows_them():
    assert GRAPH.shows["get_order"] == ("orders", "order_items")
    assert GRAPH.findable == {"customers", "products", "orders", "order_items"}


def test_every_step_of_a_walk_follows_a_link_from_a_tool_before_it_or_from_one_that_finds_its_rows():
    for walk in walks(write=True):
        for i, name in enumerate(walk[1:], start=1):
            rows = {e for n in walk[:i] for e in (SHOP.tool(n).entity, *GRAPH.needs[n])}
            finders = [n for n, shown in GRAPH.shows.items() if rows & set(shown)]
            assert any(link.dst == name for n in [*walk[:i], *finders] for link in GRAPH.links.get(n, ()))


def test_a_walk_that_must_write_ends_in_a_write_and_another_never_writes():
    assert walks(write=True)
    assert all(SHOP.tool(w[-1]).operator.writes for w in walks(write=True))
    assert walks(write=False)
    assert not any(SHOP.tool(n).operator.writes for w in walks(write=False) for n in w)


def test_a_walk_has_no_tool_twice_and_keeps_to_its_length():
    for walk in walks(write=True):
        assert len(set(walk)) == len(walk) <= 5


def test_a_row_that_cannot_be_found_is_made_on_the_way():
    reads = (Operator.LIST, Operator.SEARCH, Operator.GET)
    spec = SHOP.model_copy(update={
        "tools": tuple(t for t in TOOLS if not (t.entity == "orders" and t.operator in reads)),
    })
    graph = tool_graph(spec, [])
    assert "orders" not in graph.findable
    walk = sample_walk(graph, start="cancel_order", steps=1, write=True, rng=np.random.default_rng(0))
    assert walk == ["create_order", "cancel_order"]


def test_same_seed_same_walk():
    assert walks(write=True) == walks(write=True)
