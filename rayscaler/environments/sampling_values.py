"""Made-up values that fit a JSON Schema and a column."""

from __future__ import annotations

import base64
from typing import Any

from numpy.random import Generator

from rayscaler.environment import Column, Semantic

_WORDS = (
    "amber",
    "birch",
    "cedar",
    "delta",
    "ember",
    "fjord",
    "grove",
    "haven",
    "indigo",
    "jasper",
    "karst",
    "lumen",
    "maple",
    "north",
    "onyx",
    "prairie",
    "quartz",
    "ridge",
    "sable",
    "timber",
    "umber",
    "vista",
    "willow",
    "zephyr",
)


def sample_value(name: str, schema: dict[str, Any], column: Column | None, unlike: Any, rng: Generator) -> Any:
    """A made-up value that fits the parameter's schema and its column, other than `unlike` where there is a choice."""
    values = [v for v in schema.get("enum", ()) if v != unlike] or list(schema.get("enum", ()))
    if column is not None and column.enum and schema.get("type") in ("string", None):
        allowed = [v for v in values or column.enum if v in column.enum and v != unlike]
        values = allowed or values
    if values:
        return values[int(rng.integers(len(values)))]
    kind = schema.get("type") or _kind_of(column)
    if column is not None and column.enum and kind == "integer" and column.type == "INTEGER":
        numbers = [int(v) for v in column.enum if int(v) != unlike] or [int(v) for v in column.enum]
        return numbers[int(rng.integers(len(numbers)))]
    if kind == "boolean":
        return not unlike if isinstance(unlike, bool) else bool(rng.integers(2))
    if kind in ("integer", "number"):
        return _number(schema, column, kind, unlike, rng)
    if kind == "array":
        items = schema.get("items") or {"type": "string"}
        return [sample_value(name, items, None, None, rng)]
    if kind == "object":
        return sample_object(name, schema, rng)
    return _text(schema, column, rng)


def _kind_of(column: Column | None) -> str:
    if column is None:
        return "string"
    if column.semantic is Semantic.BOOLEAN:
        return "boolean"
    if column.semantic is Semantic.JSON:
        return str((column.json_schema or {}).get("type", "object"))
    return {"INTEGER": "integer", "REAL": "number"}.get(column.type, "string")


def sample_object(name: str, schema: dict[str, Any], rng: Generator) -> dict[str, Any]:
    """An object that fits the schema; one member with any name where it lists none."""
    properties = schema.get("properties") or {}
    if not properties:
        return {
            _word(rng): sample_value(name, schema.get("additionalProperties") or {"type": "string"}, None, None, rng)
        }
    needed = schema.get("required") or list(properties)[:2]
    return {n: sample_value(n, properties[n], None, None, rng) for n in needed if n in properties}


def _number(schema: dict[str, Any], column: Column | None, kind: str, unlike: Any, rng: Generator) -> Any:
    lows = [b for b in (schema.get("minimum"), column.minimum if column else None) if b is not None]
    highs = [b for b in (schema.get("maximum"), column.maximum if column else None) if b is not None]
    low = max(lows, default=1 if not highs else min(1, *highs))
    high = min(highs, default=low + 500)
    value = low + (high - low) * float(rng.random()) * min(1.0, 500 / max(high - low, 1))
    if kind == "integer":
        whole = int(value) if int(value) >= low else int(low)
        return whole if whole != unlike else whole + 1 if whole + 1 <= high else whole - 1
    return round(value, 2) if low <= round(value, 2) <= high else value


def _word(rng: Generator) -> str:
    return _WORDS[int(rng.integers(len(_WORDS)))]


def _text(schema: dict[str, Any], column: Column | None, rng: Generator) -> str:
    semantic = column.semantic if column is not None else None
    day, number = int(rng.integers(1, 28)), int(rng.integers(100, 1000))
    one, two = _word(rng), _word(rng)
    made = {
        Semantic.DATE: f"2026-03-{day:02d}",
        Semantic.DATETIME: f"2026-03-{day:02d}T10:00:00Z",
        Semantic.TIME: f"{day % 24:02d}:30:00",
        Semantic.EMAIL: f"{one}.{two}{number}@example.com",
        Semantic.URL: f"https://{one}.example.com/{number}",
        Semantic.PHONE: f"+1555{number}{number % 10000:04d}",
        Semantic.CODE: f"{one.upper()}-{number}",
        Semantic.TITLE: f"{one.capitalize()} {two} {number}",
        Semantic.TEXT: f"{one.capitalize()} {two} {number}.",
        Semantic.PERSON: f"{one.capitalize()} {two.capitalize()}",
        Semantic.TIMEZONE: "Europe/Paris",
        Semantic.LANGUAGE: "fr",
        Semantic.COUNTRY: "France",
        Semantic.CURRENCY: "EUR",
        Semantic.MILLISECONDS: f"{1772000000 + day}000",
        Semantic.QUANTITY: str(number),
        Semantic.COLOR: f"#{number:06d}",
        Semantic.BASE64: base64.b64encode(f"{one} {two}".encode()).decode(),
    }.get(semantic or Semantic.WORD)
    if made is None:
        made = {"date": f"2026-03-{day:02d}", "date-time": f"2026-03-{day:02d}T10:00:00Z"}.get(
            str(schema.get("format")), f"{one}-{number}"
        )
    longest = int(schema.get("maxLength", 200))
    return made[:longest]
