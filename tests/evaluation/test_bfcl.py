"""BFCL's answers through its own checkers: worth 1; answers with a planted fault less."""

from __future__ import annotations

import ast
import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from rayscaler.evaluation import bfcl_checker
from rayscaler.evaluation.benchmark import Item, ScriptedTurns
from rayscaler.evaluation.bfcl import CATEGORIES, Bfcl, turns_of
from rayscaler.evaluation.function_tools import tool_names
from rayscaler.messages import Message, ToolCall
from rayscaler.trajectory import ErrorType, Step, StopReason, Trajectory

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not bfcl_checker.installed(), reason=bfcl_checker.HOW_TO_INSTALL),
]

Calls = list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def bench(shared_data: Path) -> Bfcl:
    return Bfcl(shared_data / "bench" / "bfcl-v4")


def record(item: Item, messages: list[Message]) -> Trajectory:
    steps = [Step(call=call, response="") for message in messages for call in message.tool_calls]
    return Trajectory(trajectory_id="t", task_id=item.item_id, environment_id="bfcl", trial=0, messages=tuple(messages),
                      steps=tuple(steps), changes=(), stop_reason=StopReason.TURNS_DONE)


def reply(item: Item, calls: Calls, first: int = 0) -> Message:
    """Calls as a server gives them back."""
    offered = {own: name for name, own in tool_names(item.payload["entry"].get("function", [])).items()}
    made = [ToolCall(id=f"c{first + i}", name=offered.get(name, name), arguments=arguments)
            for i, (name, arguments) in enumerate(calls)]
    return Message(role="assistant", content="" if made else "I can't.", tool_calls=tuple(made))


def asked(item: Item) -> list[Message]:
    assert isinstance(item.user, ScriptedTurns)
    return [message for turn in item.user.turns for message in turn.messages]


LEFT_OUT = object()


def one(values: Any) -> Any:
    """The first of the values that an answer allows; LEFT_OUT where `""`, "may be left out", is the only one."""
    if not isinstance(values, list):
        return values
    value = next((v for v in values if v != ""), LEFT_OUT)
    if isinstance(value, dict):
        return chosen(value)
    if isinstance(value, list):
        return [chosen(part) if isinstance(part, dict) else part for part in value]
    return value


def chosen(allowed: dict[str, Any]) -> dict[str, Any]:
    picked = {key: one(values) for key, values in allowed.items()}
    return {key: value for key, value in picked.items() if value is not LEFT_OUT}


def source(value: Any, declared: dict[str, Any]) -> str:
    """A value as Java or JavaScript source."""
    inner = declared.get("items", {}).get("type", "")
    suffix = "L" if inner == "long" else ""
    quoted = [json.dumps(part) + suffix for part in value] if isinstance(value, list) else []
    match declared["type"]:
        case _ if isinstance(value, str):
            return value
        case "ArrayList":
            return f"new ArrayList<>(Arrays.asList({', '.join(quoted)}))"
        case "Array":
            return f"new {inner}[]{{{', '.join(map(str, value) if inner == 'String' else quoted)}}}"
        case "HashMap":
            puts = " ".join(f"put({json.dumps(k)}, {json.dumps(v)});" for k, v in value.items())
            return f"new HashMap<>() {{{{ {puts} }}}}"
        case "long" | "Bigint" as kind:
            return f"{value}{'L' if kind == 'long' else 'n'}"
    return json.dumps(value, ensure_ascii=False)


def gold(item: Item) -> Calls:
    """One of the runs that an item's answer allows."""
    functions = {one["name"]: one["parameters"] for one in item.payload["entry"]["function"]}
    found: Calls = []
    for answer in item.payload["answer"]:
        for name, allowed in answer.items():
            schema = functions[name]
            arguments = {key: value for key, value in chosen(allowed).items()
                         if key in schema["properties"] or "" not in allowed[key]}
            arguments |= {key: "" for key in schema["required"] if key not in arguments and key in allowed}
            if item.subset in ("simple_java", "simple_javascript"):
                arguments = {key: source(value, schema["properties"][key]) for key, value in arguments.items()}
            found.append((name, arguments))
    return found


