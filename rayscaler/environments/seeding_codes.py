"""Codes as they look in the wild, by the words of a column's name: ARNs, UUIDs, hashes, addresses of machines, ids.

Patterns are data (`seeding.yaml`): `#` a digit, `~` a hexadecimal digit, `^` a capital letter, `*` a letter or digit.
"""

from __future__ import annotations

from collections.abc import Callable

from numpy.random import Generator

from rayscaler.environment import Column
from rayscaler.environments.ids import ACCOUNT, REGION, arn_of, is_arn
from rayscaler.environments.seeding_words import ARNS, CODES
from rayscaler.toolspec import words

_ALPHABETS = {"#": "0123456789", "~": "0123456789abcdef", "^": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
              "*": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"}
_OF_ROW = ("id", "ids", "identifier", "key", "reference", "ref", "number", "no", "code")


def code(column: Column, noun: str, draw: Generator, name: Callable[[], str]) -> str:
    """A code for `column` of a row called `noun`. `name` gives what a thing that an ARN is of could be called."""
    named = last_words(column.name)
    if is_arn(column):
        return _arn(named[:-1] if named[-1:] == ["arn"] else named, noun, name())
    patterns = patterns_of(named)
    if patterns:
        return drawn(patterns[int(draw.integers(len(patterns)))], draw)
    if "uuid" in column.description.lower():
        return drawn(CODES["uuid"][0], draw)
    owner = named[:-1] if named[-1:] and named[-1] in _OF_ROW else named
    return drawn(f"{_short(owner or words(noun))}-####", draw)


def last_words(path: str) -> list[str]:
    """The words of a column's name; of a path into a JSON value those of its last part, of two if that is one word."""
    parts = path.split(".")
    found = words(parts[-1])
    return found if len(found) > 1 or len(parts) == 1 else [*words(parts[-2]), *found]


def patterns_of(named: list[str]) -> list[str]:
    """The patterns listed for the last words of a column's name, the most words first; empty if none are."""
    return next((CODES[said] for n in (3, 2, 1) if (said := " ".join(named[-n:])) in CODES), [])


def drawn(pattern: str, draw: Generator) -> str:
    """`pattern` with every mark replaced by a letter or digit of its kind; a digit that comes first is not 0."""
    made = []
    for i, mark in enumerate(pattern):
        letters = _ALPHABETS.get(mark, mark)
        leads = i == 0 or not (pattern[i - 1].isalnum() or pattern[i - 1] in _ALPHABETS)
        first = int(mark == "#" and leads)
        made.append(letters if len(letters) == 1 else letters[int(draw.integers(first, len(letters)))])
    return "".join(made)


def _arn(owner: list[str], noun: str, name: str) -> str:
    """The ARN of what the words before `arn` name: of an IAM role, a key, a queue, or of the row itself."""
    for word in reversed(owner):
        if word in ARNS:
            service, kind, regional = ARNS[word]
            place = f"{REGION}:{ACCOUNT}" if regional else f":{ACCOUNT}"
            return f"arn:aws:{service}:{place}:{kind}{name}"
    return arn_of(" ".join(owner) or noun, name)


def _short(owner: list[str]) -> str:
    """cus for customer, as for attachment set: like the keys of a table with that name."""
    plain = [w for w in owner if w.isascii() and w.isalnum()] or ["id"]
    return "".join(w[0] for w in plain) if len(plain) > 1 else plain[0][:3]
