"""What a silent tool is expected to answer with, and why."""

from __future__ import annotations

from typing import Any

from rayscaler.graph.expected import expected_of, promises_key
from rayscaler.graph.links import links_of
from rayscaler.recipes import LinkRecipe
from rayscaler.toolspec import ToolSpec

TEXT = {"type": "string"}


def silent(name: str, /, *, about: str = "", api: str = "bank", **parameters: Any) -> ToolSpec:
    return ToolSpec(tool_id=name, name=name, description=about, vendor="acme", api=api, format="functions",
                    parameters={"type": "object", "properties": parameters})


def expected(*tools: ToolSpec) -> dict[str, set[tuple[str, str]]]:
    return {name: {(str(basis), value.text) for basis, value in found}
            for name, found in expected_of(list(tools)).items()}


def test_a_thing_has_what_the_tools_about_it_take():
    found = expected(silent("get_account", account_id=TEXT),
                     silent("block_account_card", account_id=TEXT, card_id=TEXT),
                     silent("move_account", account_id=TEXT, branch_town=TEXT), silent("get_card", card_id=TEXT))
    assert found["get_account"] == {("assumed", "account id"), ("shared", "account id"), ("shared", "card id"),
                                    ("shared", "branch town")}
    assert ("shared", "branch town") not in found["get_card"]        # a card in an account has not the account's town


def test_a_description_that_names_another_thing_tells_of_its_key():
    found = expected(silent("get_customer", about="A customer, including their accounts.", customer_id=TEXT),
                     silent("get_account", about="Account details.", account_id=TEXT))
    assert ("told", "account id") in found["get_customer"]
    assert ("told", "customer id") not in found["get_account"]


def test_a_parameter_tells_where_its_value_is_looked_up():
    card = TEXT | {"description": "The card to charge. It can be looked up from the customer details."}
    found = expected(silent("get_customer", customer_id=TEXT), silent("charge", card_id=card),
                     silent("get_branch", branch_id=TEXT))
    assert ("told", "card id") in found["get_customer"]
    assert ("told", "card id") not in found["get_branch"]


def test_a_verb_names_what_it_makes():
    found = expected(silent("book_flight", town=TEXT), silent("cancel_booking", booking_id=TEXT))
    assert ("assumed", "booking id") in found["book_flight"]


def test_a_name_that_promises_one_key_is_believed():
    tools = [silent("find_account_id_by_email", email=TEXT), silent("move_account", account_id=TEXT, branch_town=TEXT),
             silent("get_current_account_id"), silent("list_accounts")]
    assert [promises_key(t) for t in tools] == [True, False, True, False]
    assert not {"find_account_id_by_email", "get_current_account_id"} & expected(*tools).keys()


def test_nothing_is_expected_where_answers_are_declared_or_the_thing_is_gone_or_the_api_is_another():
    declared = silent("get_account", account_id=TEXT).model_copy(update={"response": {"type": "object"}})
    taking = silent("delete_account", account_id=TEXT, branch_town=TEXT)
    assert expected(declared, taking) == {}
    elsewhere = silent("move_account", api="other", account_id=TEXT, branch_town=TEXT)
    assert ("shared", "branch town") not in expected(silent("get_account", account_id=TEXT), elsewhere)["get_account"]


def test_links_from_what_is_expected_say_so_and_a_change_is_trusted_less():
    tools = [silent("get_account", account_id=TEXT), silent("freeze_account_card", account_id=TEXT, card_id=TEXT),
             silent("change_account_pin", account_id=TEXT), silent("get_card", card_id=TEXT)]
    rows = links_of("d", tools, LinkRecipe(min_score=0))
    links = {(r["src"], r["dst"], r["parameter"]): (r["rule"], round(r["score"], 2)) for r in rows}
    assert links["get_account", "get_card", "card_id"] == ("shared", 0.7)
    assert links["change_account_pin", "get_card", "card_id"] == ("shared", 0.5)
    assert links["get_account", "change_account_pin", "account_id"] == ("echo", 0.6)


def test_a_list_that_other_tools_take_is_expected_too():
    seats = {"type": "array", "items": {"type": "object", "properties": {"row": TEXT}}}
    tools = [silent("get_trip", trip_id=TEXT), silent("change_trip_seats", trip_id=TEXT, seats=seats),
             silent("quote_price", seats=seats)]
    links = {(r["src"], r["dst"], r["parameter"]): r["rule"] for r in links_of("d", tools, LinkRecipe())}
    assert links["get_trip", "quote_price", "seats"] == "shared"


def test_the_order_of_the_tools_does_not_matter():
    tools = [silent("get_account", account_id=TEXT), silent("freeze_account_card", account_id=TEXT, card_id=TEXT),
             silent("get_card", about="A card and its account id.", card_id=TEXT)]
    recipe = LinkRecipe(min_score=0)
    assert links_of("d", tools, recipe) == links_of("d", tools[::-1], recipe)
