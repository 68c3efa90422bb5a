"""Rules of the world: read from words, held by code and schema, tried from both sides."""

from contextlib import closing
from typing import Any

import pytest

from rayscaler.environment import EnvironmentSpec, ToolErrorKind
from rayscaler.environments.certificate import certify
from rayscaler.environments.certificate_rules import try_rules
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.infer_rules import ToldStates, told_states, told_unique
from rayscaler.environments.infer_rules_arguments import ArgumentRule, told_argument_rules, with_told_bounds
from rayscaler.environments.operators import read_tool
from rayscaler.environments.sampling_conditions import ArgumentCondition, Condition, argument_conditions, conditions
from rayscaler.recipes import MaterializeRecipe
from tracker import TEXT, tool

RECIPE = MaterializeRecipe(min_tools=1)
WHOLE = {"type": "integer"}


def states(name: str, description: str, noun: str, *known: str) -> ToldStates:
    return told_states(read_tool(tool(name, "POST", "", [f"{noun}_id"], {}, None, description)), (noun,), known)


@pytest.mark.parametrize(("description", "wanted", "barred"), [
    ("Only pending parcels can be cancelled.", ("pending",), ()),
    ("You can only cancel parcels that are in DRAFT or FAILED status.", ("draft", "failed"), ()),
    ("The parcel must be in the available state.", ("available",), ()),
    ("If the parcel is already processed or delivered, it cannot be cancelled.", (), ("processed", "delivered")),
    ("Shipped parcels cannot be cancelled.", (), ("shipped",)),
    ("Returns FAILED_PRECONDITION if the parcel exists but is not in a pending state.", ("pending",), ()),
    ("A parcel cannot be cancelled unless it is scheduled.", ("scheduled",), ()),
    ("Cancels a pending parcel.", ("pending",), ()),
    # Not rules on the parcel's state before the call:
    ("Cancels the parcel. Cancelled parcels cannot be undone.", (), ()),
    ("The account must be active.", (), ()),
    ("Pending parcels can only be listed by their owner.", (), ()),
    ("Sets the status to 'closed' when the parcel is delivered.", (), ()),
    ("The parcel may or may not be closed afterwards.", (), ()),
])
def test_the_states_that_a_description_asks_for(description: str, wanted: tuple[str, ...], barred: tuple[str, ...]):
    assert states("cancel_parcel", description, "parcel") == ToldStates(wanted, barred)


def test_a_state_that_only_the_enumeration_knows_is_read_too():
    said = "A parcel can only be cancelled if it is in the on hold state."
    assert states("cancel_parcel", said, "parcel") == ToldStates()
    assert states("cancel_parcel", said, "parcel", "on hold") == ToldStates(("on hold",))


@pytest.mark.parametrize(("said", "bounds"), [
    ("Number of seats, between 1 and 9.", {"minimum": 1, "maximum": 9}),
    ("Must be a positive number.", {"minimum": 1}),
    ("The discount cannot be negative, at most 50.", {"minimum": 0, "maximum": 50}),
    ("At most 30 characters.", {}),
    ("The year, such as 2024.", {}),
])
def test_bounds_told_in_words_stand_in_the_schema(said: str, bounds: dict[str, int]):
    given = {"type": "object", "properties": {"n": {"type": "integer", "description": said}}}
    found = with_told_bounds(given)["properties"]["n"]
    assert {k: v for k, v in found.items() if k in ("minimum", "maximum")} == bounds


def test_bounds_told_in_words_do_not_contradict_the_schema():
    told = {"type": "integer", "minimum": 10, "description": "At most 5."}
    assert with_told_bounds({"type": "object", "properties": {"n": told}})["properties"]["n"] == told


def test_arguments_that_go_together_are_read_from_words():
    told = {
        "home_phone": {"type": "string", "description": "Required if `send_sms` is set."},
        "send_sms": {"type": "boolean"},
        "due_date": {"type": "string", "description": "Cannot be used together with `due_days`."},
        "due_days": WHOLE,
        "email": TEXT,
    }
    said = "Register a guest. At least one of `email` and `home_phone` must be given."
    assert told_argument_rules(tool("register_guest", "POST", "", ["name"], told, None, said)) == [
        ArgumentRule("one of", ("home_phone", "email")),
        ArgumentRule("with", ("home_phone", "send_sms")),
        ArgumentRule("not both", ("due_date", "due_days")),
    ]


