"""The certificate finds what is wrong, and passes what is right."""

from typing import Any

import pytest

from rayscaler.canonical import dumps
from rayscaler.environment import Column, EnvironmentSpec, Semantic
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.sampling import sample_arguments
from rayscaler.environments.sampling_conditions import Condition, conditions
from rayscaler.environments.sampling_values import sample_value
from rayscaler.reasons import Reason
from rayscaler.recipes import MaterializeRecipe
from rayscaler.seeds import rng
from shop import SHOP
from tracker import DOMAIN, TRACKER

RECIPE = MaterializeRecipe()
SPEC = compile_environment(DOMAIN, TRACKER, RECIPE).spec


def with_code(name: str, code: str, **changes: Any) -> EnvironmentSpec:
    tools = [t.model_copy(update={"code": code, **changes}) if t.name == name else t for t in SPEC.tools]
    return SPEC.model_copy(update={"tools": tuple(tools)})


def reasons(spec: EnvironmentSpec) -> dict[str, str]:
    found = certify(spec, RECIPE, seed=5)
    return {r.key.rpartition("/")[2]: f"{r.reason}: {r.detail}" for r in found.rejects}


def test_a_sound_environment_keeps_all_its_tools():
    found = certify(SPEC, RECIPE, seed=5)
    assert found.rejects == []
    assert found.spec == SPEC
    assert all(t["passed"] for t in found.certificate["tools"].values())


def test_an_environment_made_by_hand_can_be_certified_too():
    found = certify(SHOP, RECIPE, seed=5)
    assert found.spec is not None
    # What a tool asks of two rows at once (enough stock for a quantity) is not read from its code.
    assert {t.name for t in SHOP.tools} - {t.name for t in found.spec.tools} <= {"add_order_item"}


def test_what_the_compiled_environment_writes_its_readers_see():
    coherence = certify(SPEC, RECIPE, seed=5).certificate["coherence"]
    assert coherence["broken"] == []
    assert coherence["total"] >= 15
    assert coherence["score"] == 1.0


def test_answers_conform_to_the_response_schemas():
    shape = certify(SPEC, RECIPE, seed=5).certificate["shape"]
    assert shape["conforming"] == shape["answers"] > 0


def test_two_certificates_agree_to_the_byte():
    assert dumps(certify(SPEC, RECIPE, seed=5).certificate) == dumps(certify(SPEC, RECIPE, seed=5).certificate)
    assert certify(SPEC, RECIPE, seed=5).certificate["seeds"] != certify(SPEC, RECIPE, seed=6).certificate["seeds"]


def test_a_write_that_writes_nothing_is_dropped():
    code = 'def close_ticket(db, ticketId: str) -> dict:\n    ticket = db.get("tickets", id=ticketId)\n' \
           '    return db.update("tickets", ticket, title=ticket["title"])\n'
    assert "expected a changed row" in reasons(with_code("close_ticket", code))["close_ticket"]


def test_a_tool_that_fails_on_valid_arguments_is_dropped():
    code = 'def get_ticket(db, ticketId: str) -> dict:\n    return db.get("tickets", title=ticketId)\n'
    assert "valid: expected success" in reasons(with_code("get_ticket", code))["get_ticket"]


def test_a_read_that_finds_an_unknown_key_is_dropped():
    code = 'def get_ticket(db, ticketId: str) -> dict:\n    return {"ticket": db.find("tickets")[0]}\n'
    assert "unknown_key: expected not_found" in reasons(with_code("get_ticket", code))["get_ticket"]


def test_a_tool_outside_the_language_is_refused():
    found = reasons(with_code("get_ticket", "def get_ticket(db, ticketId):\n    import os\n"))
    assert found["get_ticket"].startswith(Reason.CODE_REFUSED)


def test_tables_that_no_tool_is_left_for_go_too():
    kept = certify(without_comments(), RECIPE, seed=5).spec
    assert kept is not None
    assert "comments" not in {e.name for e in kept.entities}


