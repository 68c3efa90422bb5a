"""ACEBench's own data through its adapter: answers are worth 1, answers with a planted fault less."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from rayscaler.evaluation.acebench import PHRASES, AceBench
from rayscaler.evaluation.acebench_data import Entry
from rayscaler.evaluation.acebench_text import Call, read_calls, write_calls
from rayscaler.evaluation.acebench_world import state_mismatch
from rayscaler.evaluation.benchmark import Item
from rayscaler.evaluation.function_tools import tool_names, tools_of
from rayscaler.messages import Message, ToolCall
from rayscaler.trajectory import Step, StopReason, Trajectory


@pytest.fixture(scope="module")
def bench(shared_data: Path) -> AceBench:
    return AceBench(shared_data / "bench" / "acebench")


def talk(item: Item, *replies: Message) -> Trajectory:
    """A record in which the agent says `replies` and every call is answered."""
    steps = [Step(call=call, response="") for reply in replies for call in reply.tool_calls]
    return Trajectory(trajectory_id="t", task_id=item.item_id, environment_id="ace", trial=0, messages=replies,
                      steps=tuple(steps), changes=(), stop_reason=StopReason.TURNS_DONE)


def test_a_number_that_python_cannot_spell_or_hold_is_graded_as_wrong(bench: AceBench):
    item = next(item for item in bench.items() if item.subset == "en/normal_atom_number")
    (name, arguments), = item.payload.answers[0].items()
    for number in ("0x" + "f" * 9000, "1" + "0" * 400):
        written = f"[{name}({', '.join(f'{key}={number}' for key in arguments)}, qqq={number})]"
        assert bench.grade(item, talk(item, Message(role="assistant", content=written))).reward == 0.0


def native(entry: Entry, calls: list[Call], first: int = 0) -> Message:
    """The calls as a server gives them back."""
    offered = {original: name for name, original in tool_names(entry.functions).items()}
    made = [ToolCall(id=f"c{first + i}", name=offered.get(call.name, call.name), arguments=call.arguments)
            for i, call in enumerate(calls)]
    return Message(role="assistant", tool_calls=tuple(made))


def gold(entry: Entry, answer: dict[str, Any]) -> list[Call]:
    """An answer as calls; a number that only tells calls apart is no part of the name."""
    names = {function["name"] for function in entry.functions}
    return [Call(key if key in names else key.rsplit("_", 1)[0], deepcopy(value)) for key, value in answer.items()]


def other(value: Any) -> Any:
    """A value of the same type that no rule takes for `value`."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 7
        case str():
            return "qqq"
        case list():
            return [*map(other, value), "qqq"]
        case dict():
            return {key: other(part) for key, part in value.items()} or {"qqq": 1}
    return "qqq"


def faults(entry: Entry, calls: list[Call]) -> Iterator[tuple[str, list[Call]]]:
    """The calls with one fault each, and its kind."""
    first, rest = calls[0], calls[1:]
    yield "dropped call", rest
    yield "repeated call", [*calls, first]
    for function in entry.functions:
        if all(function["name"] != call.name for call in calls):
            yield "other function", [Call(function["name"], first.arguments), *rest]
            break
    yield "extra argument", [Call(first.name, {**first.arguments, "qqq": 1}), *rest]
    schema = next(f["parameters"] for f in entry.functions if f["name"] == first.name)
    for name, value in first.arguments.items():
        numeric = isinstance(value, (bool, int, float))
        yield "other number" if numeric else "other value", [
            Call(first.name, {**first.arguments, name: other(value)}), *rest]
        left = {key: part for key, part in first.arguments.items() if key != name}
        kind = "missing required" if name in schema.get("required", ()) else "missing optional"
        yield kind, [Call(first.name, left), *rest]


def test_every_item_is_there(bench: AceBench):
    counts = Counter(item.subset.split("/")[1].split("_")[0] for item in bench.items())
    assert counts == {"normal": 1640, "special": 300, "agent": 100}
    assert len({item.item_id for item in bench.items()}) == 2040


