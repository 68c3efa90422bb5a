"""The stateful world of ACEBench's agent items: its tools, what a call does, and the state that is compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from copy import deepcopy
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from rayscaler.evaluation.acebench_phone import Phone, State
from rayscaler.evaluation.acebench_text import Call, read_calls, write_calls
from rayscaler.evaluation.acebench_travel import Travel
from rayscaler.evaluation.benchmark import Answer, Caller
from rayscaler.messages import ToolCall

TOOLS = {
    "BaseApi": ("turn_on_wifi", "login_device"),
    "MessageApi": ("send_message", "delete_message", "view_messages_between_users", "search_messages",
                   "get_latest_message_id", "get_earliest_message_id"),
    "ReminderApi": ("add_reminder", "view_reminder_by_title", "search_reminders"),
    "FoodPlatform": ("login_food_platform", "check_balance", "get_products", "add_food_delivery_order"),
    "Travel": ("get_user_details", "get_flight_details", "get_reservation_details", "reserve_flight", "modify_flight",
               "cancel_reservation", "find_transfer_flights"),
}  # fmt: skip
"""The tools of each of the benchmark's classes. Every class but Travel has the device's too."""

COMPARED = {
    "BaseApi": ("wifi", "logged_in"),
    "MessageApi": ("inbox",),
    "ReminderApi": ("reminder_list",),
    "FoodPlatform": ("users", "logged_in_users", "orders"),
    "Travel": ("users", "reservations"),
}
"""The attributes that upstream stores of each class, and compares."""


class AceWorld:
    """One conversation's world."""

    def __init__(self, start: State, device: dict[str, Any], classes: Sequence[str], language: str) -> None:
        """start: the attributes of fresh scenarios, by class. device: what the item sets of the phone."""
        self.state = deepcopy(start)
        self.classes = tuple(classes)
        self.state["BaseApi"] = {"wifi": device.get("wifi", False), "logged_in": device.get("logged_in", True)}
        self.state["FoodPlatform"]["logged_in_users"] = list(device.get("logged_in_users", ()))
        for app, attribute in (("MessageApi", "inbox"), ("ReminderApi", "reminder_list")):
            self.state[app][attribute] = {int(key): row for key, row in self.state[app][attribute].items()}
        self.n_calls = 0
        phone, travel = Phone(self.state, _texts(language)), Travel(self.state, _texts(language))
        names = {name for one in self.classes for name in TOOLS[one]}
        if set(self.classes) - {"Travel"}:
            names.update(TOOLS["BaseApi"])
        self._tools = {name: getattr(travel if name in TOOLS["Travel"] else phone, name) for name in sorted(names)}

    def call(self, call: ToolCall, by: Caller) -> Answer:  # noqa: ARG002  (only the agent has tools)
        """Run one call. Unknown tools and arguments that do not fit are answered with their error."""
        return self.run(Call(call.name, call.arguments))

    def run(self, call: Call) -> Answer:
        """The same, of a call in the written form."""
        self.n_calls += 1
        tool = self._tools.get(call.name)
        if tool is None:
            return Answer(f"Error during execution: there is no tool {call.name}", "unknown_tool")
        try:
            said = tool(**call.arguments)
        except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:  # a model's arguments
            return Answer(f"Error during execution: {error}", "bad_arguments")
        refused = isinstance(said, dict) and said.get("status") in (False, "error")
        text = said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)
        return Answer(text, "refused" if refused else "")

    def compared(self) -> list[dict[str, dict[str, Any]]]:
        """What is compared at the end: per class of the item its attributes, as JSON has them.

        Nothing if no call was run: upstream reads the state of what was called, so an item without calls has none.
        """
        if not self.n_calls:
            return []
        picked = [{one: {name: self.state[one][name] for name in COMPARED[one]}} for one in self.classes]
        found: list[dict[str, dict[str, Any]]] = json.loads(json.dumps(picked))
        return found


class NoTools:
    """The world of a question: its calls are read, never run."""

    def call(self, call: ToolCall, by: Caller) -> Answer:  # noqa: ARG002  (only the agent has tools)
        """An error, whatever is called."""
        return Answer(f"{call.name} cannot be run", "unknown_tool")


def state_mismatch(state: Sequence[dict[str, Any]], gold: Sequence[dict[str, Any]]) -> list[str]:
    """Where a final state is not the gold state; empty if it is. By upstream's rules:

    as many classes as gold has; of each class that gold names rightly, every attribute that was stored must be in gold;
    an object's keys that gold has must be there and equal (there may be more), anything else must be equal.
    """
    if len(state) != len(gold):
        return [f"{len(state)} classes have a state, gold has {len(gold)}"]
    found = []
    for wanted in gold:
        name, values = next(iter(wanted.items()))
        own = next((one[name] for one in state if name in one), None)
        for attribute, value in (own or {}).items():
            if attribute not in values:
                found.append(f"{name}.{attribute} is not in gold")
            elif isinstance(values[attribute], dict):
                found += [f"{name}.{attribute}.{key} is {value.get(key)!r}, gold has {part!r}"
                          for key, part in values[attribute].items() if key not in value or value[key] != part]
            elif value != values[attribute]:
                found.append(f"{name}.{attribute} is {value!r}, gold has {values[attribute]!r}")
    return found


def unnamed_classes(classes: Iterable[str], gold: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """Classes that gold misnames (`ReminderAPI`): upstream compares nothing of them."""
    known = set(classes)
    return tuple(sorted(name for wanted in gold for name in wanted if name not in known))


def process_accuracy(steps: Sequence[Sequence[Call]], milestones: Sequence[Any]) -> float:
    """The share of the milestones met in order, the best of several sequences. steps: the calls of each reply.

    A milestone that is not met ends the count, as upstream's does. Upstream compares texts; here neither the order of
    arguments nor quotes and blanks matter, some of which upstream's own milestones have wrong.
    """
    many = milestones if milestones and not isinstance(milestones[0], str) else [milestones]
    spelled = [{_plain(write_calls(step)), _plain(write_calls(map(_sorted, step)))} for step in steps]
    return max(_met(spelled, one) for one in many)


def _met(steps: Sequence[set[str]], milestones: Sequence[str]) -> float:
    rest, met = iter(steps), 0
    for milestone in milestones:
        try:
            wanted = _plain(write_calls(map(_sorted, read_calls(milestone))))
        except ValueError:
            wanted = _plain(milestone)
        if not any(wanted in step for step in rest):
            break
        met += 1
    return met / len(milestones) if milestones else 1.0


def _sorted(call: Call) -> Call:
    return Call(call.name, dict(sorted(call.arguments.items())))


def _plain(text: str) -> str:
    return re.sub(r"[\s'\"\\]", "", text)


@cache
def _texts(language: str) -> dict[str, Any]:
    text = files("rayscaler.evaluation").joinpath("acebench_answers.yaml").read_text("utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)[language]
    return loaded