def test_a_name_that_must_be_unique_in_the_whole_world_only():
    assert told_unique("The name of the shelf. It must be unique.")
    assert told_unique("A unique title.")
    assert not told_unique("Must be unique within the library.")
    assert not told_unique("The unique id that the service made.")


PARCEL = {"type": "object", "properties": {
    "parcel_id": TEXT, "label": TEXT, "depot_id": TEXT, "weight": {"type": "number"}, "stock": WHOLE,
    "insured": {"type": "boolean"},
    "status": {"type": "string", "enum": ["DRAFT", "PENDING", "DELIVERED", "CANCELLED"]},
}}
DEPOT = {"type": "object", "properties": {"depot_id": TEXT, "city": TEXT}}
_LABEL = {"type": "string", "description": "A unique label."}
_WEIGHT = {"type": "number", "description": "Kilograms, between 1 and 30."}
DEPOTS = [
    tool("create_parcel", "POST", "/parcels", ["label", "depot_id"],
         {"label": _LABEL, "weight": _WEIGHT, "stock": WHOLE}, PARCEL),
    tool("get_parcel", "GET", "/parcels/{parcel_id}", ["parcel_id"], {}, PARCEL),
    tool("cancel_parcel", "POST", "/parcels/{parcel_id}/cancel", ["parcel_id"], {}, PARCEL,
         "Cancel a parcel. Only draft or pending parcels can be cancelled."),
    tool("delete_parcel", "DELETE", "/parcels/{parcel_id}", ["parcel_id"], {}, None,
         "Delete a parcel. Pending parcels cannot be deleted."),
    tool("update_parcel", "PATCH", "/parcels/{parcel_id}", ["parcel_id"],
         {"weight": _WEIGHT, "status": PARCEL["properties"]["status"]}, PARCEL,  # type: ignore[index]
         "Update a parcel. Insured parcels cannot be updated. At least one of `weight` and `status` must be given."),
    tool("get_depot", "GET", "/depots/{depot_id}", ["depot_id"], {}, DEPOT),
]


@pytest.fixture(scope="module")
def world() -> EnvironmentSpec:
    return compile_environment({"domain_id": "depot", "title": "Depots"}, DEPOTS, RECIPE).spec


def test_told_rules_become_require_lines_in_the_columns_own_spelling(world: EnvironmentSpec):
    assert conditions(world.tool("cancel_parcel").code) == (
        Condition("parcels", "status", ("DRAFT", "PENDING"), wanted=True),
    )
    assert conditions(world.tool("delete_parcel").code) == (Condition("parcels", "status", ("PENDING",), wanted=False),)
    assert conditions(world.tool("update_parcel").code) == (Condition("parcels", "insured", (True,), wanted=False),)


def test_rules_on_arguments_become_require_lines(world: EnvironmentSpec):
    assert argument_conditions(world.tool("update_parcel").code) == (ArgumentCondition("one of", ("weight", "status")),)


def test_rules_on_columns_stand_in_the_schema(world: EnvironmentSpec):
    parcels = world.entity("parcels")
    assert parcels.column("label").unique
    assert parcels.column("stock").minimum == 0


def test_the_policy_tells_the_rules_in_words(world: EnvironmentSpec):
    for line in (
        "A parcel must be DRAFT or PENDING to: cancel parcel.",
        "A parcel must not be PENDING to: delete parcel.",
        "A parcel must not be insured to: update parcel.",
        "To update parcel, give `weight` or `status`.",
        "No two parcels have the same label.",
        "The stock of a parcel never falls below zero.",
    ):
        assert line in world.policy


def test_the_certificate_breaks_every_rule_once(world: EnvironmentSpec):
    certified = certify(world, RECIPE, seed=1)
    assert certified.rejects == []
    rules = certified.certificate["rules"]
    assert {"state", "arguments", "enumeration", "maximum", "minimum", "reference", "unique"} <= rules.keys()
    assert all(counts["found"] == counts["both_sides"] > 0 for counts in rules.values())
    assert certified.certificate["tools"]["cancel_parcel"]["rules"] == ["the parcel must be DRAFT or PENDING"]


