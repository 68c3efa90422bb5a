"""The phone and the airline of ACEBench, by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rayscaler.evaluation.acebench_text import Call
from rayscaler.evaluation.acebench_world import AceWorld, process_accuracy, state_mismatch, unnamed_classes
from rayscaler.messages import ToolCall

START: dict[str, Any] = {
    "BaseApi": {},
    "MessageApi": {
        "max_capacity": 2, "message_id_counter": 1,
        "user_list": {"Ann": {"user_id": "A"}, "Bob": {"user_id": "B"}},
        "inbox": {"1": {"sender_id": "A", "receiver_id": "B", "message": "Call me", "time": "2024-06-09"}},
    },
    "ReminderApi": {"max_capacity": 1, "reminder_id_counter": 0, "reminder_list": {}},
    "FoodPlatform": {
        "users": {"Ann": {"password": "x", "balance": 20.0}},
        "merchant_list": {"Grill": {"menu": [{"product": "Soup", "price": 10.0}]}},
        "orders": [],
    },
    "Travel": {
        "users": {"u1": {"password": "x", "cash_balance": 0.0, "bank_balance": 1000.0, "membership_level": "regular"}},
        "flights": [
            {"flight_no": "F1", "origin": "X", "destination": "Y", "status": "available", "seats_available": 1,
             "depart_time": "2024-07-14 12:00:00", "arrival_time": "2024-07-14 13:00:00",
             "economy_price": 300, "business_price": 500},
        ],
        "reservations": [],
    },
}  # fmt: skip
PHONE = ("BaseApi", "MessageApi", "ReminderApi", "FoodPlatform")


def world(*classes: str, language: str = "en", **device: Any) -> AceWorld:
    return AceWorld(START, device, classes or PHONE, language)


def call(world: AceWorld, name: str, **arguments: Any) -> Any:
    answer = world.call(ToolCall(id="c", name=name, arguments=arguments), "agent")
    try:
        return json.loads(answer.text)
    except json.JSONDecodeError:
        return answer.text


def test_a_message_needs_wifi_and_room():
    phone = world()
    message = {"sender_name": "Ann", "receiver_name": "Bob", "message": "Hi"}
    assert call(phone, "send_message", **message)["status"] is False          # no Wi-Fi
    call(phone, "turn_on_wifi")
    assert call(phone, "send_message", **message)["status"] is True
    assert call(phone, "send_message", **message)["status"] is False          # two of two
    assert call(phone, "delete_message", message_id=1)["status"] is True
    inbox = phone.compared()[1]["MessageApi"]["inbox"]
    assert inbox == {"2": {"sender_id": "A", "receiver_id": "B", "message": "Hi"}}


def test_an_order_is_paid_and_may_empty_the_balance_in_english_only():
    for language, left in (("en", 0.0), ("zh", 20.0)):
        phone = world(language=language, wifi=True)
        call(phone, "login_food_platform", username="Ann", password="x")
        call(phone, "add_food_delivery_order", username="Ann", merchant_name="Grill",
             items=[{"product": "Soup", "quantity": 2}])
        assert phone.compared()[3]["FoodPlatform"]["users"]["Ann"]["balance"] == left


def test_a_flight_is_paid_with_its_bags_and_paid_back_with_a_fee():
    airline = world("Travel")
    booking = {"user_id": "u1", "password": "x", "flight_no": "F1", "payment_method": "bank", "baggage_count": 3}
    said = call(airline, "reserve_flight", cabin="Economy Class", **booking)
    assert "res_1" in said
    assert "400" in said                                                      # 300 and two bags beyond the free one
    assert call(airline, "cancel_reservation", user_id="u1", reservation_id="res_1", reason="other")
    user = airline.compared()[0]["Travel"]["users"]["u1"]
    assert (user["bank_balance"], user["cash_balance"]) == (600.0, 270.0)      # 300 less a tenth, six hours before


def test_what_does_not_fit_is_answered_and_changes_nothing():
    airline = world("Travel")
    before = json.dumps(airline.state)
    for name, arguments in (
        ("reserve_flight", {"user_id": "u1"}), ("turn_on_wifi", {}), ("get_user_details", {"user": "u1"}),
        ("modify_flight", {"user_id": "u1", "reservation_id": ["res_1"]}), ("nothing", {}),
    ):  # fmt: skip
        call(airline, name, **arguments)
    assert json.dumps(airline.state) == before


def test_a_number_beyond_all_prices_is_answered_with_its_error():
    order = {"username": "Ann", "merchant_name": "Grill", "items": [{"product": "Soup", "quantity": 10**400}]}
    assert call(world(logged_in_users=["Ann"]), "add_food_delivery_order", **order).startswith("Error")


def test_a_world_that_was_never_called_has_no_state():
    assert world().compared() == []
    assert state_mismatch([], [{"BaseApi": {"wifi": True}}])


@pytest.mark.parametrize(
    ("state", "gold", "right"),
    [
        ([{"A": {"x": 1}}], [{"A": {"x": 1}}], True),
        ([{"A": {"x": 2}}], [{"A": {"x": 1}}], False),
        ([{"A": {"x": {"1": "a", "2": "b"}}}], [{"A": {"x": {"1": "a"}}}], True),      # gold's keys, more may be there
        ([{"A": {"x": {"2": "b"}}}], [{"A": {"x": {"1": "a"}}}], False),
        ([{"A": {"x": 1, "y": 2}}], [{"A": {"x": 1}}], False),
        ([{"A": {"x": 1}}], [{"A": {"x": 1}}, {"B": {"y": 1}}], False),                # as many classes as gold
        ([{"A": {"x": 1}}], [{"B": {"x": 2}}], True),                                  # a class that gold misnames
    ],
)
def test_states_are_compared_as_upstream_does(state: list, gold: list, right: bool):
    assert (not state_mismatch(state, gold)) == right
    assert unnamed_classes(["A"], gold) == tuple(name for one in gold for name in one if name != "A")


def test_milestones_are_met_in_order_and_the_first_miss_ends_the_count():
    a, b, c = ([Call(name, {"x": 1, "y": "it's"})] for name in "abc")
    stones = ["[a(y=\"it's\", x=1)]", "[b(x=1, y='it's')]", "[c(x=1, y='its')]"]       # the second is no Python
    assert process_accuracy([a, b, c], stones) == 1.0
    assert process_accuracy([a, c, b, c], stones) == 1.0
    assert process_accuracy([b, c], stones) == 0.0
    assert process_accuracy([a, c], stones) == pytest.approx(1 / 3)
    assert process_accuracy([b], [stones, [stones[1]]]) == 1.0