@pytest.mark.slow
def test_every_answer_is_worth_1_in_both_forms(bench: AceBench):
    for item in bench.items():
        entry: Entry = item.payload
        if "normal" not in item.subset:
            continue
        for answer in entry.answers:
            calls = gold(entry, answer)
            for reply in (native(entry, calls), Message(role="assistant", content=write_calls(calls))):
                grade = bench.grade(item, talk(item, reply))
                assert (grade.reward, grade.parts["strict"]) == (1.0, 1.0), (item.item_id, grade.detail)


@pytest.mark.slow
def test_faults_cost_the_point_where_upstream_says_so(bench: AceBench):
    """Upstream compares no numbers and asks for no optional parameter; `strict` does. Else three items let a fault
    through: in two, one call stands for both of the answer's; one answer is null, of which only the type counts.
    """
    made, loose, strict = Counter(), set(), Counter()
    for item in bench.items():
        entry: Entry = item.payload
        if "normal" not in item.subset or len(entry.answers) > 1:
            continue
        for kind, calls in faults(entry, gold(entry, entry.answers[0])):
            grade = bench.grade(item, talk(item, native(entry, calls)))
            made[kind] += 1
            strict[kind] += grade.parts["strict"] == 1.0
            if grade.reward == 1.0 and kind not in ("other number", "missing optional"):
                loose.add(item.item_id)
    assert min(made[kind] for kind in made) > 300
    assert len(made) == 8
    assert not +strict
    assert loose == {"en/normal_atom_object_deep_39", "en/normal_preference_38",
                     "en/normal_single_turn_parallel_function_13"}


def test_special_replies_must_say_what_and_where(bench: AceBench):
    for item in bench.items()[::3]:
        entry: Entry = item.payload
        if entry.category not in PHRASES:
            continue
        named = entry.truth if isinstance(entry.truth, dict) else {}
        right = f"{PHRASES[entry.category]}: " + ", ".join(f"{key} {' '.join(values)}" for key, values in named.items())
        called = native(entry, [Call(entry.functions[0]["name"], {})]).model_copy(update={"content": right})
        for reply, strict in ((Message(role="assistant", content=right), 1.0), (called, 0.0),
                              (Message(role="assistant", content=f"[Api(x=1)] {right}"), 0.0)):
            grade = bench.grade(item, talk(item, reply))        # upstream reads the words alone
            assert (grade.reward, grade.parts["strict"]) == (1.0, strict)
        wrongs = ("no", PHRASES[entry.category] if named else "no", right.removeprefix(PHRASES[entry.category]))
        for wrong in wrongs:
            assert bench.grade(item, talk(item, Message(role="assistant", content=wrong))).reward == 0.0
        call = native(entry, [Call(entry.functions[0]["name"], {})])
        assert bench.grade(item, talk(item, call)).reward == 0.0


def test_gold_states_are_worth_1_and_gold_runs_reach_as_many_as_upstream_executes(bench: AceBench):
    reached = Counter()
    for item in bench.items():
        entry: Entry = item.payload
        if not entry.classes:
            continue
        assert not state_mismatch(entry.answers, entry.answers)
        rewards, processes = [], []
        for run in entry.milestones if not isinstance(entry.milestones[0], str) else [entry.milestones]:
            replies: list[Message] = []
            for stone in run:
                try:
                    replies.append(native(entry, read_calls(stone), len(replies) * 10))
                except ValueError:      # upstream's milestone has a quote too many
                    continue
            grade = bench.grade(item, talk(item, *replies))
            rewards.append(grade.reward)
            processes.append(grade.parts["process"])
        reached[item.subset] += max(rewards)
        assert bench.grade(item, talk(item)).reward == 0.0
    assert reached == {"en/agent_multi_step": 10, "en/agent_multi_turn": 21, "zh/agent_multi_step": 14,
                       "zh/agent_multi_turn": 29}


def test_tools_are_named_as_servers_take_them():
    x = {"type": "float", "required": True}
    functions = [{"name": "a.b", "parameters": {"type": "dict", "properties": {"x": x}}},
                 {"name": "a_b", "description": "d", "arguments": {"type": "object", "properties": {}}}]
    assert tool_names(functions) == {"a_b": "a.b", "a_b_2": "a_b"}
    first, second = (tool["function"] for tool in tools_of(functions))
    assert first["parameters"] == {"type": "object", "properties": {"x": {"type": "number"}}}
    assert second["parameters"] == {"type": "object", "properties": {}}