def gold_turns(item: Item) -> list[list[Message]]:
    """The messages of a multi-turn item's answer, turn by turn: its calls in one reply, then words."""
    tools = {tool["function"]["name"]: list(tool["function"]["parameters"]["properties"])
             for tools in (item.tools, *(turn.tools for turn in item.user.turns)) for tool in tools}
    turns, n = [], 0
    for turn, calls in zip(item.user.turns, item.payload["answer"], strict=True):
        made: Calls = []
        for text in calls:
            node = ast.parse(text, mode="eval").body
            named = {word.arg: ast.literal_eval(word.value) for word in node.keywords}
            named |= {key: ast.literal_eval(part) for key, part in zip(tools[node.func.id], node.args, strict=False)}
            made.append((node.func.id, named))
        turns.append([*turn.messages, *([reply(item, made, first=n)] if made else []),
                      Message(role="assistant", content="Done.")])
        n += len(made)
    return turns


def test_every_item_that_is_covered_is_there(bench: Bfcl):
    counts = Counter(item.subset for item in bench.items())
    assert list(counts) == list(CATEGORIES)
    assert sum(counts.values()) == 4441
    assert counts["multi_turn_base"] == 200


def faults(item: Item, calls: Calls) -> dict[str, Calls]:
    (name, arguments), rest = calls[0], calls[1:]
    schema = next(one["parameters"] for one in item.payload["entry"]["function"] if one["name"] == name)
    found = {
        "dropped call": rest,
        "repeated call": [*calls, calls[0]],
        "other function": [("qqq", arguments), *rest],
        "extra argument": [(name, {**arguments, "qqq": 1}), *rest],
    }
    for key in arguments:
        found[f"other value {key}"] = [(name, {**arguments, key: ["qqq", {"q": 1}]}), *rest]
        if key in schema["required"]:
            found[f"missing {key}"] = [(name, {k: v for k, v in arguments.items() if k != key}), *rest]
    return found


def test_answers_are_worth_1_and_faults_cost_it(bench: Bfcl):
    """All answers but seven: no calls are right there. (Texts and numbers in one Java array; a parameter that must be
    given and has no right value, or that the function lacks; an answer without what the function requires.)
    """
    refused, through, made = set(), set(), Counter()
    for item in bench.items():
        if item.subset.startswith("multi_turn") or not item.payload["answer"]:
            continue
        if bench.grade(item, record(item, [*asked(item), reply(item, gold(item))])).reward < 1.0:
            refused.add(item.item_id)
        for kind, calls in faults(item, gold(item)).items():
            made[kind.split()[0]] += 1
            if bench.grade(item, record(item, [*asked(item), reply(item, calls)])).reward == 1.0:
                through.add((item.item_id, kind))
    assert min(made.values()) > 2000
    assert refused == {"simple_java_36", "simple_java_64", "simple_java_65", "live_simple_106-63-0",
                       "live_simple_112-68-0", "live_multiple_862-181-3", "live_multiple_964-207-0"}
    assert not through


def test_a_call_is_wrong_where_none_helps_and_right_where_one_does(bench: Bfcl):
    items = [item for item in bench.items() if "relevance" in item.subset][::7]
    for item in items:
        name = item.payload["entry"]["function"][0]["name"] if item.payload["entry"]["function"] else "f"
        call, words = reply(item, [(name, {})]), reply(item, [])
        wanted = (0.0, 1.0) if "irrelevance" in item.subset else (1.0, 0.0)
        assert tuple(bench.grade(item, record(item, [*asked(item), said])).reward for said in (call, words)) == wanted


def test_answers_of_several_turns_are_worth_1_and_faults_cost_it(bench: Bfcl):
    for item in bench.items():
        if not item.subset.startswith("multi_turn"):
            continue
        turns = gold_turns(item)
        last = max(number for number, turn in enumerate(turns) if any(message.tool_calls for message in turn))
        calls = next(message for message in turns[last] if message.tool_calls)
        fewer = calls.model_copy(update={"tool_calls": calls.tool_calls[:-1]})
        for reward, end in (
            (1.0, turns[last]),
            (0.0, [message for message in turns[last] if not message.tool_calls]),
            (0.0, [fewer if message is calls else message for message in turns[last]]),
        ):
            grade = bench.grade(item, record(item, [*chain(*turns[:last]), *end, *chain(*turns[last + 1:])]))
            assert grade.reward == reward, (item.item_id, grade.detail)


