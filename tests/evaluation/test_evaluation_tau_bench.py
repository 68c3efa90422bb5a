"""tau-bench: gold is worth 1 on every task and its end states are upstream's; wrong runs are worth 0."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rayscaler.evaluation.benchmark import Item
from rayscaler.evaluation.tau_bench import DOMAINS, ENDING, TauBench, TauWorld, data_hash, says, spelt
from rayscaler.evaluation.toolbox import Refused, arithmetic
from rayscaler.messages import STOP, Message, ToolCall
from rayscaler.trajectory import StopReason, Trajectory

READS = ("get_", "find_", "list_", "search_", "calculate", "think")


@cache
def opened(folder: Path) -> TauBench:
    return TauBench(folder)


@pytest.fixture
def bench(shared_data) -> TauBench:
    return opened(shared_data / "bench" / "tau-bench")


def played(item: Item, actions: Sequence[dict[str, Any]], words: Sequence[str], stop: str = "user_stop") -> Trajectory:
    """A conversation in which the agent makes these calls, says these words, and the user stops."""
    calls = [ToolCall(id=f"call_{n}", name=a["name"], arguments=a["kwargs"]) for n, a in enumerate(actions)]
    messages = [Message(role="assistant", tool_calls=tuple(calls))] if calls else []
    messages += [Message(role="assistant", content=text) for text in words]
    messages.append(Message(role="user", content=STOP))
    return Trajectory(trajectory_id="t", task_id=item.item_id, environment_id="e", trial=0, messages=tuple(messages),
                      steps=tuple({"call": call, "response": ""} for call in calls), changes=(), stop_reason=stop)


def gold_of(item: Item) -> list[dict[str, Any]]:
    return [action for action in item.payload["actions"] if action["name"] != ENDING]


def test_there_are_115_and_50_tasks(bench):
    assert [sum(item.subset == name for item in bench.items()) for name in DOMAINS] == [115, 50]


def test_gold_is_worth_one_on_every_task(bench):
    grades = [bench.grade(item, played(item, gold_of(item), item.payload["outputs"])) for item in bench.items()]
    assert [grade.reward for grade in grades] == [1.0] * 165


def test_gold_without_its_last_write_or_its_outputs_is_worth_nothing(bench, shared_data):
    n_writes = n_outputs = 0
    for item in bench.items():
        actions, outputs = gold_of(item), item.payload["outputs"]
        writes = [n for n, action in enumerate(actions) if not action["name"].startswith(READS)]
        if writes and changes(bench, item, actions[:writes[-1]], actions[:writes[-1] + 1]):
            n_writes += 1
            grade = bench.grade(item, played(item, actions[:writes[-1]], outputs))
            assert (grade.reward, grade.parts["database"]) == (0.0, 0.0), item.item_id
        if outputs:
            n_outputs += 1
            assert bench.grade(item, played(item, actions, outputs[1:])).reward == 0.0, item.item_id
    stats = json.loads((shared_data / "bench" / "tau-bench" / "stats.json").read_text())
    splits = [stats[domain]["splits"]["test"] for domain in DOMAINS]
    assert n_writes == sum(split["tasks"] - split["tasks_without_db_change"] for split in splits)
    assert n_outputs == sum(split["tasks_with_outputs"] for split in splits)


def changes(bench: TauBench, item: Item, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> bool:
    worlds = [bench.world(item), bench.world(item)]
    for world, actions in zip(worlds, (before, after), strict=True):
        for action in actions:
            world.run(action["name"], action["kwargs"])
    return bool(worlds[0].db.differences(worlds[1].db, spelt))


def test_a_conversation_that_does_not_end_by_itself_is_worth_nothing(bench):
    item = bench.items()[0]
    assert bench.grade(item, played(item, gold_of(item), [], StopReason.MAX_TURNS)).reward == 0.0
    assert bench.grade(item, played(item, gold_of(item), [], StopReason.TOOL_STOP)).reward == 1.0


def test_a_number_of_another_kind_is_another_state():
    """Upstream hashes the text of a record, where 3 and 3.0 differ."""
    assert spelt({"b": [1, {"a": 3}]}) == "(('b', (1, (('a', 3),))),)"
    assert spelt({"total": 3}) != spelt({"total": 3.0})


def test_the_agent_reads_what_gold_read(bench, shared_data):
    for domain in DOMAINS:
        recorded = json.loads((shared_data / "bench" / "tau-bench" / domain / "gold_test.json").read_text())["tasks"]
        items = [item for item in bench.items() if item.subset == domain]
        for item, gold in zip(items, recorded, strict=True):
            world = bench.world(item)
            read = [world.run(a["name"], a["kwargs"]) if a["name"] != ENDING else None for a in item.payload["actions"]]
            assert read == gold["observations"], item.item_id


@pytest.mark.slow
def test_every_gold_end_state_has_the_hash_that_upstream_recorded(bench, shared_data):
    matched = 0
    for domain in DOMAINS:
        recorded = json.loads((shared_data / "bench" / "tau-bench" / domain / "gold_test.json").read_text())
        assert data_hash(bench.tables[domain]) == recorded["initial_hash"]
        items = [item for item in bench.items() if item.subset == domain]
        for item, gold in zip(items, recorded["tasks"], strict=True):
            matched += data_hash(bench.gold_world(item).db.whole()) == gold["gt_data_hash"]
    assert matched == 165


@pytest.mark.slow
def test_recorded_runs_of_gpt_4o_have_the_reward_that_upstream_gave(bench, shared_data):
    """200 conversations of 2024 on the users of their time; every call is answered as it was then."""
    folder = shared_data / "bench" / "tau-bench" / "historical_trajectories"
    with gzip.open(folder / "gpt-4o-airline.json.gz") as file:
        runs = json.load(file)
    users = json.loads((folder / "airline_users_2024-06-17.json").read_text())
    tables = {**bench.tables["airline"], "users": users}
    agreed, answered = 0, 0
    for run in runs:
        world, gold = (TauWorld(tables, DOMAINS["airline"]) for _ in range(2))
        words, ended = [], False
        for message, after in zip(run["traj"], [*run["traj"][1:], {}], strict=True):
            if message["role"] == "assistant" and message.get("tool_calls"):
                call = message["tool_calls"][0]["function"]
                answer = world.run(call["name"], json.loads(call["arguments"]))
                ended = ended or call["name"] == ENDING
                if after.get("role") == "tool":
                    assert answer == after["content"]
                    answered += 1
            elif message["role"] == "assistant":
                words.append(message["content"])
            else:
                ended = ended or STOP in (message.get("content") or "")
        for action in run["info"]["task"]["actions"]:
            if action["name"] != ENDING:
                gold.run(action["name"], action["kwargs"])
        same = not world.db.differences(gold.db, spelt)
        said = all(says(words, text) for text in run["info"]["task"]["outputs"])
        agreed += float(same and said and ended) == run["reward"]
    assert (agreed, answered) == (200, 1164)


@pytest.mark.parametrize("arguments", [{}, {"order_id": None}, {"order_id": ["x"]}, {"order_id": "x", "zz": 1},
                                       {"order_id": {}}])
def test_arguments_that_do_not_fit_are_answered_with_an_error_and_change_nothing(bench, arguments):
    world = bench.world(bench.items()[0])
    answer = world.call(ToolCall(id="c", name="get_order_details", arguments=arguments), "agent")
    assert answer.text.startswith("Error: ")
    assert (answer.error, answer.ends, world.db.taken()) == ("refused", False, [])


def test_an_unknown_tool_is_named_and_a_transfer_ends_the_conversation(bench):
    world = bench.world(bench.items()[0])
    assert world.call(ToolCall(id="c", name="fly", arguments={}), "agent").text == "Unknown action fly"
    assert world.call(ToolCall(id="c", name=ENDING, arguments={"summary": "x"}), "agent").ends


@pytest.mark.parametrize(("text", "value"), [("2 + 3 * (4 - 1)", "11.0"), ("-7/2", "-3.5"), ("2**10", "1024.0"),
                                             ("7 // 2", "3.0"), ("100.126", "100.13")])
def test_arithmetic_is_rounded_to_two_places(text, value):
    assert arithmetic(text) == value


@pytest.mark.parametrize("text", ["9**9**9**9", "1/0", "2 +", "(1).real", "1 2", "", "a", "0x10"])
def test_what_is_no_arithmetic_or_would_not_end_is_refused(text):
    with pytest.raises(Refused):
        arithmetic(text)
