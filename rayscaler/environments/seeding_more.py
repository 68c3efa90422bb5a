"""Values of the kinds of columns that need no words: moments in milliseconds, colours, bytes, whole numbers in text."""

from __future__ import annotations

import base64
import math
from datetime import UTC

from numpy.random import Generator

from rayscaler.environment import Column, Semantic
from rayscaler.environments.seeding_times import Life, role_of

_COLORS = ("#0b8043", "#3f51b5", "#7986cb", "#d50000", "#e67c73", "#f4511e", "#f6bf26", "#33b679", "#039be5", "#616161")
_BYTES = (200, 90_000)


def more_value(column: Column, life: Life, draw: Generator) -> str | int | float | None:
    """A value for `column`, or None where the other seeding decides."""
    if column.semantic is Semantic.MILLISECONDS:
        moment = life.at(role_of(column)).astimezone(UTC).replace(microsecond=0)
        return _within(int(moment.timestamp()) * 1000, column)
    if column.semantic is Semantic.COLOR and column.type == "TEXT":
        return _COLORS[int(draw.integers(len(_COLORS)))]
    if column.semantic is Semantic.BASE64 and column.type == "TEXT":
        return base64.b64encode(bytes(int(b) for b in draw.integers(256, size=18))).decode()
    if column.semantic is Semantic.QUANTITY and column.type == "TEXT":
        low, high = _BYTES if {"size", "bytes"} & set(column.name.lower().replace("_", " ").split()) else (1, 50)
        return str(int(draw.integers(low, high)))
    return None


def _within(value: int, column: Column) -> str | int | float:
    """The nearest value that the column's bounds allow, in the column's type."""
    if column.type == "TEXT":
        return str(value)
    low = -math.inf if column.minimum is None else math.ceil(column.minimum)
    high = math.inf if column.maximum is None else math.floor(column.maximum)
    near = int(max(low, min(high, value)))
    return near if column.type == "INTEGER" else float(near)
