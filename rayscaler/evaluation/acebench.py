"""ACEBench (arXiv 2501.12851) in English and Chinese: questions with API lists, and agents in a small stateful world.

    normal     the calls that answer the last message of a conversation; by profile, in parallel, among similar APIs
    special    no call answers it: say which parameter is missing, which value is wrong, or that no API can do it
    agent      reach a state of phone or airline in several calls (`multi_step`), with a simulated user (`multi_turn`)

A reply may be tool calls or the benchmark's written form; both are read. The grade's `reward` is upstream's rule; the
part `strict` also compares numbers and booleans, which upstream does not (`acebench_match`), and wants no call where no
call answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml

from rayscaler.evaluation.acebench_data import Entry, read_entries, read_states
from rayscaler.evaluation.acebench_match import mismatch
from rayscaler.evaluation.acebench_text import Call, first_list, read_calls
from rayscaler.evaluation.acebench_world import AceWorld, NoTools, process_accuracy, state_mismatch, unnamed_classes
from rayscaler.evaluation.benchmark import Grade, Item, ScriptedTurns, SimulatedUser, Turn, World, calls_of
from rayscaler.evaluation.data_version import version_of
from rayscaler.evaluation.function_tools import tool_names, tools_of
from rayscaler.messages import Message
from rayscaler.trajectory import Trajectory

Form = Literal["tools", "text"]
"""How APIs are shown and called: as the server's tools, or written out in the prompt and in the reply."""

MAX_REPLIES = 20
"""Replies of the agent in an agent item: half of the 40 messages after which upstream ends a conversation."""

STOP = "finish conversation"

PHRASES = {
    "special_incomplete": "Missing necessary parameters",
    "special_error_param": "There is incorrect value",
    "special_irrelevant": "the limitations of the function",
}
"""What a reply to a special question must say, word by word, in both languages."""


class AceBench:
    """One copy of ACEBench. `form` "text" has no agent items: its world answers tool calls."""

    def __init__(self, folder: Path, form: Form = "tools") -> None:
        """Raises ConfigError if the folder does not hold ACEBench."""
        self.name = "acebench" if form == "tools" else "acebench-text"
        self.version = version_of(folder, sorted(folder.glob("data_all/**/*.json")))
        self._states = read_states(folder)
        entries = [one for one in read_entries(folder) if self._has_world(one) and _plays(one, form)]
        self._items = tuple(_item(entry, form) for entry in entries)

    def items(self) -> Sequence[Item]:
        """Every item, by language and category; `subset` is `en/normal_atom_bool`."""
        return self._items

    def world(self, item: Item) -> World:
        """The phone or the airline as the item finds it; a world without tools for questions."""
        entry: Entry = item.payload
        if not entry.classes:
            return NoTools()
        return self._fresh(entry)

    def grade(self, item: Item, trajectory: Trajectory) -> Grade:
        """The grade by upstream's rules; a conversation without a reply is wrong."""
        entry: Entry = item.payload
        if entry.classes:
            return self._grade_agent(entry, trajectory)
        replies = [message for message in trajectory.messages if message.role == "assistant"]
        if not replies:
            return Grade(0.0, {}, detail="no reply")
        return _grade_special(entry, replies[-1]) if entry.category in PHRASES else _grade_normal(entry, replies[-1])

    def _grade_agent(self, entry: Entry, trajectory: Trajectory) -> Grade:
        world = self._fresh(entry)
        for call in calls_of(trajectory):
            world.call(call, "agent")
        wrong = state_mismatch(world.compared(), entry.answers)
        steps = [[Call(call.name, call.arguments) for call in message.tool_calls]
                 for message in trajectory.messages if message.role == "assistant" and message.tool_calls]
        process = process_accuracy(steps, entry.milestones) if wrong else 1.0
        unchecked = tuple(f"state of {name}" for name in unnamed_classes(entry.classes, entry.answers))
        right = float(not wrong)
        return Grade(right, {"end_to_end": right, "process": process}, unchecked, "; ".join(wrong)[:500])

    def _fresh(self, entry: Entry) -> AceWorld:
        start = self._states[f"{entry.category.removeprefix('agent_')}_{entry.language}"]
        return AceWorld(start, entry.device or {}, entry.classes, entry.language)

    def _has_world(self, entry: Entry) -> bool:
        return not entry.classes or f"{entry.category.removeprefix('agent_')}_{entry.language}" in self._states


def _plays(entry: Entry, form: Form) -> bool:
    return form == "tools" or not entry.classes


