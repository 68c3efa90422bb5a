"""What can be wrong with an answer, and the checks of texts that several steps share.

A text of a model goes into tool descriptions, prompts and training data. It must be plain: one line, printable, of
bounded length, without markup, and without words that speak to a model instead of a person (`words.yaml`).
What is not covered: harm that is worded as ordinary English.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml


class Kind(StrEnum):
    """Why an answer is not taken."""

    UNREADABLE = "unreadable"
    """No JSON, cut off, too long or too deep."""
    OFF_SCHEMA = "off_schema"
    """JSON that is not of the step's schema."""
    LOSES = "loses"
    """Leaves out what had to be in it."""
    INVENTS = "invents"
    """Holds what nothing in the question says."""
    UNFIT = "unfit"
    """Of the right shape, and not usable: a text that is not plain, a value that its schema does not allow."""
    CODE_REFUSED = "code_refused"
    """Code outside the tool language, or that does not do what the tool is for."""
    CERTIFICATE = "certificate"
    """The environment does not pass its certificate with it."""
    COHERENCE = "coherence"
    """It passes, and what one tool writes is seen by fewer others than before."""
    LIMITS = "limits"
    """The process that tried it was ended: too long, too much memory, something forbidden."""
    UNDECIDED = "undecided"
    """The process that tried it stood still, more than once: a machine without a processor to spare, or a wait."""
    NO_ANSWER = "no_answer"
    """The server refused, or did not answer in time, as often as it was asked."""
    NOT_ASKED = "not_asked"
    """The server had failed so often in a row that it was asked no more."""


class Problem(NamedTuple):
    """One thing that is wrong with an answer, in words that the model can act on."""

    kind: Kind
    text: str


_MARKUP = re.compile(r"</?[a-zA-Z][^>]*>|```|\[[^\]]*\]\([^)]*\)|https?://|###")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_IDENTIFIER = re.compile(r"\b[A-Za-z]\w*_\w+\b|\b[a-z]+(?:[A-Z][a-z0-9]*)+\b")


def text_problems(what: str, text: str, *, longest: int, source: str = "") -> list[Problem]:
    """What keeps `text` from being plain. What `source`, the text that it goes back to, has as well is no problem."""
    if not text.strip():
        return [Problem(Kind.UNFIT, f"{what} is empty")]
    found = []
    if len(text) > longest:
        found.append(f"has {len(text)} characters, at most {longest} are taken")
    if not all(c.isprintable() for c in text):
        found.append("has a line break or a character that cannot be printed")
    found += [f"has markup or an address: {m!r:.60}" for m in _MARKUP.findall(text)[:1] if m not in source]
    return [*(Problem(Kind.UNFIT, f"{what} {why}") for why in found), *speaks_to_models(what, text, source)]


def speaks_to_models(what: str, text: str, source: str = "") -> list[Problem]:
    """Words of `text` that are for a model instead of a person or a machine, and not in `source`."""
    said, known = text.casefold(), source.casefold()
    return [Problem(Kind.UNFIT, f"{what} speaks to a model: {words!r}") for words in _to_models()
            if words in said and words not in known]


def invented(what: str, text: str, source: str) -> list[Problem]:
    """Numbers and identifiers of `text` that `source` has not."""
    named = {word.casefold() for word in re.findall(r"\w+", source)}
    numbers = [n for n in dict.fromkeys(_NUMBER.findall(text)) if n not in source]
    names = [n for n in dict.fromkeys(_IDENTIFIER.findall(text)) if n.casefold() not in named]
    return [Problem(Kind.INVENTS, f"{what} names {found!r:.60}, which nothing says") for found in (*numbers, *names)]


def same_names(what: str, found: Sequence[Any], wanted: Iterable[Any]) -> list[Problem]:
    """What of `wanted` is not in `found`, what of it is there twice, and what should not be there."""
    expected = list(wanted)
    lost = [Problem(Kind.LOSES, f"{what} {name!r:.60} is left out") for name in expected if name not in found]
    more = [Problem(Kind.INVENTS, f"there is no {what} {name!r:.60}") for name in dict.fromkeys(found)
            if name not in expected]
    twice = [Problem(Kind.UNFIT, f"{what} {name!r:.60} is there more than once") for name in dict.fromkeys(found)
             if name in expected and list(found).count(name) > 1]
    return [*lost, *more, *twice]


@cache
def _to_models() -> tuple[str, ...]:
    text = files(__package__).joinpath("words.yaml").read_text(encoding="utf-8")
    return tuple(yaml.safe_load(text)["to_models"])
