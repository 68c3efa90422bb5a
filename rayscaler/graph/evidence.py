"""What recorded runs prove about links: a value that an earlier call returned is an argument of a later one.

    find_user_id_by_email(…) -> "yusuf_rossi_9620";  get_user_details(user_id="yusuf_rossi_9620")
    proves  (find_user_id_by_email, get_user_details, user_id)

What is not covered: a value that was in the answer by chance (a state, a cabin class) counts as passed on, and a link
that no run happened to use is not proved to be wrong; so precision against this evidence is a lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rayscaler.toolspec import JsonSchema

SHORTEST = 3
"""Characters of a value below which being equal proves nothing: 1, «no», «CA»."""


class Call(NamedTuple):
    """One call of a run: the tool's name, its arguments, and what it answered as a JSON value; None if it failed."""

    tool: str
    arguments: dict[str, Any]
    answer: Any


class Proved(NamedTuple):
    """A value went from a call of `src` to a later call of `dst`, into the top-level argument `parameter`."""

    src: str
    dst: str
    parameter: str


def passed_on(runs: Iterable[Sequence[Call]]) -> set[Proved]:
    """The links that runs use. No tool feeds itself; booleans and values below SHORTEST characters prove nothing."""
    found: set[Proved] = set()
    for run in runs:
        known: dict[str, set[str]] = {}
        for call in run:
            for name, argument in call.arguments.items():
                sources = {src for value in _scalars(argument) for src in known.get(value, ())}
                found |= {Proved(src, call.tool, name) for src in sources - {call.tool}}
            _remember(known, call)
    return found


def looked_up(runs: Iterable[Sequence[Call]]) -> set[Proved]:
    """Of the links that runs use, those that had to be: the value was in no argument before it was returned.

    The source is the first call that returned it; later ones only repeat it.
    """
    found: set[Proved] = set()
    for run in runs:
        source: dict[str, str] = {}   # the tool that returned a value first, or empty if the user knew it
        for call in run:
            for name, argument in call.arguments.items():
                sources = {source.setdefault(value, "") for value in _scalars(argument)}
                found |= {Proved(src, call.tool, name) for src in sources - {"", call.tool}}
            for value in _scalars(call.answer):
                source.setdefault(value, call.tool)
    return found


def observable(runs: Iterable[Sequence[Call]]) -> set[Proved]:
    """What runs could have proved: a call of `dst` after one of `src`, with an argument that can prove something.

    On other links they say nothing: a ticket's id of 1 is not proved to be passed on, nor not to be.
    """
    links: set[Proved] = set()
    for run in runs:
        before: set[str] = set()
        for call in run:
            telling = [name for name, argument in call.arguments.items() if any(True for _ in _scalars(argument))]
            links |= {Proved(src, call.tool, name) for src in before if src != call.tool for name in telling}
            if call.answer is not None:
                before.add(call.tool)
    return links


def observed_schema(value: Any) -> JsonSchema:
    """A schema that a JSON value has. An object keyed by ids is a list of its values."""
    if isinstance(value, dict):
        if value and any(sum(c.isdigit() for c in key) > 3 for key in value):
            return {"type": "array", "items": observed_schema(next(iter(value.values())))}
        return {"type": "object", "properties": {key: observed_schema(inner) for key, inner in value.items()}}
    if isinstance(value, list):
        return {"type": "array", "items": observed_schema(value[0]) if value else {}}
    if isinstance(value, bool):
        return {"type": "boolean"}
    return {"type": "string" if isinstance(value, str) else "number"}


def _remember(known: dict[str, set[str]], call: Call) -> None:
    for value in _scalars(call.answer):
        known.setdefault(value, set()).add(call.tool)


def _scalars(value: Any) -> Iterator[str]:
    """All strings and numbers in a JSON value, keys that look like ids included."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if any(c.isdigit() for c in key):
                yield from _scalars(key)
            yield from _scalars(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _scalars(inner)
    elif value is not None and not isinstance(value, bool) and len(str(value)) >= SHORTEST:
        yield str(value)
