"""A redraft is taken if it passes the certificate and nothing gets worse; else the compiled draft stands."""

from __future__ import annotations

import re
from functools import cache

import pytest

from rayscaler.environment import EnvironmentSpec, Semantic
from rayscaler.environments.certificate import Certified, certify
from rayscaler.environments.redraft import Why, redraft, try_spec, try_tool, weaknesses
from rayscaler.errors import HostError, UndecidedError
from rayscaler.recipes import MaterializeRecipe
from rayscaler.runtime.apart import try_out
from shop import SHOP

RECIPE = MaterializeRecipe(min_tools=3, certificate_samples=1)
BETTER = '''
def list_orders(db, customer_id: str = None, status: str = None) -> dict:
    """List orders, the newest first."""
    orders = db.find("orders", customer_id=customer_id, status=status)
    return {"orders": sorted(orders, key=lambda order: order["created_at"], reverse=True)}
'''
BLIND = BETTER.replace("    return", "    orders = [o for o in orders if o['status'] != 'cancelled']\n    return")
"""The same without the orders that another tool has cancelled."""


@cache
def certified() -> Certified:
    found = certify(SHOP, RECIPE, seed=1)
    assert found.rejects == []
    return found


def with_code(name: str, code: str) -> EnvironmentSpec:
    tools = tuple(t.model_copy(update={"code": code}) if t.name == name else t for t in SHOP.tools)
    return SHOP.model_copy(update={"tools": tools})


def tried(name: str, code: str, base: Certified | None = None):
    return try_tool(base or certified(), name, code, RECIPE, seed=1, certify=certify)


def test_a_draft_that_passes_is_taken_and_tried_out_in_a_process_of_its_own():
    found = redraft(certified(), {"list_orders": BETTER}, RECIPE, seed=1, certify=try_out)
    assert found.refused == {}
    assert found.certified.spec.tool("list_orders").code == BETTER
    others = [[t for t in spec.tools if t.name != "list_orders"] for spec in (found.certified.spec, SHOP)]
    assert others[0] == others[1]


def test_a_draft_may_ask_for_more_than_arguments_and_one_state():
    code = BETTER.replace("    return", """    newest = orders[0] if orders else {}
    oldest = orders[-1] if orders else {}
    require(newest is not None or oldest is not None, "there is an order")
    for order in orders:
        require(order["status"] not in [], "no status is barred")
    for item in db.find("order_items"):
        require(item["quantity"] != 0, "an item is one piece at least")
    return""")
    assert tried("list_orders", code).certified.spec.tool("list_orders").code == code


@pytest.mark.parametrize("code, words", [
    ("def list_orders(db):\n    return open('/etc/passwd')\n", "a call of 'open'"),
    ("def list_orders(db, customer_id=None, status=None):\n    return db.find('parcels')\n", "no table 'parcels'"),
    ("def other(db):\n    return 1\n", "called 'other'"),
    (BETTER.replace("    return", "    db.delete('orders', orders[0])\n    return"), "reads .list., the draft does"),
    (BETTER.replace(", status=status", ""), "makes no use of status"),
    (BETTER.replace('sorted(orders', 'sorted(orders["x"]'), "list_orders"),
    (BETTER.replace("    return", "    for i in range(20000):\n        for j in range(20000):\n            x = i\n"
                    "    return"), "list_orders"),
])
def test_a_draft_that_does_not_pass_leaves_the_compiled_one(code, words):
    found = redraft(certified(), {"list_orders": code}, RECIPE, seed=1, certify=certify)
    assert found.certified is certified()
    assert re.search(words, found.refused["list_orders"])


def test_a_reader_that_no_longer_shows_what_others_write_is_refused_though_every_tool_passes():
    assert certified().certificate["coherence"]["score"] == 1.0
    found = tried("list_orders", BLIND)
    assert (found.certified, found.why) == (None, Why.COHERENCE)
    assert certify(with_code("list_orders", BLIND), RECIPE, seed=1).rejects == []


def test_a_draft_that_mends_what_the_certificate_found_is_taken_and_the_weakness_is_gone():
    weak = certify(with_code("list_orders", BLIND), RECIPE, seed=1)
    assert "list_orders" in weaknesses(weak.certificate)
    assert weaknesses(certified().certificate) == {}
    found = tried("list_orders", BETTER, weak)
    assert weaknesses(found.certified.certificate) == {}


def test_a_draft_that_drops_a_rule_of_the_world_is_refused():
    code = SHOP.tool("cancel_order").code
    lax = "\n".join(line for line in code.splitlines() if "require(" not in line)
    assert lax != code
    found = tried("cancel_order", lax)
    assert (found.certified, found.why) == (None, Why.COHERENCE)
    assert "rules of the world" in found.detail


@pytest.mark.parametrize("error, why", [
    (HostError("more than 30 s of CPU time"), Why.LIMITS), (UndecidedError("stood still"), Why.UNDECIDED),
])
def test_a_draft_that_ends_its_process_is_refused_and_one_that_stands_still_is_undecided(error, why):
    def ended(*_, **__):
        raise error

    found = try_tool(certified(), "list_orders", BETTER, RECIPE, seed=1, certify=ended)
    assert found == (None, why, str(error))


def columns_changed(table: str, name: str, **knobs) -> EnvironmentSpec:
    entity = SHOP.entity(table)
    columns = tuple(c.model_copy(update=knobs) if c.name == name else c for c in entity.columns)
    changed = entity.model_copy(update={"columns": columns})
    return SHOP.model_copy(update={"entities": tuple(changed if e.name == table else e for e in SHOP.entities)})


def test_a_schema_that_says_otherwise_what_a_column_holds_is_taken_if_everything_still_passes():
    candidate = columns_changed("customers", "city", semantic=Semantic.COUNTRY)
    found = try_spec(certified(), candidate, RECIPE, seed=1, certify=certify)
    assert found.certified.spec.entity("customers").column("city").semantic is Semantic.COUNTRY


def test_a_schema_without_a_status_that_tools_set_is_refused():
    candidate = columns_changed("orders", "status", enum=("pending", "processing", "delivered"))
    found = try_spec(certified(), candidate, RECIPE, seed=1, certify=certify)
    assert (found.certified, found.why) == (None, Why.CERTIFICATE)
