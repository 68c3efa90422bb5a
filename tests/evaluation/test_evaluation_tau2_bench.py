"""tau2-bench: gold is worth 1 on every task where upstream gives 1, wrong runs 0, and what a judge decides is named."""

from __future__ import annotations

import hashlib
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
from rayscaler.evaluation.tau2_bench import Tau2Bench, requestor
from rayscaler.evaluation.tau2_data import MAX_ERRORS, laid_over
from rayscaler.evaluation.tau2_world import TwoSides, data_hash, spelt
from rayscaler.messages import Message, ToolCall
from rayscaler.rollouts.chat import Reply
from rayscaler.rollouts.play import at_once
from rayscaler.runtime.playing import Bounds, Voices, play_item
from rayscaler.trajectory import StopReason, Trajectory

DOMAINS = ("retail", "airline")
"""Where the user has no tools: large databases, and tasks whose end state counts."""

TWO_SIDED = ("telecom", "mock")
"""Where the user has tools and a database too."""

READS = ("get_", "find_", "list_", "search_", "calculate", "transfer_")


@cache
def opened(folder: Path) -> Tau2Bench:
    return Tau2Bench(folder)


@pytest.fixture
def bench(shared_data) -> Tau2Bench:
    return opened(shared_data / "bench" / "tau2-bench")


def played(item: Item, actions: Sequence[dict[str, Any]], words: Sequence[str] = (), *, end: str = "###STOP###",
           stop: StopReason = StopReason.USER_STOP) -> Trajectory:
    """A conversation in which each side makes its calls, the agent says these words, and the user ends it."""
    calls = [ToolCall(id=f"call_{n}", name=a["name"], arguments=a["arguments"]) for n, a in enumerate(actions)]
    messages = [Message(role="user" if requestor(action) == "user" else "assistant", tool_calls=(call,))
                for action, call in zip(actions, calls, strict=True)]
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
    return bool(before.state.differences(after.state))


def test_the_agent_reads_what_gold_read(bench, shared_data):
    for domain in DOMAINS:
        for item, gold in zip(of(bench, domain), recorded(shared_data, domain)["tasks"], strict=True):
            world = bench.world(item)
            read = [world.run(a["name"], a["arguments"])[0] for a in item.payload["actions"]]
            assert read == gold["observations"], item.item_id


def recorded(shared_data: Path, domain: str) -> dict[str, Any]:
    return json.loads((shared_data / "bench" / "tau2-bench" / domain / "gold.json").read_text())


def state_hash(state: TwoSides) -> tuple[str, str]:
    return tuple(hashlib.sha256(spelt(side).encode()).hexdigest() for side in (state.agent, state.user))


def test_gold_of_both_sides_is_worth_one_and_without_it_nothing(bench):
    """Upstream's scorer says the same of every one of these runs. Seven actions of telecom are not needed."""
    for subset, n_tasks in (("telecom", 114), ("telecom-small", 20)):
        items = of(bench, subset)
        grades = [bench.grade(i, played(i, i.payload["actions"])) for i in items]
        assert [grade.reward for grade in grades] == [1.0] * n_tasks
        assert not [grade for grade in grades if grade.uncovered]
        assert [bench.grade(i, played(i, [])).reward for i in items] == [0.0] * n_tasks
    rewards = [bench.grade(i, played(i, actions[:n] + actions[n + 1 :])).reward
               for i in of(bench, "telecom") for actions in [i.payload["actions"]] for n in range(len(actions))]
    assert (len(rewards), sum(rewards)) == (516, 7)


def test_of_mock_two_tasks_ask_for_more_than_their_gold_and_two_begin_in_the_middle(bench):
    items = of(bench, "mock")
    grades = {i.item_id: bench.grade(i, played(i, i.payload["actions"], i.payload["communicate_info"])) for i in items}
    assert [name for name, grade in grades.items() if grade.reward < 1.0] == [
        "mock-update_task_with_history_and_env_assertions", "mock-update_task_with_user_tools"]
    assert [name for name, grade in grades.items() if "message_history" in grade.uncovered] == [
        "mock-update_task_with_message_history", "mock-update_task_with_history_and_env_assertions"]
    by_name = {item.item_id.removeprefix("mock-update_task_with_"): item for item in items}
    done = {"name": "update_task_status", "arguments": {"task_id": "task_2", "status": "completed"}}
    item = by_name["history_and_env_assertions"]
    assert bench.grade(item, played(item, [done])).reward == 1.0
    item = by_name["user_tools"]                        # nobody can: what it asserts is no part of its gold end state
    dismissed = {"requestor": "user", "name": "dismiss_notification", "arguments": {"notification_id": "notif_1"}}
    grade = bench.grade(item, played(item, [*item.payload["actions"], dismissed]))
    assert (grade.parts["env_assertion"], grade.parts["database"], grade.reward) == (1.0, 0.0, 0.0)


