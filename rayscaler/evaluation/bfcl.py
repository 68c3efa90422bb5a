"""BFCL v4, the Berkeley function-calling leaderboard, by its own checkers (`bfcl-eval`).

    simple, multiple, parallel …    one reply; its calls against the answers, in Python, Java and JavaScript
    live_*                          the same, of questions that users asked
    irrelevance, relevance          one reply; no call, or any call
    multi_turn_*                    scripted turns over simulated file systems, cars, brokers; states are compared

What is not covered is in `UNCOVERED`. Models answer with tool calls (the leaderboard's FC mode).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rayscaler.errors import ConfigError
from rayscaler.evaluation import bfcl_checker
from rayscaler.evaluation.benchmark import Answer, Caller, Grade, Item, ScriptedTurns, ToolSchema, Turn, World
from rayscaler.evaluation.data_version import version_of
from rayscaler.evaluation.function_tools import tool_names, tools_of
from rayscaler.messages import Message, ToolCall
from rayscaler.trajectory import ErrorType, StopReason, Trajectory

CATEGORIES = (
    "simple_python", "simple_java", "simple_javascript", "multiple", "parallel", "parallel_multiple", "irrelevance",
    "live_simple", "live_multiple", "live_parallel", "live_parallel_multiple", "live_irrelevance", "live_relevance",
    "multi_turn_base", "multi_turn_miss_func", "multi_turn_miss_param", "multi_turn_long_context",
)  # fmt: skip

UNCOVERED = {
    "memory_kv, memory_vector, memory_rec_sum": "an earlier conversation must fill the memory that is asked for later",
    "web_search_base, web_search_no_snippet": "they search the web as it is on the day",
    "format_sensitivity": "it varies written formats of calls; here models answer with tool calls",
}
"""Categories of BFCL v4 that no item is made of, and why."""

MAX_STEPS = 20
"""Replies with calls in one turn; one more, and the leaderboard stops the conversation and counts it wrong."""

MORE_FUNCTIONS = "I have updated some more functions you can choose from. What about now?"
"""What the user says in a turn that only brings functions (the leaderboard's words)."""

DOCS = {
    "GorillaFileSystem": "gorilla_file_system", "MathAPI": "math_api", "MessageAPI": "message_api",
    "TwitterAPI": "posting_api", "TicketAPI": "ticket_api", "TradingBot": "trading_bot", "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}  # fmt: skip
"""The class of a multi-turn item -> the file that documents its functions."""

LANGUAGES = {"simple_java": "Java 8 SDK", "simple_javascript": "JavaScript"}
"""Categories whose arguments are source text of another language."""


class Bfcl:
    """One copy of BFCL v4's data."""

    def __init__(self, folder: Path) -> None:
        """Raises EngineMissing without `bfcl-eval`, ConfigError if the folder does not hold BFCL v4."""
        self.name = "bfcl"
        files = sorted(folder.glob("**/BFCL_v4_*.json"))
        self.version = f"v4 {version_of(folder, files)} bfcl-eval {bfcl_checker.version()}"
        tools = {name: _class_tools(folder / "multi_turn_func_doc" / f"{stem}.json") for name, stem in DOCS.items()}
        self._items = tuple(item for category in CATEGORIES for item in _items(folder, category, tools))

    def items(self) -> Sequence[Item]:
        """Every item that is covered, by category."""
        return self._items

    def world(self, item: Item) -> World:
        """The classes of a multi-turn item; a world without tools for questions."""
        return BfclWorld(item.payload)

    def grade(self, item: Item, trajectory: Trajectory) -> Grade:
        """1 or 0 by the leaderboard's checkers. A conversation that was cut short is wrong, whatever was said in it."""
        payload = item.payload
        if trajectory.stop_reason is not StopReason.TURNS_DONE:
            fault = _cut_fault(item.subset, trajectory)
        elif "initial_config" in payload["entry"]:
            fault = _turns_fault(payload, trajectory)
        else:
            fault = _reply_fault(item.subset, payload, trajectory)
        return Grade(float(not fault), {}, detail=fault[:500])


class BfclWorld:
    """One conversation's world."""

    def __init__(self, payload: dict[str, Any]) -> None:
        self._documented = payload["documented"]
        self._sandbox = bfcl_checker.Sandbox(payload["entry"]) if payload["documented"] else None

    def call(self, call: ToolCall, by: Caller) -> Answer:  # noqa: ARG002  (only the agent has tools)
        """Run one call. What cannot be run is answered with its error."""
        if self._sandbox is None:
            return Answer(f"{call.name} cannot be run", "unknown_tool")
        said = self._sandbox.run(bfcl_checker.call_source(call.name, call.arguments, self._documented))
        return Answer(said, "refused" if said.startswith("Error during execution") or '"error":' in said else "")


Tools = dict[str, dict[str, ToolSchema]]
"""Class -> function -> tool. Function names of classes are plain, so they are the tools' too."""


def _class_tools(path: Path) -> dict[str, ToolSchema]:
    functions = _rows(path)
    tools = tools_of([_spoken(function, "") for function in functions])
    return {function["name"]: tool for function, tool in zip(functions, tools, strict=True)}


def _items(folder: Path, category: str, tools: Tools) -> list[Item]:
    path = folder / "possible_answer" / f"BFCL_v4_{category}.json"
    answers = {row["id"]: row["ground_truth"] for row in _rows(path)} if path.is_file() else {}
    make = _conversation if category.startswith("multi_turn") else _question
    rows = _rows(folder / f"BFCL_v4_{category}.json")
    return [make(row, category, answers.get(row["id"], []), tools) for row in rows]


def _question(entry: dict[str, Any], category: str, answer: list[Any], _tools: Tools) -> Item:
    functions = [_spoken(function, category) for function in entry["function"]]
    said = tuple(Message(role=one["role"], content=one["content"]) for turn in entry["question"] for one in turn)
    return Item(
        item_id=entry["id"], subset=category, prompt="", tools=tools_of(functions),
        user=ScriptedTurns((Turn(said),), answers_calls=False), n_calls=len(answer),
        payload={"entry": entry, "answer": answer, "documented": ()},
    )  # fmt: skip


def _conversation(entry: dict[str, Any], category: str, answer: list[Any], tools: Tools) -> Item:
    offered = {name: tool for one in entry["involved_classes"] for name, tool in tools[one].items()}
    held = {int(turn): names for turn, names in entry.get("missed_function", {}).items()}
    later = {name for names in held.values() for name in names}
    turns = []
    for number, messages in enumerate(entry["question"]):
        said = messages or [{"role": "user", "content": MORE_FUNCTIONS}]
        more = tuple(tool for name, tool in offered.items() if name in held.get(number, ()))
        turns.append(Turn(tuple(Message(role=one["role"], content=one["content"]) for one in said), more))
    return Item(
        item_id=entry["id"], subset=category, prompt="",
        tools=tuple(tool for name, tool in offered.items() if name not in later),
        user=ScriptedTurns(tuple(turns), calls_per_turn=MAX_STEPS + 1), n_calls=sum(map(len, answer)),
        max_replies=(MAX_STEPS + 1) * len(turns),
        payload={"entry": entry, "answer": answer, "documented": tuple(offered)},
    )  # fmt: skip


def _spoken(function: dict[str, Any], category: str) -> dict[str, Any]:
    """A function as a model is told of it: of which language it is; Java's and JavaScript's values as source text."""
    language = LANGUAGES.get(category)
    description = f"{function['description']} Note that the provided function is in {language or 'Python 3'} syntax."
    if not language:
        return {**function, "description": description}
    properties = {name: _as_source(declared, language.split()[0])
                  for name, declared in function["parameters"]["properties"].items()}
    return {**function, "description": description, "parameters": {**function["parameters"], "properties": properties}}


def _as_source(declared: dict[str, Any], language: str) -> dict[str, str]:
    shape = {key: declared[key] for key in ("items", "properties") if key in declared}
    told = f"{declared.get('description', '')} A {declared['type']} of {language}, as source text."
    return {"type": "string", "description": f"{told} Its shape: {json.dumps(shape)}" if shape else told}


def _cut_fault(category: str, trajectory: Trajectory) -> str:
    """Why a conversation that did not come to its end is wrong. The leaderboard takes a reply that it cannot read for
    one without calls, which is right where no function helps."""
    unread = trajectory.stop_reason is StopReason.MALFORMED_REPLY and trajectory.error_type is ErrorType.AGENT
    if unread and "irrelevance" in category:
        return ""
    return f"cut short: {trajectory.stop_reason} {trajectory.error_detail}".strip()


def _reply_fault(category: str, payload: dict[str, Any], trajectory: Trajectory) -> str:
    asked = sum(one["role"] == "assistant" for turn in payload["entry"]["question"] for one in turn)
    replies = [message for message in trajectory.messages if message.role == "assistant"][asked:]
    if not replies:
        return "no reply that can be read"
    made = replies[-1].tool_calls
    if "irrelevance" in category:
        return f"calls {made[0].name}, where no function helps" if made else ""
    if "relevance" in category:
        return "" if made else "calls nothing, where a function helps"
    names = tool_names(payload["entry"]["function"])
    calls = [{names.get(call.name, call.name): call.arguments} for call in made]
    return bfcl_checker.calls_fault(category, payload["entry"]["function"], calls, payload["answer"])


def _turns_fault(payload: dict[str, Any], trajectory: Trajectory) -> str:
    turns = turns_of(trajectory.messages, payload["documented"])
    if len(turns) != len(payload["answer"]) or any(len(turn) > MAX_STEPS for turn in turns):
        return f"ended in turn {len(turns)} of {len(payload['answer'])}, or over {MAX_STEPS} replies with calls in it"
    return bfcl_checker.turns_fault(payload["entry"], turns, payload["answer"])


def turns_of(messages: Sequence[Message], documented: Sequence[str]) -> list[list[list[str]]]:
    """The calls of each turn, reply by reply, as the harness reads them. A turn begins with what the user says."""
    turns: list[list[list[str]]] = []
    before = "assistant"
    for message in messages:
        if message.role in ("user", "system"):
            if before not in ("user", "system"):
                turns.append([])
        elif message.role == "assistant" and message.tool_calls:
            calls = [bfcl_checker.call_source(call.name, call.arguments, documented) for call in message.tool_calls]
            turns[-1].append(calls)
        before = message.role
    return turns


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        raise ConfigError(f"bfcl: {path} is missing; the folder must hold the data of BFCL v4")
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]