def test_a_value_that_no_row_may_share_is_tried_where_a_row_has_one(world: EnvironmentSpec):
    label = world.entity("parcels").column("label").model_copy(update={"nullable": True})
    columns = tuple(label if c.name == "label" else c for c in world.entity("parcels").columns)
    parcels = world.entity("parcels").model_copy(update={"columns": columns})
    spec = world.model_copy(update={"entities": tuple(parcels if e.name == "parcels" else e for e in world.entities)})
    tool = spec.tool("create_parcel")
    with closing(HostedEnvironment(spec).start(1)) as session:
        session.load_rows("depots", [{"depot_id": "d1", "city": "Rome"}])
        session.load_rows("parcels", [{**_rows()[0], "label": None}, _rows()[1]])
        tried = try_rules(spec, tool, session, {"label": "NEW", "depot_id": "d1"})
    assert [t.found for t in tried if t.rule.kind == "unique"] == [""]


def _rows() -> list[dict[str, Any]]:
    base = {"depot_id": "d1", "weight": 2.0, "stock": 1, "insured": False}
    return [{"parcel_id": s.lower(), "label": s, "status": s, **base} for s in ("DRAFT", "PENDING", "DELIVERED")]


@pytest.mark.parametrize(("name", "arguments", "kind"), [
    ("cancel_parcel", {"parcel_id": "draft"}, None),
    ("cancel_parcel", {"parcel_id": "delivered"}, ToolErrorKind.PRECONDITION_FAILED),
    ("delete_parcel", {"parcel_id": "pending"}, ToolErrorKind.PRECONDITION_FAILED),
    ("delete_parcel", {"parcel_id": "delivered"}, None),
    ("update_parcel", {"parcel_id": "draft"}, ToolErrorKind.PRECONDITION_FAILED),
    ("update_parcel", {"parcel_id": "draft", "weight": 31}, ToolErrorKind.INVALID_ARGUMENT),
    ("update_parcel", {"parcel_id": "draft", "weight": 30}, None),
    ("create_parcel", {"label": "DRAFT", "depot_id": "d1"}, ToolErrorKind.CONFLICT),
    ("create_parcel", {"label": "NEW", "depot_id": "d1"}, None),
    ("create_parcel", {"label": "NEW", "depot_id": "d1", "stock": -1}, ToolErrorKind.INVALID_ARGUMENT),
    ("create_parcel", {"label": "NEW", "depot_id": "nowhere"}, ToolErrorKind.NOT_FOUND),
])
def test_a_rule_holds_on_one_side_and_refuses_on_the_other(
    world: EnvironmentSpec, name: str, arguments: dict[str, Any], kind: ToolErrorKind | None
):
    with closing(HostedEnvironment(world).start(1)) as session:
        session.load_rows("depots", [{"depot_id": "d1", "city": "Rome"}])
        session.load_rows("parcels", _rows())
        result = session.call(name, arguments)
        assert (result.error.kind if result.error else None) == kind
        assert bool(session.changes()) == (kind is None)


def test_a_rule_that_the_code_does_not_hold_fails_the_certificate(world: EnvironmentSpec):
    lax = world.tool("create_parcel")
    loose = lax.model_copy(update={"code": lax.code.replace("label=label", 'label="x" + label')})
    tools = tuple(loose if t.name == lax.name else t for t in world.tools)
    certified = certify(world.model_copy(update={"tools": tools}), RECIPE, seed=1)
    details = [r.detail for r in certified.rejects if r.key == lax.tool_id]
    assert len(details) == 1
    assert details[0].startswith("rule: expected conflict: no two parcel records have the same label")


LOANS = [
    tool("get_loan", "", "", ["loan_id"], {}, None, "Get a loan."),
    tool("cancel_loan", "", "", ["loan_id", "reason"], {}, None,
         "Cancel a loan. If the loan is already overdue, it cannot be cancelled."),
    tool("return_loan_books", "", "", ["loan_id", "book_ids"], {"book_ids": {"type": "array"}}, None,
         "Return books of a loan."),
    tool("update_loan_books", "", "", ["loan_id", "book_ids"], {"book_ids": {"type": "array"}}, None,
         "Change the books of a loan."),
]


def test_what_an_act_is_told_gets_a_column_of_its_own():
    spec = compile_environment({"domain_id": "loans", "title": "Loans"}, LOANS, RECIPE).spec
    columns = {c.name for c in spec.entity("loans").columns}
    assert {"cancel_reason", "return_book_ids", "book_ids"} <= columns
    assert "reason" not in columns
    assert "overdue" in spec.entity("loans").column("status").enum
    assert "book_ids=book_ids" in spec.tool("update_loan_books").code
    assert certify(spec, RECIPE, seed=1).rejects == []
