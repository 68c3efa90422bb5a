"""The funnel: counts over rows of `verdicts`, in all, per domain, per length and per planted mistake.

    stage        in   out  reasons
    validity    100    91  {"repetition": 9}
    state        91    80  {"missing_change": 8, "extra_change": 3}
    exact_match  80    78  {"extra_call": 2}
    answer       78    77  {"answer_missing": 1}
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from rayscaler.canonical import dumps
from rayscaler.trajectory import FilterStage

Row = Mapping[str, Any]
"""A row of `verdicts`: kept, stage (empty where kept), reason, planted and the ids."""


class FunnelRow(NamedTuple):
    """One filter: trajectories that reached it, that passed it, and why the others did not."""

    stage: str
    n_in: int
    n_out: int
    reasons: dict[str, int]


def funnel(verdicts: Iterable[Row]) -> list[FunnelRow]:
    """The filters in their order. Nothing is lost: a row's `n_out` is the next row's `n_in`."""
    rows = list(verdicts)
    reasons = Counter((row["stage"], row["reason"]) for row in rows if not row["kept"])
    result, n = [], len(rows)
    for stage in FilterStage:
        dropped = {reason: count for (name, reason), count in reasons.most_common() if name == stage}
        result.append(FunnelRow(stage.value, n, n - sum(dropped.values()), dict(sorted(dropped.items()))))
        n = result[-1].n_out
    return result


def funnel_by(verdicts: Iterable[Row], column: str) -> dict[str, list[FunnelRow]]:
    """One funnel per value of `column` (`environment_id`, `n_calls`, `planted`), by value."""
    groups: dict[Any, list[Row]] = {}
    for row in verdicts:
        groups.setdefault(row[column], []).append(row)
    return {str(value): funnel(groups[value]) for value in sorted(groups)}


def funnel_rows(verdicts: Iterable[Row], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of `funnel`: over everything, by domain (most trajectories first), by length and by planted mistake.

    titles: environment id -> title. Lengths are tool calls.
    """
    rows = list(verdicts)
    by_id = funnel_by(rows, "environment_id")
    order = sorted(by_id, key=lambda key: (-by_id[key][0].n_in, key))
    views = [
        ("all", {"": funnel(rows)}),
        ("domain", {titles[key]: by_id[key] for key in order}),
        ("length", funnel_by(rows, "n_calls")),
        ("planted", funnel_by(rows, "planted")),
    ]
    return [
        {"by": by, "value": value, **row._asdict(), "reasons": dumps(row.reasons)}
        for by, groups in views for value, found in groups.items() for row in found
    ]


def fate(row: Row) -> str:
    """What became of a trajectory, in one word: `kept`, or `stage/reason`."""
    return "kept" if row["kept"] else f"{row['stage']}/{row['reason']}"