@pytest.mark.parametrize("domain", TWO_SIDED)
def test_both_databases_and_what_both_sides_read_are_those_that_were_recorded(bench, shared_data, domain):
    for item, gold in zip(of(bench, domain), recorded(shared_data, domain)["tasks"], strict=True):
        world = bench.world(item)
        assert state_hash(world.state) == (gold["initial_db_hash"], gold["initial_user_db_hash"]), item.item_id
        made = [(a["name"], a["arguments"], requestor(a)) for a in item.payload["actions"]]
        assert [world.run(*call)[0] for call in made] == gold["observations"], item.item_id
        assert state_hash(world.state) == (gold["gold_db_hash"], gold["gold_user_db_hash"]), item.item_id


def test_a_refused_call_of_either_side_is_an_error_and_a_tool_of_the_other_side_is_not_there(bench):
    world = bench.world(of(bench, "telecom")[0])
    for name, arguments, by in [("toggle_data", {}, "agent"), ("refuel_data", {}, "user"), ("fly", {}, "user"),
                                ("get_details_by_id", {"id": "L9"}, "agent"), ("check_app_status", {}, "user")]:
        answer = world.call(ToolCall(id="c", name=name, arguments=arguments), by)
        assert answer.text.startswith("Error: ")
        assert answer.error


def test_a_live_episode_of_telecom_plays_the_phone_in_the_same_world(bench):
    """The user switches data on itself; the agent adds data; what each of them did is graded."""
    item = next(i for i in of(bench, "telecom") if "]data_mode_off|data_usage_exceeded[PERSONA:None" in i.item_id)
    toggle, refuel = item.payload["actions"]
    assert {tool["function"]["name"] for tool in item.user.tools} > {"toggle_data", "run_speed_test"}
    agent = Says("Switch data on.", refuel, "More data is there. Does it work?")
    user = Says("It is slow.", toggle, "Done.", {"name": "run_speed_test", "arguments": {}}, "Yes. ###STOP###")
    found = at_once(play_item(item, bench.world(item), Voices(agent, user), Bounds(20, 20)))
    assert [step.call.name for step in found.steps] == ["toggle_data", "refuel_data", "run_speed_test"]
    assert "275.00 Mbps (Excellent)" in found.steps[-1].response
    kept = found.trajectory(item, trajectory_id="t", where="w", trial=0, seed=0, agent="a", user="u")
    assert bench.grade(item, kept).reward == 1.0


def test_ten_errors_end_a_conversation(bench):
    item = of(bench, "retail")[0]
    agent = Says(*[{"name": "fly", "arguments": {}}] * MAX_ERRORS, "never said")
    found = at_once(play_item(item, bench.world(item), Voices(agent, Says("Hi.")), Bounds(50, 50)))
    assert (found.stop_reason, len(found.steps)) == (StopReason.MAX_ERRORS, 10)
    kept = found.trajectory(item, trajectory_id="t", where="w", trial=0, seed=0, agent="a", user="u")
    assert bench.grade(item, kept).reward == 0.0


class Says:
    """A chat that says or calls what it is given, in order."""

    def __init__(self, *replies: Any) -> None:
        self.replies, self.n_calls = list(replies), 0

    async def reply(self, messages, tools, sampling):
        said = self.replies.pop(0)
        if isinstance(said, str):
            return Reply(Message(role="assistant", content=said))
        self.n_calls += 1
        call = ToolCall(id=f"call_{self.n_calls}", name=said["name"], arguments=said["arguments"])
        return Reply(Message(role="assistant", tool_calls=(call,)))


def test_objects_are_merged_at_every_depth():
    below = {"a": {"x": 1, "y": {"z": 2}}, "b": [1]}
    assert laid_over(below, {"a": {"y": {"w": 3}}, "b": [2]}) == {"a": {"x": 1, "y": {"z": 2, "w": 3}}, "b": [2]}
    assert below == {"a": {"x": 1, "y": {"z": 2}}, "b": [1]}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("domain", list(DOMAINS))
def test_every_gold_end_state_has_the_recorded_hash(bench, shared_data, domain):
    gold = recorded(shared_data, domain)
    assert data_hash(bench.tables[domain]) == gold["fresh_db_hash"]
    worlds = [bench.gold_world(item).state.db.whole() for item in of(bench, domain)]
    assert [data_hash(world) for world in worlds] == [task["gold_db_hash"] for task in gold["tasks"]]


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
