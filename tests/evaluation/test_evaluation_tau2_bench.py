"""tau2-bench: gold is worth 1 on every task of retail and airline, wrong runs 0, and what a judge decides is named."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from rayscaler.evaluation.benchmark import Item
from rayscaler.evaluation.shapes import Shapes
from rayscaler.evaluation.tau2_bench import DOMAINS, Tau2Bench
from rayscaler.evaluation.tau2_world import data_hash, spelt
from rayscaler.messages import Message, ToolCall
from rayscaler.trajectory import StopReason, Trajectory

READS = ("get_", "find_", "list_", "search_", "calculate", "transfer_")


@cache
def opened(folder: Path) -> Tau2Bench:
    return Tau2Bench(folder)


@pytest.fixture
def bench(shared_data) -> Tau2Bench:
    return opened(shared_data / "bench" / "tau2-bench")


def played(item: Item, actions: Sequence[dict[str, Any]], words: Sequence[str] = (), *, end: str = "###STOP###",
           stop: StopReason = StopReason.USER_STOP) -> Trajectory:
    """A conversation in which the agent makes these calls, says these words, and the user ends it."""
    calls = [ToolCall(id=f"call_{n}", name=a["name"], arguments=a["arguments"]) for n, a in enumerate(actions)]
    messages = [Message(role="assistant", tool_calls=tuple(calls))] if calls else []
    messages += [Message(role="assistant", content=text) for text in words]
    return Trajectory(trajectory_id="t", task_id=item.item_id, environment_id="e", trial=0,
                      messages=(*messages, Message(role="user", content=end)), changes=(), stop_reason=stop,
                      steps=tuple({"call": call, "response": ""} for call in calls))


def of(bench: Tau2Bench, domain: str) -> list[Item]:
    return [item for item in bench.items() if item.subset == domain]


def test_gold_is_worth_one_on_every_task_and_a_judge_s_part_is_named(bench, shared_data):
    stats = json.loads((shared_data / "bench" / "tau2-bench" / "stats.json").read_text())
    for domain in DOMAINS:
        items = of(bench, domain)
        grades = [bench.grade(i, played(i, i.payload["actions"], i.payload["communicate_info"])) for i in items]
        assert [grade.reward for grade in grades] == [1.0] * stats[domain]["tasks"]
        judged = sum("nl_assertions" in grade.uncovered for grade in grades)
        assert judged == (stats[domain]["with_nl_assertions"] if domain == "retail" else 0)


def test_gold_without_its_last_write_or_its_words_is_worth_nothing(bench, shared_data):
    stats = json.loads((shared_data / "bench" / "tau2-bench" / "stats.json").read_text())
    for domain in DOMAINS:
        n_writes = n_words = 0
        for item in of(bench, domain):
            actions, words = item.payload["actions"], item.payload["communicate_info"]
            writes = [n for n, action in enumerate(actions) if not action["name"].startswith(READS)]
            if writes and changes(bench, item, writes[-1]):
                n_writes += 1
                assert bench.grade(item, played(item, actions[: writes[-1]], words)).reward == 0.0, item.item_id
            if words and "COMMUNICATE" in item.payload["reward_basis"]:
                n_words += 1
                assert bench.grade(item, played(item, actions, words[1:])).reward == 0.0, item.item_id
        assert n_writes == stats[domain]["tasks"] - stats[domain]["tasks_without_db_change"]
        assert n_words == (stats[domain]["with_communicate_info"] if domain == "airline" else 0)


def changes(bench: Tau2Bench, item: Item, last: int) -> bool:
    """Whether the action number `last` changes what the ones before it left."""
    before, after = bench.world(item), bench.world(item)
    for number, action in enumerate(item.payload["actions"][: last + 1]):
        after.run(action["name"], action["arguments"])
        if number < last:
            before.run(action["name"], action["arguments"])
    return bool(before.state.db.differences(after.state.db, spelt))


def test_the_agent_reads_what_gold_read(bench, shared_data):
    for domain in DOMAINS:
        recorded = json.loads((shared_data / "bench" / "tau2-bench" / domain / "gold.json").read_text())["tasks"]
        for item, gold in zip(of(bench, domain), recorded, strict=True):
            world = bench.world(item)
            read = [world.run(a["name"], a["arguments"])[0] for a in item.payload["actions"]]
            assert read == gold["observations"], item.item_id


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("domain", list(DOMAINS))
def test_every_gold_end_state_has_the_recorded_hash(bench, shared_data, domain):
    recorded = json.loads((shared_data / "bench" / "tau2-bench" / domain / "gold.json").read_text())
    assert data_hash(bench.tables[domain]) == recorded["fresh_db_hash"]
    worlds = [bench.gold_world(item).state.db.whole() for item in of(bench, domain)]
    assert [data_hash(world) for world in worlds] == [gold["gold_db_hash"] for gold in recorded["tasks"]]


@pytest.mark.parametrize("end", ["###STOP###", "###TRANSFER###", "Bye ###OUT-OF-SCOPE###"])
def test_the_user_ends_a_conversation_in_three_ways(bench, end):
    item = bench.items()[0]
    assert any(stop in end for stop in item.user.stop)
    assert bench.grade(item, played(item, item.payload["actions"], end=end)).reward == 1.0


def test_a_conversation_that_the_user_did_not_end_is_worth_nothing(bench):
    item = bench.items()[0]
    assert bench.grade(item, played(item, item.payload["actions"], stop=StopReason.MAX_TURNS)).reward == 0.0


def test_errors_are_answered_and_flagged_and_change_nothing(bench):
    world = bench.world(bench.items()[0])
    for name, arguments in [("get_order_details", {"order_id": "x"}), ("get_order_details", {}), ("fly", {}),
                            ("get_order_details", {"order_id": ["x"]})]:
        answer = world.call(ToolCall(id="c", name=name, arguments=arguments), "agent")
        assert answer.text.startswith("Error: ")
        assert answer.error
    assert world.state.db.taken() == []


def test_a_worker_gets_the_same_worlds(bench):
    again, item = pickle.loads(pickle.dumps(bench)), bench.items()[0]
    assert again.grade(item, played(item, item.payload["actions"])) == bench.grade(
        item, played(item, item.payload["actions"]))


def test_records_are_read_and_refused_as_their_schema_says():
    shapes = Shapes({
        "$defs": {
            "Cash": {"type": "object", "required": ["kind"], "properties": {
                "kind": {"const": "cash", "type": "string"}}},
            "Card": {"type": "object", "required": ["kind", "limit"], "properties": {
                "kind": {"const": "card", "type": "string"}, "limit": {"type": "number"}}},
            "Row": {"type": "object", "required": ["n", "by"], "properties": {
                "n": {"type": "integer"}, "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
                "by": {"anyOf": [{"$ref": "#/$defs/Cash"}, {"$ref": "#/$defs/Card"}]}}},
        },
        "properties": {"rows": {"type": "object", "additionalProperties": {"$ref": "#/$defs/Row"}}},
    })
    read = shapes.database.model_validate({"rows": {"a": {"by": {"kind": "card", "limit": 3}, "n": "7"}}})
    assert read.model_dump() == {"rows": {"a": {"n": 7, "note": None, "by": {"kind": "card", "limit": 3.0}}}}
    with pytest.raises(ValidationError):
        shapes["Row"](n=1, by={"kind": "cheque"})
