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
from typing import Any, NamedTuple

from msgspec import Raw

from rayscaler.filters.recorded import Played, Wanted, WantedAnswer, value_of
from rayscaler.task import Answer
from rayscaler.trajectory import FilterStage, Verdict, VerdictReason

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


_NOTHING = object()


class _Read(NamedTuple):
    """A successful call: the place of its tool message, its tool and its answer as JSON text."""

    place: int
    tool: str
    answer: Raw


def untold(played: Played, wanted: Wanted) -> Verdict | None:
    """The first answer that the user was not told, or None if it was told them all."""
    if not wanted.answers:
        return None
    places = [i for i, message in enumerate(played.messages) if message.role == "tool"]
    read = [_Read(place, step.call.name, step.response)
            for place, step in zip(places, played.steps, strict=True) if not step.error]
    spoken = [(i, m.content) for i, m in enumerate(played.messages) if m.role == "assistant" and not m.tool_calls]
    for answer in wanted.answers:
        given = _given(read, wanted.gold[answer.call].tool, answer)
        if given is None:
            return _drop(f"no call gave {_shown(answer)}")
        if not any(says(content, answer) for place, content in spoken if place > given):
            return _drop(f"not said after message {given}, which gave it: {_shown(answer)}")
    return None


def says(content: str, answer: Answer | WantedAnswer) -> bool:
    """Whether the words `content` hold the text of `answer`, or its bare value."""
    forms, folded = _forms(answer), content.casefold()
    if any(_stands_alone(form.casefold(), folded) for form in forms):  # most do, and respelling costs ten times as much
        return True
    spelt = _spelt(content)
    return any(_holds(spelt, content, form) for form in forms)


def _forms(answer: Answer | WantedAnswer) -> list[str]:
    bare = str(answer.value)
    # Codes of two letters (languages: `it`, `is`, `no`) are words of any sentence.
    return [answer.text] if len(bare) < 3 and bare.isalpha() else [answer.text, bare]


def _stands_alone(form: str, content: str) -> bool:
    """Whether `form` stands in `content` as it is, not as a part of a longer word or number."""
    start = content.find(form) if form.strip() else -1
    while start >= 0:
        before, after = content[:start][-1:], content[start + len(form):][:2]
        joined = before.isalnum() or before in tuple("_.,:-") or after[:1].isalnum() or after[:1] == "_"
        if not joined and not (after[:1] in tuple(".,:") and after[1:].isdigit()):
            return True
        start = content.find(form, start + 1)
    return False


def _holds(spelt: str, content: str, form: str) -> bool:
    wanted = _spelt(form)
    if not wanted.strip():  # signs only
        return form.strip() in content
    return wanted in spelt


def _spelt(text: str) -> str:
    """`text` as its words and numbers in one spelling, a space around each."""
    text = text.casefold().replace("\N{MINUS SIGN}", "-")
    for pattern, plain in _SPELLINGS:
        text = pattern.sub(plain, text)
    words = " ".join(_number(m["number"]) if m["number"] else m[0] for m in _TOKEN.finditer(text))
    return f" {words} "


def _number(text: str) -> str:
    """`1,234.50` -> `1234.5`"""
    return f"{Decimal(text.replace(',', '')).normalize():f}"


def _given(read: list[_Read], tool: str, answer: WantedAnswer) -> int | None:
    """The tool message that gave the answer: of gold's tool at gold's path, else any that holds the value."""
    as_gold = (r.place for r in read if r.tool == tool and _equal(_at(value_of(r.answer), answer.path), answer.value))
    otherwise = (r.place for r in read if any(_equal(found, answer.value) for found in _leaves(value_of(r.answer))))
    found = next(as_gold, None)
    return next(otherwise, None) if found is None else found


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    """The value at `path`, or a value that equals none where there is none."""
    for key in path:
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return value


def _leaves(value: Any) -> Iterator[Any]:
    """The values inside a JSON value that hold no others."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def _equal(found: Any, wanted: Any) -> bool:
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)


def _shown(answer: WantedAnswer) -> str:
    return f"{answer.text[:200]!r} ({'.'.join(map(str, answer.path))} of gold call {answer.call})"


def _drop(detail: str) -> Verdict:
    return Verdict(kept=False, stage=FilterStage.ANSWER, reason=VerdictReason.ANSWER_MISSING, detail=detail)
