"""Redrafting an environment with a model: taken if the certificate passes and nothing is worse, else nothing stays."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rayscaler.environment import Semantic
from rayscaler.environments.certificate import Certified, certify
from rayscaler.environments.redraft import weaknesses
from rayscaler.recipes import MaterializeRecipe, RefineEnvironments
from rayscaler.runtime.openai_chat import CallLimits
from rayscaler.runtime.redrafting import redraft
from rayscaler.runtime.refiner import Refiner, Terms
from rayscaler.runtime.store import Store
from rayscaler.table import check_key, to_arrow
from rayscaler.tables import REFINEMENTS
from scripted_model import ScriptedModel, scripted_model
from shop import SHOP

LIMITS = CallLimits(in_flight=4, timeout_s=5, retries=4, longest_wait_s=0.02)
RECIPE = MaterializeRecipe(min_tools=3, certificate_samples=1)
BLIND = '''
def list_orders(db, customer_id: str = None, status: str = None) -> dict:
    """List orders."""
    orders = db.find("orders", customer_id=customer_id, status=status)
    orders = [o for o in orders if o["status"] != "cancelled"]
    return {"orders": orders}
'''
"""Hides what `cancel_order` writes: every tool passes by itself, and the two do not fit together."""


@cache
def weak_shop() -> Certified:
    """The shop with a list that hides cancelled orders, and a column of which nobody knows what it holds."""
    customers = SHOP.entity("customers")
    vague = tuple(c.model_copy(update={"semantic": Semantic.WORD}) if c.name == "city" else c
                  for c in customers.columns)
    spec = SHOP.model_copy(update={
        "entities": (customers.model_copy(update={"columns": vague}), *SHOP.entities[1:]),
        "tools": tuple(t.model_copy(update={"code": BLIND}) if t.name == "list_orders" else t for t in SHOP.tools)})
    found = certify(spec, RECIPE, seed=1)
    assert found.rejects == []
    assert "list_orders" in weaknesses(found.certificate)
    return found


def redrafted(server: ScriptedModel, folder: Path, *, attempts: int = 2) -> tuple[Certified, list[dict[str, Any]]]:
    endpoint = server.endpoint(RefineEnvironments, attempts=attempts)
    refiner = Refiner(endpoint, Terms(LIMITS, 8, Store(str(folder))))
    recipe = RECIPE.model_copy(update={"refine": endpoint})
    found, rows = redraft(weak_shop(), recipe, 1, refiner, certify)
    refiner.close()
    check_key(REFINEMENTS, to_arrow(REFINEMENTS, rows))
    return found, rows


def test_sound_drafts_of_schema_and_tools_are_taken_and_the_certificate_measures_more(tmp_path):
    with scripted_model("good") as server:
        found, rows = redrafted(server, tmp_path)
        calls = server.seen["requests"]
        again, known = redrafted(server, tmp_path)
        assert server.seen["requests"] == calls
    assert {row["status"] for row in rows} == {"accepted"}
    assert found.spec.entity("customers").column("city").semantic is Semantic.CITY
    assert "cancelled" not in found.spec.tool("list_orders").code
    before, after = weak_shop().certificate["coherence"], found.certificate["coherence"]
    assert (before["score"], after["score"]) == (before["held"] / before["total"], 1.0)
    assert weaknesses(found.certificate) == {}
    assert again == found
    assert all(row["cached"] == row["attempts"] for row in known)
    shown = {row["step"]: row for row in rows if row["after"] != row["before"]}
    assert "customers.city: word" in shown["redraft_schema"]["before"]
    assert "customers.city: city" in shown["redraft_schema"]["after"]
    assert shown["redraft_tool"]["subject"] == f"{SHOP.environment_id}/list_orders"


@pytest.mark.parametrize(("persona", "attempts", "kinds"), [
    ("bad", 2, {"invents", "coherence", "certificate", "code_refused"}),
    ("off_schema", 2, {"unreadable", "off_schema"}),
    ("hostile", 9, {"unreadable", "off_schema", "code_refused", "certificate", "unfit", "limits", "loses"}),
])  # fmt: skip
def test_a_draft_that_does_not_pass_is_refused_and_counted_and_the_environment_is_as_it_was(
    persona, attempts, kinds, tmp_path
):
    with scripted_model(persona) as server:
        found, rows = redrafted(server, tmp_path, attempts=attempts)
        assert server.seen["requests"] == attempts * len(rows)
    assert found is weak_shop()
    assert {row["status"] for row in rows} == {"refused"}
    assert {told.split()[1].rstrip(":") for row in rows for told in row["problems"]} <= kinds
    assert all(len(row["problems"]) >= attempts for row in rows)
    assert all(row["after"] == row["before"] for row in rows)


def test_every_hostile_draft_of_a_tool_is_refused_for_its_own_reason(tmp_path):
    with scripted_model("hostile") as server:
        endpoint = server.endpoint(RefineEnvironments, attempts=9, schemas=False)
        refiner = Refiner(endpoint, Terms(LIMITS, 8, Store(str(tmp_path))))
        _, rows = redraft(weak_shop(), RECIPE.model_copy(update={"refine": endpoint}), 1, refiner, certify)
        refiner.close()
    told = " | ".join(next(row for row in rows if row["subject"].endswith("list_orders"))["problems"])
    for words in (
        "2 code_refused: line 6: while is outside", "5 code_refused: line 6: an attribute", "a call of 'open'",
        "7 certificate:", "speaks to a model", "9 code_refused: ",
    ):
        assert words in told, told
    assert "1 code_refused: line 6: an import is outside the tool language" in told


def test_a_silent_server_leaves_the_environment_as_it_was(tmp_path):
    endpoint_limits = LIMITS._replace(timeout_s=0.2, retries=0)
    with scripted_model("silent") as server:
        endpoint = server.endpoint(RefineEnvironments)
        refiner = Refiner(endpoint, Terms(endpoint_limits, 1, Store(str(tmp_path))))
        found, rows = redraft(weak_shop(), RECIPE.model_copy(update={"refine": endpoint}), 1, refiner, certify)
        refiner.close()
    assert found is weak_shop()
    assert [row["reason"] for row in rows] == ["no_answer", *["not_asked"] * (len(rows) - 1)]