def test_a_world_answers_as_the_harness_does_and_runs_nothing_else(bench: Bfcl, tmp_path: Path):
    item = next(item for item in bench.items() if item.item_id == "multi_turn_base_0")
    world, other = bench.world(item), bench.world(item)

    def call(world: Any, name: str, **arguments: Any) -> str:
        return world.call(ToolCall(id="c", name=name, arguments=arguments), "agent").text

    assert json.loads(call(world, "cd", folder="document")) == {"current_working_directory": "document"}
    assert "final_report.pdf" in call(world, "ls")
    assert "final_report.pdf" not in call(other, "ls")                        # a world of its own
    path = tmp_path / "written"
    for name, arguments in (
        ("open", {"file": str(path), "mode": "w"}),                           # a builtin, not a documented function
        ("cd", {"folder=open(__file__), x": "1"}),                            # source in a parameter's name
        ("_load_scenario", {"scenario": {}}),
        ("cd", {"folder": f"');open('{path}','w')('"}),
    ):
        assert "rror" in call(world, name, **arguments)
    assert not path.exists()


def test_what_the_calculator_would_not_end_is_refused_at_once(bench: Bfcl):
    item = next(item for item in bench.items() if "MathAPI" in item.payload["entry"].get("involved_classes", ()))
    world = bench.world(item)
    for name, arguments in (
        ("power", {"base": 9, "exponent": 9**9}), ("power", {"base": 2, "exponent": -(10**400)}),
        ("logarithm", {"value": 2, "base": 10, "precision": 10**12}), ("square_root", {"number": 2, "precision": 1e9}),
    ):
        assert "rror" in world.call(ToolCall(id="c", name=name, arguments=arguments), "agent").text
    assert "8" in world.call(ToolCall(id="c", name="power", arguments={"base": 2, "exponent": 3}), "agent").text


def test_no_reply_is_no_refusal(bench: Bfcl):
    item = next(item for item in bench.items() if item.subset == "irrelevance")
    assert bench.grade(item, record(item, asked(item))).reward == 0.0


def test_what_was_cut_short_is_wrong_however_far_it_came(bench: Bfcl):
    """But a reply that cannot be read is one without calls to the leaderboard: right where no function helps."""
    for name in ("multi_turn_base_0", "simple_python_0"):
        item = next(item for item in bench.items() if item.item_id == name)
        said = list(chain(*gold_turns(item))) if "multi" in name else [*asked(item), reply(item, gold(item))]
        whole = record(item, said)
        assert bench.grade(item, whole).reward == 1.0
        for stop in (StopReason.MAX_CALLS, StopReason.MAX_TURNS, StopReason.CHAT_FAILED, StopReason.MALFORMED_REPLY):
            grade = bench.grade(item, whole.model_copy(update={"stop_reason": stop}))
            assert (grade.reward, stop.value in grade.detail) == (0.0, True)
    item = next(item for item in bench.items() if item.subset == "irrelevance")
    unread = {"stop_reason": StopReason.MALFORMED_REPLY, "error_type": ErrorType.AGENT}
    assert bench.grade(item, record(item, asked(item)).model_copy(update=unread)).reward == 1.0


def test_over_20_replies_in_a_turn_are_wrong_as_upstream_stops_there(bench: Bfcl):
    item = next(item for item in bench.items() if item.item_id == "multi_turn_base_0")
    first, *rest = gold_turns(item)
    looks = [reply(item, [("pwd", {})], first=100 + i) for i in range(21)]
    for count, reward in ((19, 1.0), (21, 0.0)):
        messages = [first[0], *looks[:count], *first[1:], *chain(*rest)]
        assert bench.grade(item, record(item, messages)).reward == reward
    assert len(turns_of(messages, item.payload["documented"])[0]) == 22
