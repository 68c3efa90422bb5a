"""Whether a user that a model plays kept to its role: said what it knows, when asked, and stopped when it was served.

A conversation that fails because its user invented an order number says nothing about the agent, so it is labelled with
`ErrorType.USER` and the first fault found, in this order for each message: it speaks as the agent would; it leaks its
prompt or names tools; its opening tells everything; it states a value that it does not know. Then, of the end: it stops
while the agent waits for something, the goal not reached; or it never stops although the goal is reached.

What is covered: numbers from 10, dates, times, amounts, codes, addresses of all kinds, and names in capitals inside a
sentence, each compared with what the user was told and what the agent has said before. What is not covered: values that
are plain words ("express delivery"), numbers below 10, names at the start of a sentence, and other languages' capitals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from rayscaler.canonical import dumps
from rayscaler.changes import Changes, same_changes
from rayscaler.environment import EnvironmentSpec
from rayscaler.messages import STOP, Message
from rayscaler.rollouts import phrases
from rayscaler.rollouts.views import user_prompt
from rayscaler.task import Intent, Task
from rayscaler.trajectory import StopReason, UserFault

RUN = 6
"""Words in a row, in the second person, that a user shares with its prompt only if it recites it."""

_VALUE = re.compile(r"[\w.+'-]+@[\w.-]+\w|[\w#$€£+][\w.,:/@#%+-]*\w|\d")
_NUMBER = re.compile(r"\d{1,18}")
_TIME_LIKE = re.compile(r"[\d:./-]+(?:am|pm|st|nd|rd|th|z|h|%)?", re.IGNORECASE)
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+\b")
_IDENTIFIER = re.compile(r"\w+_\w+|[a-z]+[A-Z]\w*")


class Fault(NamedTuple):
    """What the user did wrong, and where it shows."""

    fault: UserFault
    detail: str


def user_fault(
    messages: Sequence[Message], changes: Changes, stop_reason: StopReason | None, *, task: Task, spec: EnvironmentSpec
) -> Fault | None:
    """The user's first fault in an ended conversation, or None. `changes` are its net row changes."""
    return _fault_in_words(messages, task.intent, spec) or _fault_at_end(messages, changes, stop_reason, task, spec)


def _fault_in_words(messages: Sequence[Message], intent: Intent, spec: EnvironmentSpec) -> Fault | None:
    known = _Known(_told_to_user(intent))
    recited = _second_person_runs(user_prompt(intent)) - _second_person_runs(intent.opening)
    tools = {tool.name for tool in spec.tools if _IDENTIFIER.fullmatch(tool.name)}
    opening = True
    for message in messages:
        if message.role == "assistant":
            known.hear(message.content)
        if message.role != "user":
            continue
        words = message.content.replace(STOP, " ")
        found = _out_of_role(words) or _leak(words, recited, tools)
        found = found or (_all_at_once(words, intent) if opening else None) or _invented(words, known)
        if found:
            return found
        opening = False
    return None


def _out_of_role(words: str) -> Fault | None:
    lowered = words.lower().replace("’", "'")
    line = next((line for line in _signs()["agent_lines"] if line in lowered), None)
    return Fault(UserFault.PLAYED_AGENT, f"says {line!r}") if line else None


def _leak(words: str, recited: set[tuple[str, ...]], tools: set[str]) -> Fault | None:
    lowered = words.lower()
    mark = next((mark for mark in _signs()["prompt_marks"] if mark in lowered), None)
    if mark is None:
        mark = next((name for name in _IDENTIFIER.findall(words) if name in tools), None)
    if mark is None:
        mark = next((" ".join(run) for run in _runs(words) if run in recited), None)
    return Fault(UserFault.LEAKED_PLAN, f"says {mark!r}") if mark else None


def _all_at_once(words: str, intent: Intent) -> Fault | None:
    withheld = [fact for fact in intent.facts if not fact.said]
    if len(withheld) < 2 or not all(_states(words, fact.text) or _states(words, fact.value) for fact in withheld):
        return None
    return Fault(UserFault.TOLD_EVERYTHING, f"the opening tells {', '.join(fact.name for fact in withheld)}")


