"""One question's way to an answer: asked, read, checked, told what is wrong, asked again, given up. No I/O.

    asking = Asking(question, attempts=3)
    while not asking.over:
        asking.hear(reply_to(asking.messages))
    asking.answer      # or None: what the rules made stands
"""

from __future__ import annotations

import json
from typing import Any, Generic

from pydantic import ValidationError

from rayscaler.messages import Message
from rayscaler.refinement.problems import Kind, Problem
from rayscaler.refinement.step import A, Question, prompt

MAX_CHARACTERS = 100_000
"""Longest reply that is read. The longest sound answers, code of a tool, have 4,000 characters."""

MAX_DEPTH = 16
"""Deepest nesting of a reply. Sound answers have 4 levels."""

MAX_TOLD = 8
"""Problems that a model is told of at once, each of at most MAX_PROBLEM characters."""

MAX_PROBLEM = 300

MAX_ECHO = 8_000
"""Characters of its own last reply that a model is shown again."""


class Asking(Generic[A]):
    """The state of one question. `problems` are those of each reply so far, `answer` is the one that was taken."""

    def __init__(self, question: Question[A], *, attempts: int) -> None:
        self.question, self.attempts = question, attempts
        self.messages = self._first = question.messages()
        self.problems: list[list[Problem]] = []
        self.answer: A | None = None
        self.last = ""

    @property
    def over(self) -> bool:
        """Whether an answer was taken, or nothing more is asked."""
        return self.answer is not None or len(self.problems) >= self.attempts

    def hear(self, text: str, malformed: str = "") -> None:
        """Take a reply. `malformed` says why it is no whole text, where it is none. Runs the question's check."""
        self.last = text
        answer, problems = (None, [Problem(Kind.UNREADABLE, malformed)]) if malformed else self._read(text)
        if answer is not None:
            problems = self.question.check(answer)
        self.problems.append(problems)
        if not problems:
            self.answer = answer
            return
        listed = "\n".join(f"- {p.text if len(p.text) <= MAX_PROBLEM else p.text[:MAX_PROBLEM] + ' …'}"
                           for p in problems[:MAX_TOLD])
        self.messages = [
            *self._first,
            Message(role="assistant", content=text[:MAX_ECHO]),
            Message(role="user", content=prompt("common")["again"].strip().format(problems=listed)),
        ]

    def _read(self, text: str) -> tuple[A | None, list[Problem]]:
        try:
            return self.question.step.answer.model_validate(read_json(text), strict=True), []
        except ValueError as error:
            if isinstance(error, ValidationError):
                return None, [Problem(Kind.OFF_SCHEMA, _place(item)) for item in error.errors()]
            return None, [Problem(Kind.UNREADABLE, str(error))]


def read_json(text: str) -> Any:
    """The JSON value that `text` is, alone or in a Markdown fence. ValueError says what is wrong."""
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"the reply has {len(text)} characters, at most {MAX_CHARACTERS} are read")
    inner = text.strip()
    if inner.startswith("```") and inner.endswith("```") and "\n" in inner:
        inner = inner[inner.index("\n") : -3].strip()
    try:
        value = json.loads(inner, parse_constant=_no_number, object_pairs_hook=_without_repeats)
    except RecursionError:
        raise ValueError(f"the reply is nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"the reply is no JSON: {error.msg} at character {error.pos}") from None
    if _depth(value) > MAX_DEPTH:
        raise ValueError(f"the reply is nested deeper than {MAX_DEPTH} levels")
    return value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same key more than once")
    return found


def _depth(value: Any) -> int:
    """Levels of nesting; counted without recursion, up to one more than may be."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [item for one in level if isinstance(one, (dict, list))
                 for item in (one.values() if isinstance(one, dict) else one)]
    return depth


def _place(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the answer"
    return f"{where}: {error['msg']}"
