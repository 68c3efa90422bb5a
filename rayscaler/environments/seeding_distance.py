"""How far two seeded states are from each other: how much of one would be found in the other by who has learned it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rayscaler.canonical import dumps
from rayscaler.environment import Column, Entity, Semantic

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


class Distance(NamedTuple):
    """Distances in [0, 1] between two states of one schema; 0 is the same, 1 is nothing in common.

    rows: share of rows that have no equal row in the other state, keys and references left aside.
    free: mean over the columns that may hold anything (text, numbers, dates) of the share of values that do not occur
    in the same column of the other state, each value counted as often as it occurs.
    closed: the same over columns with few possible values (enumerations, statuses, booleans), which should overlap.
    keys: the same over primary keys: an id that is learned in one state names nothing in the other.
    """

    rows: float
    free: float
    closed: float
    keys: float


def state_distance(one: Rows, other: Rows, entities: Sequence[Entity]) -> Distance:
    """The distance between two states of `entities`; a state without rows is at distance 0 from another."""
    whole: list[float] = []
    kinds: dict[str, list[float]] = {"free": [], "closed": [], "keys": []}
    for entity in entities:
        a, b = one[entity.name], other[entity.name]
        told = [c.name for c in entity.columns if c.name != entity.key and not c.references]
        whole.append(_apart(*([dumps({n: row[n] for n in told}) for row in rows] for rows in (a, b))))
        for column in entity.columns:
            if not column.references:
                kinds[_kind(entity, column)].append(
                    _apart([dumps(row[column.name]) for row in a], [dumps(row[column.name]) for row in b]))
    return Distance(_mean(whole), *(_mean(kinds[kind]) for kind in ("free", "closed", "keys")))


def _kind(entity: Entity, column: Column) -> str:
    if column.name == entity.key:
        return "keys"
    return "closed" if column.enum or column.semantic in (Semantic.STATUS, Semantic.BOOLEAN) else "free"


def _apart(one: Sequence[str], other: Sequence[str]) -> float:
    """1 - |intersection| / |larger| of two multisets."""
    common = sum((Counter(one) & Counter(other)).values())
    return 1 - common / max(len(one), len(other)) if one or other else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
