"""Wrong values: near a right one, for a call that nobody asked for, and for a report."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Sequence
from typing import Any

from numpy.random import Generator

from rayscaler.environment import CompiledTool, EnvironmentSpec, Part
from rayscaler.task import Answer, GoldCall
from rayscaler.toolspec import words

Known = dict[str, list[Any]]
"""Values that have been seen, by `entity.column` and by bare column or parameter name, oldest first."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MADE_UP = {"date": "2026-05-01", "date-time": "2026-05-01T10:00:00Z", "email": "someone@example.com",
            "uri": "https://example.com/page"}


def wrong_values(value: Any, schema: dict[str, Any], rng: Generator) -> Iterator[Any]:
    """Wrong values that an inattentive agent might send for `value`, the likeliest first."""
    others = [other for other in schema.get("enum", ()) if other != value]
    if others:
        yield others[int(rng.integers(len(others)))]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
        yield value - 1
    elif isinstance(value, str):
        yield from _wrong_text(value, rng)
    elif isinstance(value, list) and len(value) > 1:
        yield value[:-1]


def other_texts(answer: Answer, tool: CompiledTool, spec: EnvironmentSpec, rng: Generator) -> Iterator[str]:
    """What an agent may say in place of `answer.text`, none of which holds it.

    Another value of the column's enumeration; else the first number in the text, one off; else two letters swapped.
    """
    columns = [c for c in spec.entity(tool.entity).columns if answer.path and c.name == answer.path[-1]]
    choices = [value for c in columns for value in c.enum if value != answer.value]
    near = re.sub(r"\d+", _one_off, answer.text, count=1)
    texts = [" ".join(words(choices[i])) for i in rng.permutation(len(choices))]
    texts += [near] if near != answer.text else list(_wrong_text(answer.text, rng))[:1]
    right = (answer.text.lower(), str(answer.value).lower())
    yield from (text for text in texts if text and not any(value in text.lower() for value in right))


def known_values(spec: EnvironmentSpec, calls: Sequence[GoldCall]) -> Known:
    """What the agent has seen after the gold `calls`: their arguments and the scalars in their answers."""
    known: Known = {}
    for call in calls:
        tool = spec.tool(call.tool)
        for name, value in call.arguments.items():
            binding = tool.binding(name)
            if binding is not None and binding.entity and binding.column:
                _learn(known, f"{binding.entity}.{binding.column}", value)
            _learn(known, name, value)
        _learn_answer(known, call.value)
    return known


def arguments_for(tool: CompiledTool, known: Known, rng: Generator) -> dict[str, Any] | None:
    """Arguments for a call of `tool` from what is known, or None if a required one cannot be given.

    Required arguments are known values or, for values that are written, made up; one optional value is written too.
    """
    properties = tool.parameters.get("properties", {})
    arguments: dict[str, Any] = {}
    for name in tool.parameters.get("required", ()):
        value = _known_or_made_up(tool, name, properties.get(name, {}), known)
        if value is None:
            return None
        arguments[name] = value
    optional = [b.parameter for b in tool.bindings if b.part is Part.VALUE and b.parameter not in arguments]
    if tool.operator.writes and optional:
        name = optional[int(rng.integers(len(optional)))]
        value = _made_up(properties.get(name, {}))
        if value is not None:
            arguments[name] = value
    return arguments


def _one_off(number: re.Match[str]) -> str:
    """The number before, so that a day of the month stays one; after 1 and 0 the number after."""
    value = int(number[0])
    near = str(value - 1 if value > 1 else value + 1)
    return near.zfill(len(number[0])) if number[0].startswith("0") else near


def _wrong_text(value: str, rng: Generator) -> Iterator[str]:
    if _DATE.match(value):
        yield _next_day(value[:10]) + value[10:]
        return
    swaps = [i for i in range(len(value) - 1) if value[i] != value[i + 1] and value[i:i + 2].isalnum()]
    if swaps:
        i = swaps[int(rng.integers(len(swaps)))]
        yield value[:i] + value[i + 1] + value[i] + value[i + 2:]
    yield f"{value}x"


def _next_day(text: str) -> str:
    """The day after `text`; a fixed day where it is no date of the calendar."""
    try:
        return (datetime.date.fromisoformat(text) + datetime.timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return _MADE_UP["date"]


def _known_or_made_up(tool: CompiledTool, name: str, schema: dict[str, Any], known: Known) -> Any:
    binding = tool.binding(name)
    if binding is None:
        return known[name][-1] if name in known else None
    for key in (f"{binding.entity}.{binding.column}", binding.column or "", name):
        if key in known and binding.part not in (Part.VALUE, Part.AMOUNT):
            return known[key][-1]
    return _made_up(schema) if binding.part in (Part.VALUE, Part.AMOUNT, Part.IGNORED) else None


def _made_up(schema: dict[str, Any]) -> Any:
    """A plausible value of a scalar schema; None for objects, lists and the untyped."""
    if schema.get("enum"):
        return schema["enum"][-1]
    match schema.get("type"):
        case "string":
            return _MADE_UP.get(schema.get("format", ""), "note")
        case "integer":
            return int(max(schema.get("minimum", 1), 1))
        case "number":
            return float(max(schema.get("minimum", 1), 1))
        case "boolean":
            return True
    return None


def _learn(known: Known, key: str, value: Any) -> None:
    if isinstance(value, (str, int, float)):
        known.setdefault(key, []).append(value)


def _learn_answer(known: Known, value: Any) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _learn(known, key, item)
            _learn_answer(known, item)
    elif isinstance(value, list):
        for item in value[:20]:
            _learn_answer(known, item)
