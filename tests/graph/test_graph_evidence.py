"""Runs prove links: what was passed on, what had to be looked up, and of which tools they speak at all."""

from __future__ import annotations

from rayscaler.graph.evidence import Call, Proved, looked_up, observable, observed_schema, passed_on

FIND = Call("find_user", {"email": "ann@example.org"}, "ann_77")
USER = Call("get_user", {"user_id": "ann_77"}, {"orders": ["W100", "W200"], "zip": "19122", "age": 44})
ORDER = Call("get_order", {"order_id": "W100"}, {"order_id": "W100", "user_id": "ann_77", "items": {"i9911": {"n": 1}}})
CANCEL = Call("cancel", {"order_id": "W100", "items": ["i9911"], "quantity": 44, "vip": True}, None)
RUN = [FIND, USER, ORDER, CANCEL]


def test_a_value_that_was_returned_is_passed_on_from_every_call_that_returned_it():
    assert passed_on([RUN]) == {
        Proved("find_user", "get_user", "user_id"),
        Proved("get_user", "get_order", "order_id"),
        Proved("get_user", "cancel", "order_id"),
        Proved("get_order", "cancel", "order_id"),
        Proved("get_order", "cancel", "items"),
    }


def test_a_lookup_comes_from_the_first_call_and_never_from_what_the_user_knew():
    assert looked_up([RUN]) == {
        Proved("find_user", "get_user", "user_id"),
        Proved("get_user", "get_order", "order_id"),
        Proved("get_user", "cancel", "order_id"),
        Proved("get_order", "cancel", "items"),
    }
    told = [ORDER, CANCEL]
    assert looked_up([told]) == {Proved("get_order", "cancel", "items")}


def test_a_failed_call_feeds_nothing_and_runs_do_not_mix():
    failed = FIND._replace(answer=None)
    assert passed_on([[failed, USER]]) == passed_on([[FIND], [USER]]) == set()
    assert observable([[failed, USER]]) == set()
    assert observable([[FIND, USER], [ORDER]]) == {Proved("find_user", "get_user", "user_id")}


def test_what_no_equal_value_could_prove_is_not_observable():
    short = Call("close", {"ticket": 1, "urgent": True, "reason": "done"}, None)
    assert observable([[FIND, short]]) == {Proved("find_user", "close", "reason")}


def test_a_schema_is_observed_and_ids_as_keys_are_a_list():
    assert observed_schema({"a": ["x"], "b": True, "c": 1, "d": []}) == {"type": "object", "properties": {
        "a": {"type": "array", "items": {"type": "string"}}, "b": {"type": "boolean"}, "c": {"type": "number"},
        "d": {"type": "array", "items": {}}}}
    assert observed_schema({"card_1234": {"id": "card_1234"}}) == {
        "type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}}
