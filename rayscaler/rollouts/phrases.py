"""Templates and small grammar: what the scripted sides say, drawn from `phrases.yaml` and `operators.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from numpy.random import Generator

from rayscaler.environment import CompiledTool, EnvironmentSpec, Part
from rayscaler.toolspec import words

MAX_COLUMNS = 4
"""Written values that are named one by one; more are `DETAILS`."""

DETAILS = "the details"


class Voice:
    """How one side talks in one conversation: it does not say the same line again while it has another."""

    def __init__(self, side: str, rng: Generator) -> None:
        self._lines: dict[str, list[str]] = _load("phrases.yaml")[side]
        self._left: dict[str, list[str]] = {}
        self._rng = rng

    def say(self, kind: str, **values: str) -> str:
        """One line of `phrases.yaml` for this side, its {names} filled in."""
        left = self._left.setdefault(kind, [])
        if not left:
            left.extend(self._lines[kind])
        return left.pop(int(self._rng.integers(len(left)))).format(**values)


def hears(signal: str, text: str) -> bool:
    """Whether `text` contains one of the phrases that the scripted user listens for."""
    lowered = text.lower()
    return any(phrase in lowered for phrase in _load("phrases.yaml")["signals"][signal])


def label(name: str) -> str:
    """The name of a fact or a column in words: `start_date`, `startDate`, `start_date_2` -> `start date`."""
    spoken = words(name)
    while len(spoken) > 1 and spoken[-1].isdigit():
        spoken.pop()
    return " ".join(spoken) or name


def said_label(name: str) -> str:
    """`label`, in the words of a person where the API's are odd: `createdAt` -> `creation date`."""
    found = label(name)
    return str(_load("operators.yaml")["labels"].get(found, found))


def noun(spec: EnvironmentSpec, tool: CompiledTool) -> str:
    """What a row of the tool's entity is called: `order item`; where the API's word is odd, a plain one."""
    found = label(spec.entity(tool.entity).singular)
    return str(_load("operators.yaml")["nouns"].get(found, found))


def mentioned(labels: Sequence[str], text: str) -> list[str]:
    """The `labels` that stand in `text` as whole words, in their order and without repeats.

    Longer ones are looked for first and taken out, so «cancel reason» does not also ask for «reason».
    """
    rest, found = text.lower(), set()
    for each in sorted(set(labels), key=lambda one: (-len(one), one)):
        rest, hits = re.subn(rf"\b{re.escape(each)}\b", " | ", rest)
        if hits:
            found.add(each)
    return [each for each in dict.fromkeys(labels) if each in found]


def enumerate_words(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def capital(text: str) -> str:
    """`text` with a capital first letter, the rest as it is."""
    return text[:1].upper() + text[1:]


def action(
    spec: EnvironmentSpec, tool: CompiledTool, parameters: Iterable[str], name: str = "", value: str = ""
) -> str:
    """What a call of `tool` with these parameters does, after "I will": `cancel the order`.

    name: what the row is called. value: what its only changed column is changed to.
    """
    verb, thing = _verb(spec, tool), _thing(spec, tool, name)
    if verb:
        return f"{verb} the {thing}"
    grammar = _load("operators.yaml")
    line = str(grammar["act"].get(tool.operator.value, grammar["read"]))
    return line.format(thing=thing, columns=_columns(tool, parameters), to=f" to {value}" if value else "")


def deed(
    spec: EnvironmentSpec, tool: CompiledTool, parameters: Iterable[str], name: str = "", value: str = ""
) -> str:
    """What a call of `tool` with these parameters has done, as a clause: `the order has been cancelled`."""
    verb, thing = _verb(spec, tool), _thing(spec, tool, name)
    grammar = _load("operators.yaml")
    if verb:
        return f"the {thing} has been {grammar['participles'][verb]}"
    columns = _columns(tool, parameters)
    have = "have" if " and " in columns or columns == DETAILS else "has"
    line = str(grammar["deed"].get(tool.operator.value, grammar["deed"]["update"]))
    return line.format(thing=thing, columns=columns, have=have, to=f" to {value}" if value else "")


def is_plural(noun: str) -> bool:
    """Whether a column's name names several things: `tags`, not `status` or `address`."""
    return noun.endswith("s") and not noun.endswith(("ss", "us", "is"))


def _columns(tool: CompiledTool, parameters: Iterable[str]) -> str:
    """The values that a call with these parameters writes: `the street and the city`."""
    bindings = [tool.binding(parameter) for parameter in parameters]
    labels = [f"the {label(b.column or b.parameter)}" for b in bindings if b is not None and b.part is Part.VALUE]
    return enumerate_words(labels) if 0 < len(labels) <= MAX_COLUMNS else DETAILS


def _thing(spec: EnvironmentSpec, tool: CompiledTool, name: str) -> str:
    return f"{noun(spec, tool)} {name}".strip()


def _verb(spec: EnvironmentSpec, tool: CompiledTool) -> str:
    """The one verb in the tool's name that says more than its operator, or empty."""
    grammar = _load("operators.yaml")
    entity = spec.entity(tool.entity)
    known = {*words(entity.name), *words(entity.singular), *grammar["plain_verbs"]}
    verbs = [word for word in words(tool.name) if word in grammar["participles"] and word not in known]
    return verbs[0] if len(verbs) == 1 and tool.operator.writes else ""


@cache
def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(files("rayscaler.rollouts").joinpath(name).read_text("utf-8"))
    return loaded
