"""Fourth filter, ours and not the paper's: the user was told what it asked for.

The paper's three filters read calls and rows, never the agent's words: a trajectory that looked up the right value and
reported another one passes them all, and teaches just that. Here each answer of the task must stand in words that the
user heard (an assistant message without calls) after the call that gave it. Case, spaces, punctuation and the usual
ways to write numbers, dates and times make no difference, and the bare value will do for its text: `1234.5` for
`1,234.50 euros`, `February 25th, 2026 at 12:00 PM` for `25 February 2026 at 12 pm`.

Only gold's value counts. Answers are never generated ids, so a run that saw another value took another row for the
right one; an answer that no call gave was guessed.

Not covered: an agent that says the right value beside a wrong one, negates it, or says it of another thing; short
answers (`2`, `open`) that stand in the words by accident; other free wordings (`in progress` as `under way`), which are
dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rayscaler.task import Answer, Task
from rayscaler.trajectory import FilterStage, Trajectory, Verdict, VerdictReason

_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december"
_SPELLINGS = (
    (re.compile(r"(?<=\d):00(?=\s*[ap]m\b)"), ""),  # 12:00 pm -> 12 pm
    (re.compile(r"(?<=\d)(?=[ap]m\b)"), " "),  # 12pm -> 12 pm
    (re.compile(r"(?<=\d)(?:st|nd|rd|th)\b"), ""),  # 25th -> 25
    (re.compile(rf"\b({_MONTHS})\s+(\d{{1,2}})\b(?!:)"), r"\2 \1"),  # february 25 -> 25 february
    (re.compile(rf"\b({_MONTHS}),?\s+(\d{{4}}),?\s+at\b"), r"\1 \2"),  # february 2026 at -> february 2026
)
_TOKEN = re.compile(
    r"(?<![\w.,:])(?P<number>-?(?:[1-9]\d{0,2}(?:,\d{3})+|[1-9]\d*|0)(?:\.\d+)?)(?!\w|[.,:]\d)|\d+(?:[.:]\d+)+|[^\W_]+"
)
"""A number that stands by itself, a version or time of the day, or a word (such as the code `007`)."""


def untold(trajectory: Trajectory, task: Task) -> Verdict | None:
    """The first answer that the user was not told, or None if it was told them all."""
    for answer in task.answers:
        given = _given(trajectory, task, answer)
        if given is None:
            return _drop(f"no call gave {_shown(answer)}")
        heard = [m.content for m in trajectory.messages[given + 1:] if m.role == "assistant" and not m.tool_calls]
        if not any(says(content, answer) for content in heard):
            return _drop(f"not said after message {given}, which gave it: {_shown(answer)}")
    return None


def says(content: str, answer: Answer) -> bool:
    """Whether the words `content` hold the text of `answer`, or its bare value."""
    bare = str(answer.value)
    # Codes of two letters (languages: `it`, `is`, `no`) are words of any sentence.
    forms = [answer.text] if len(bare) < 3 and bare.isalpha() else [answer.text, bare]
    return any(_stands_in(form, content) for form in forms)


def _stands_in(text: str, content: str) -> bool:
    wanted = _tokens(text)
    if not wanted:  # signs only
        return text.strip() in content
    return f" {' '.join(wanted)} " in f" {' '.join(_tokens(content))} "


def _tokens(text: str) -> list[str]:
    text = text.casefold().replace("\N{MINUS SIGN}", "-")
    for pattern, plain in _SPELLINGS:
        text = pattern.sub(plain, text)
    return [_number(m["number"]) if m["number"] else m[0] for m in _TOKEN.finditer(text)]


def _number(text: str) -> str:
    """`1,234.50` -> `1234.5`"""
    return f"{Decimal(text.replace(',', '')).normalize():f}"


def _given(trajectory: Trajectory, task: Task, answer: Answer) -> int | None:
    """The tool message that gave the answer: of gold's tool at gold's path, else any that holds the value."""
    places = [i for i, message in enumerate(trajectory.messages) if message.role == "tool"]
    read = [(place, step) for place, step in zip(places, trajectory.steps, strict=True) if not step.error]
    as_gold = (place for place, step in read if step.call.name == task.gold[answer.call].tool
               and any(path == answer.path and _equal(found, answer.value) for path, found in _leaves(step.response)))
    otherwise = (place for place, step in read if any(_equal(v, answer.value) for _, v in _leaves(step.response)))
    return next(as_gold, next(otherwise, None))


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The values inside a JSON value that hold no others, each with its path."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def _equal(found: Any, wanted: Any) -> bool:
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def _shown(answer: Answer) -> str:
    return f"{answer.text[:200]!r} ({'.'.join(map(str, answer.path))} of gold call {answer.call})"


def _drop(detail: str) -> Verdict:
    return Verdict(kept=False, stage=FilterStage.ANSWER, reason=VerdictReason.ANSWER_MISSING, detail=detail)
