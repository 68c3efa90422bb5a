"""A redraft is taken if it passes the certificate; else the compiled draft stands."""

from __future__ import annotations

import re

import pytest

from rayscaler.environments.certificate import certify
from rayscaler.environments.redraft import redraft
from rayscaler.errors import HostError
from rayscaler.recipes import MaterializeRecipe
from rayscaler.runtime.apart import try_out
from shop import SHOP

RECIPE = MaterializeRecipe(min_tools=3)
BETTER = '''
def list_orders(db, customer_id: str = None, status: str = None) -> dict:
    """List orders, the newest first."""
    orders = db.find("orders", customer_id=customer_id, status=status)
    return {"orders": sorted(orders, key=lambda order: order["created_at"], reverse=True)}
'''


def test_a_draft_that_passes_is_taken_and_tried_out_in_a_process_of_its_own():
    found = redraft(SHOP, {"list_orders": BETTER}, RECIPE, seed=1, certify=try_out)
    assert found.refused == {}
    assert found.spec.tool("list_orders").code == BETTER
    others = [[t for t in spec.tools if t.name != "list_orders"] for spec in (found.spec, SHOP)]
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
    found = redraft(SHOP, {"list_orders": code}, RECIPE, seed=1, certify=certify)
    assert found.refused == {}
    assert found.spec.tool("list_orders").code == code


@pytest.mark.parametrize("code, words", [
    ("def list_orders(db):\n    return open('/etc/passwd')\n", "a call of 'open'"),
    ("def list_orders(db, customer_id=None, status=None):\n    return db.find('parcels')\n", "no table 'parcels'"),
    ("def other(db):\n    return 1\n", "called 'other'"),
    (BETTER.replace("    return", "    db.delete('orders', orders[0])\n    return"), "reads .list., the draft does"),
    (BETTER.replace('sorted(orders', 'sorted(orders["x"]'), "list_orders"),
    (BETTER.replace("    return", "    for i in range(20000):\n        for j in range(20000):\n            x = i\n"
                    "    return"), "list_orders"),
])
def test_a_draft_that_does_not_pass_leaves_the_compiled_one(code, words):
    found = redraft(SHOP, {"list_orders": code}, RECIPE, seed=1, certify=certify)
    assert found.spec == SHOP
    assert re.search(words, found.refused["list_orders"])


def test_a_draft_that_ends_its_process_is_refused():
    def ended(*_, **__):
        raise HostError("more than 30 s of CPU time")

    found = redraft(SHOP, {"list_orders": BETTER}, RECIPE, seed=1, certify=ended)
    assert found == (SHOP, {"list_orders": "more than 30 s of CPU time"})