def without_comments() -> EnvironmentSpec:
    """The tracker with failing tools about comments: the table goes away with them."""
    broken = 'def NAME(db, ticketId: str) -> dict:\n    return db.get("comments", id="none")\n'
    about = ("add_comment", "list_comments")
    return SPEC.model_copy(update={"tools": tuple(
        t.model_copy(update={"code": broken.replace("NAME", t.name)}) if t.name in about else t for t in SPEC.tools
    )})


def test_the_environment_that_ships_is_the_one_that_was_proved():
    found = certify(without_comments(), RECIPE, seed=5)
    assert found.spec is not None
    assert len(found.spec.entities) < len(SPEC.entities)
    shipped = HostedEnvironment(EnvironmentSpec.model_validate_json(found.spec.model_dump_json()))
    states = [shipped.start(seed).digest() for seed in found.certificate["seeds"]]
    assert found.certificate["states"] == states
    again = certify(found.spec, RECIPE, seed=5)
    assert again.rejects == []
    assert again.spec == found.spec
    passed = {name: tool for name, tool in found.certificate["tools"].items() if tool["passed"]}
    assert again.certificate == {**found.certificate, "tools": passed}


def test_the_certificate_still_tells_what_failed():
    found = certify(without_comments(), RECIPE, seed=5)
    failed = {name for name, tool in found.certificate["tools"].items() if not tool["passed"]}
    assert failed == {"add_comment", "list_comments"}
    assert {r.key.rpartition("/")[2] for r in found.rejects} == failed


def test_a_tool_that_fails_leaves_nothing_behind_for_the_next_one():
    code = 'def list_tickets(db) -> dict:\n    for ticket in db.find("tickets"):\n' \
           '        db.update("tickets", ticket, status="CLOSED")\n    return {"tickets": []}\n'
    assert set(reasons(with_code("list_tickets", code))) <= {"list_tickets"}


def test_an_environment_that_does_not_start_is_rejected_with_all_its_tools():
    tickets = SPEC.entity("tickets")
    bad = Column(name="weight", type="INTEGER", semantic=Semantic.ENUM, enum=("heavy", "light"))
    wrong = tickets.model_copy(update={"columns": (*tickets.columns, bad)})
    entities = tuple(wrong if e.name == "tickets" else e for e in SPEC.entities)
    found = certify(SPEC.model_copy(update={"entities": entities}), RECIPE, seed=5)
    assert found.spec is None
    assert [r.key for r in found.rejects] == [*(t.tool_id for t in SPEC.tools), SPEC.environment_id]
    assert found.rejects[-1].reason is Reason.CERTIFICATE_FAILED


def test_an_environment_with_too_few_tools_is_rejected_with_all_its_tools():
    few = SPEC.model_copy(update={"tools": SPEC.tools[:3]})
    found = certify(few, RECIPE, seed=5)
    assert found.spec is None
    assert [r.reason for r in found.rejects] == [Reason.TOO_FEW_TOOLS] * 4


def test_a_sample_meets_the_preconditions_that_the_code_states():
    session = HostedEnvironment(SHOP).start(2)
    for i in range(10):
        arguments = sample_arguments(SHOP, SHOP.tool("cancel_order"), session, rng(i))
        assert arguments is not None
        row = next(r for r in session.rows("orders") if r["order_id"] == arguments["order_id"])
        assert row["status"] == "pending"


def test_conditions_are_read_from_require_lines():
    assert conditions(SHOP.tool("cancel_order").code) == (Condition("orders", "status", ("pending",), True),)
    assert conditions(SPEC.tool("close_ticket").code) == (Condition("tickets", "status", ("CLOSED",), False),)


@pytest.mark.parametrize(
    ("schema", "unlike"),
    [
        ({"type": "boolean"}, True),
        ({"type": "string", "enum": ["a", "b"]}, "a"),
        ({"type": "integer", "minimum": 1, "maximum": 2}, 1),
    ],
)
def test_a_made_up_value_differs_from_what_is_there(schema, unlike):
    for i in range(20):
        assert sample_value("x", schema, None, unlike, rng(i)) != unlike
