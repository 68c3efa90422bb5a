"""A transfer moves a quantity between two rows and conserves it, whatever is called before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.environment import Operator, Part
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.infer_transfers import sides_of
from rayscaler.environments.operators import read_tool
from rayscaler.recipes import MaterializeRecipe
from tracker import TEXT, listed, tool

NUMBER = {"type": "number"}
ACCOUNT = {"type": "object", "required": ["id", "owner", "balance"],
           "properties": {"id": TEXT, "owner": TEXT, "balance": NUMBER}}
TRANSFER = {"type": "object", "properties": {"id": TEXT, "fromAccountId": TEXT, "toAccountId": TEXT, "amount": NUMBER}}
BANK = [
    tool("create_account", "POST", "/accounts", ["owner", "balance"], {"balance": NUMBER}, ACCOUNT),
    tool("get_account", "GET", "/accounts/{accountId}", ["accountId"], {}, ACCOUNT),
    tool("list_accounts", "GET", "/accounts", [], {}, listed("accounts", ACCOUNT)),
    tool("transfer_funds", "POST", "/transfers", ["fromAccountId", "toAccountId", "amount"],
         {"amount": NUMBER, "note": TEXT}, TRANSFER, "Transfer funds between two accounts."),
    tool("list_transfers", "GET", "/transfers", [], {}, listed("transfers", TRANSFER)),
]  # fmt: skip
DOMAIN = {"domain_id": "bank-1", "title": "bank", "description": ""}
SPEC = compile_environment(DOMAIN, BANK, MaterializeRecipe()).spec
ENVIRONMENT = HostedEnvironment(SPEC)


def _balances(session):
    return {row["id"]: row["balance"] for row in session.rows("accounts")}


def test_a_transfer_takes_from_one_what_the_other_gets_and_is_kept():
    found = SPEC.tool("transfer_funds")
    assert (found.operator, found.entity) == (Operator.TRANSFER, "transfers")
    assert [b.part for b in found.bindings[:3]] == [Part.REFERENCE, Part.REFERENCE, Part.AMOUNT]
    session = ENVIRONMENT.start(1)
    before = _balances(session)
    one, other = sorted(before, key=lambda k: -before[k])[:2]
    amount = round(before[one] / 4, 2)
    answer = session.call("transfer_funds", {"fromAccountId": one, "toAccountId": other, "amount": amount})
    after = session.call("get_account", {"accountId": other}).value["balance"]
    assert after == pytest.approx(before[other] + amount)
    kept = session.call("list_transfers", {}).value["transfers"]
    assert answer.value in kept


def test_what_is_not_there_cannot_be_moved():
    session = ENVIRONMENT.start(1)
    one, other = list(_balances(session))[:2]
    refused = [
        session.call("transfer_funds", {"fromAccountId": one, "toAccountId": target, "amount": amount}).error.kind
        for target, amount in ((other, 1e9), (one, 1), (other, 0), (other, -5), ("nobody", 1))
    ]
    assert refused == ["precondition_failed"] * 4 + ["not_found"]
    assert session.changes() == ()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11), st.floats(-10, 5000, width=32)), max_size=8))
def test_no_run_of_transfers_makes_or_loses_money_or_leaves_a_debt(moves):
    session = ENVIRONMENT.start(4)
    before = _balances(session)
    names = sorted(before)
    for source, target, amount in moves:
        session.call("transfer_funds", {"fromAccountId": names[source], "toAccountId": names[target], "amount": amount})
    after = _balances(session)
    assert sum(after.values()) == pytest.approx(sum(before.values()), abs=1e-4)
    assert min(after.values()) >= 0


def test_the_certificate_checks_conservation():
    certified = certify(SPEC, MaterializeRecipe(), seed=3)
    checks = certified.certificate["tools"]["transfer_funds"]["checks"]
    assert {"conserves": 1, "overdraft": 1, "same_side": 1}.items() <= checks.items()


def test_a_tool_that_forgets_the_other_side_is_dropped():
    found = SPEC.tool("transfer_funds")
    lines = [line for line in found.code.splitlines() if 'db.update("accounts", receiver' not in line]
    broken = found.model_copy(update={"code": "\n".join(lines) + "\n"})
    spec = SPEC.model_copy(update={"tools": tuple(broken if t.name == found.name else t for t in SPEC.tools)})
    certified = certify(spec, MaterializeRecipe(min_tools=2), seed=3)
    assert [r.detail.split(":")[0] for r in certified.rejects] == ["conserves"]


@pytest.mark.parametrize("balance", [TEXT, {"type": "object", "properties": {"value": NUMBER, "currency": TEXT}}])
def test_a_balance_that_is_no_number_stays_and_nothing_is_moved(balance):
    account = {**ACCOUNT, "properties": {**ACCOUNT["properties"], "balance": balance}}
    tools = [
        tool("create_account", "POST", "/accounts", ["owner", "balance"], {"balance": balance}, account),
        tool("get_account", "GET", "/accounts/{accountId}", ["accountId"], {}, account), BANK[3],
    ]  # fmt: skip
    spec = compile_environment(DOMAIN, tools, MaterializeRecipe()).spec
    assert spec.tool("transfer_funds").operator is Operator.CREATE
    assert spec.entity("accounts").column("balance").type == "TEXT"
    assert certify(spec, MaterializeRecipe(min_tools=1), seed=3).rejects == []


@pytest.mark.parametrize(
    ("name", "arguments", "holder"),
    [
        ("move_stock", {"from_warehouse_id": TEXT, "to_warehouse_id": TEXT, "quantity": NUMBER}, "warehouse"),
        ("send_points", {"sender": TEXT, "recipient": TEXT, "points": {"type": "integer"}}, ""),
        ("transfer_money", {"from_currency": TEXT, "to_currency": TEXT, "amount": NUMBER}, None),
        ("get_transfers", {"from_account": TEXT, "to_account": TEXT, "amount": NUMBER}, None),
        ("transfer_call", {"from_user": TEXT, "to_user": TEXT}, None),
    ],
)
def test_both_sides_and_an_amount_make_a_transfer(name, arguments, holder):
    found = sides_of(read_tool(tool(name, "", "", list(arguments), arguments, None)))
    assert (None if found is None else " ".join(found.holder)) == holder


def test_the_row_that_the_route_names_is_the_source_and_holders_are_made_where_no_tool_reads_them():
    moving = tool("transfer_credits", "POST", "/wallets/{walletId}/transfer", ["walletId", "toWalletId", "credits"],
                  {"credits": {"type": "integer"}}, None)  # fmt: skip
    spec = compile_environment(DOMAIN, [moving], MaterializeRecipe()).spec
    assert {e.name for e in spec.entities} == {"wallets", "wallet_transfers"}
    session = HostedEnvironment(spec).start(2)
    assert min(row["balance"] for row in session.rows("wallets")) >= 0
    assert certify(spec, MaterializeRecipe(min_tools=1), seed=3).spec is not None