def _item(entry: Entry, form: Form) -> Item:
    words = _prompts()[entry.language]
    user: SimulatedUser | ScriptedTurns
    if entry.category == "agent_multi_turn":
        kind = "airline" if "Travel" in entry.classes else "phone"
        prompt = f"{words['multi_turn']}\n\n{words[kind]}"
        asked = words[f"{kind}_user"].replace("{instruction}", entry.question)
        user = SimulatedUser(asked, stop=(STOP,), greeting=words["greeting"])
    elif entry.category == "agent_multi_step":
        prompt = words["multi_step"]
        user = ScriptedTurns((Turn((Message(role="user", content=entry.question),)),))
    else:
        prompt = _question_prompt(entry, words, form)
        asked = words["history"].replace("{question}", entry.question)
        user = ScriptedTurns((Turn((Message(role="user", content=asked),)),), answers_calls=False)
    return Item(
        item_id=f"{entry.language}/{entry.entry_id}",
        subset=f"{entry.language}/{entry.category}",
        prompt=prompt,
        tools=tools_of(entry.functions) if form == "tools" else (),
        user=user,
        n_calls=_n_calls(entry),
        group=entry.dialogue,
        max_replies=MAX_REPLIES if entry.classes else 0,
        payload=entry,
    )


def _question_prompt(entry: Entry, words: dict[str, str], form: Form) -> str:
    functions = "\n".join(map(str, entry.functions))
    how = words[f"how_{form}"].replace("{functions}", functions)
    kind = next((one for one in ("special", "preference") if one in entry.category), "normal")
    prompt = words[kind].replace("{how}", how).replace("{profile}", entry.profile)
    return f"{prompt}\n\n{entry.time}".strip()


def _n_calls(entry: Entry) -> int:
    if entry.category in PHRASES:
        return 0
    if not entry.classes:
        return len(entry.answers[0])
    many = entry.milestones and not isinstance(entry.milestones[0], str)
    return min(map(len, entry.milestones)) if many else len(entry.milestones)


def _grade_normal(entry: Entry, reply: Message) -> Grade:
    try:
        calls = _calls(entry, reply)
        faults = [mismatch(calls, answer, entry.functions) for answer in entry.answers]
        strict = any(not mismatch(calls, answer, entry.functions, strict=True) for answer in entry.answers)
    except (ValueError, OverflowError) as error:  # no calls, or a number of more digits than Python spells or holds
        return Grade(0.0, {"match": 0.0, "strict": 0.0}, detail=str(error)[:500])
    right = float(not all(faults))
    return Grade(right, {"match": right, "strict": float(strict)}, detail="" if right else faults[0][:500])


def _calls(entry: Entry, reply: Message) -> list[Call]:
    """The calls of a reply. Raises ValueError if it has none that can be read."""
    if reply.tool_calls:
        names = tool_names(entry.functions)
        return [Call(names.get(call.name, call.name), call.arguments) for call in reply.tool_calls]
    whole = "normal_multi_turn" in entry.category
    return read_calls(reply.content if whole else first_list(reply.content))


def _grade_special(entry: Entry, reply: Message) -> Grade:
    """detected: it says what kind of fault it is. corrected: it also names the API, the parameters or the values.

    Upstream looks for these words and for nothing else, so a call beside them costs no point; `strict` has no call.
    """
    said = reply.content
    detected = PHRASES[entry.category] in said
    named: list[str] = []
    if isinstance(entry.truth, dict):
        for name, values in entry.truth.items():
            named += [*([name] if entry.category == "special_incomplete" else []), *values]
    missing = [one for one in named if one not in said]
    detail = f"does not name {missing}" if missing else ""
    if not detected:
        detail = f"does not say {PHRASES[entry.category]!r}"
    right = float(detected and not missing)
    strict = float(right and not _has_calls(reply))
    return Grade(right, {"detected": float(detected), "corrected": right, "strict": strict}, detail=detail[:500])


def _has_calls(reply: Message) -> bool:
    """Whether a reply calls something, as tool calls or in the written form."""
    try:
        return bool(reply.tool_calls) or bool(read_calls(first_list(reply.content)))
    except ValueError:
        return False


@cache
def _prompts() -> dict[str, dict[str, str]]:
    text = files("rayscaler.evaluation").joinpath("acebench_prompts.yaml").read_text("utf-8")
    loaded: dict[str, dict[str, str]] = yaml.safe_load(text)
    return loaded