def _invented(words: str, known: _Known) -> Fault | None:
    value = next(known.unknown(words), None)
    return Fault(UserFault.INVENTED_FACT, f"{value!r} is nothing that it knows") if value else None


def _states(words: str, value: Any) -> bool:
    return re.search(rf"(?<!\w){re.escape(str(value).lower())}(?!\w)", words.lower()) is not None


def _told_to_user(intent: Intent) -> str:
    facts = [f"{phrases.label(fact.name)} {fact.text} {_as_text(fact.value)}" for fact in intent.facts]
    return "\n".join([intent.opening, intent.instructions, intent.persona, *facts])


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value)


class _Known:
    """The words, numbers and digits that a user may say."""

    def __init__(self, told: str) -> None:
        self.words: set[str] = set(_signs()["capitals"])
        self.numbers: set[int] = set()
        self.text = ""
        self.digits = ""
        self.hear(told)

    def hear(self, text: str) -> None:
        """From now on, what stands in `text` is known."""
        lowered = text.lower()
        self.text += "\n" + lowered
        self.words.update(re.findall(r"[a-z]+", lowered))
        for number in map(int, _NUMBER.findall(text)):
            self.numbers |= {number, number % 100, number - 12, number + 12}   # 2026 as '26, 15:00 as 3 and back
        self.numbers |= {n for n, month in enumerate(_signs()["months"], start=1) if month in lowered}
        self.digits += " " + re.sub(r"\D", "", text)

    def unknown(self, words: str) -> Iterator[str]:
        """Values in `words` that are not known, in their order: first those with digits, then names."""
        for token in _VALUE.findall(words):
            if (any(c.isdigit() for c in token) or "@" in token) and not self._knows(token):
                yield token
        for name in _NAME.findall(words):
            if name.lower() not in self.words:
                yield name

    def _knows(self, token: str) -> bool:
        lowered = token.lower().strip("#$€£+.,:/-")
        if lowered in self.text:
            return True
        plain = lowered.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", lowered) else lowered
        if not _TIME_LIKE.fullmatch(plain):
            return False
        numbers = _NUMBER.findall(plain)
        return all(int(n) < 10 or int(n) in self.numbers or (len(n) > 2 and n in self.digits) for n in numbers)


def _fault_at_end(
    messages: Sequence[Message], changes: Changes, stop_reason: StopReason | None, task: Task, spec: EnvironmentSpec
) -> Fault | None:
    if stop_reason not in (StopReason.USER_STOP, StopReason.MAX_TURNS):
        return None
    reached = _reached(messages, changes, task, spec)
    if stop_reason is StopReason.MAX_TURNS:
        done = reached and task.n_writes
        return Fault(UserFault.DID_NOT_STOP, "all is done, and it goes on") if done else None
    heard = next((m.content for m in reversed(messages) if m.role == "assistant" and not m.tool_calls), "")
    if reached or (heard and not _waits(heard)):
        return None
    return Fault(UserFault.STOPPED_EARLY, f"stops after {heard[-200:]!r}" if heard else "stops before a word was said")


def _waits(heard: str) -> bool:
    """Whether the agent's words ask for something that it needs to go on."""
    return "?" in heard and not phrases.hears("close", heard) and not phrases.hears("give_up", heard)


def _reached(messages: Sequence[Message], changes: Changes, task: Task, spec: EnvironmentSpec) -> bool:
    """Whether the rows are gold's; of a task that only reads, whether each of gold's tools was called."""
    if task.n_writes:
        return same_changes(task.gold_changes, changes, spec.identity)
    return {call.tool for call in task.gold} <= {call.name for message in messages for call in message.tool_calls}


def _runs(words: str) -> list[tuple[str, ...]]:
    found = re.findall(r"[\w']+", words.lower())
    return list(zip(*(found[i:] for i in range(RUN)), strict=False))


def _second_person_runs(prompt: str) -> set[tuple[str, ...]]:
    return {run for run in _runs(prompt) if "you" in run or "your" in run}


@cache
def _signs() -> dict[str, list[str]]:
    text = files("rayscaler.rollouts").joinpath("conduct.yaml").read_text("utf-8")
    loaded: dict[str, list[str]] = yaml.safe_load(text)
    return loaded
