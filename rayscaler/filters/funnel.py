"""The funnel and the confusion table: counts over rows of `verdicts`.

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

from rayscaler.trajectory import FilterStage

Row = Mapping[str, Any]
"""A row of `verdicts`: kept, stage (empty where kept), reason, planted and the ids."""


class FunnelRow(NamedTuple):
    """One filter: trajectories that reached it, that passed it, and why the others did not."""

    stage: str
    n_in: int
    n_out: int
    reasons: dict[str, int]


class ConfusionRow(NamedTuple):
    """How many trajectories with one planted mistake (or none: empty) met one fate: `kept` or `stage/reason`."""

    planted: str
    fate: str
    n: int


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
    """One funnel per value of `column` (`environment_id`, `planted`), by value."""
    groups: dict[str, list[Row]] = {}
    for row in verdicts:
        groups.setdefault(str(row[column]), []).append(row)
    return {value: funnel(groups[value]) for value in sorted(groups)}


def fate(row: Row) -> str:
    """What became of a trajectory, in one word: `kept`, or `stage/reason`."""
    return "kept" if row["kept"] else f"{row['stage']}/{row['reason']}"


def confusion(verdicts: Iterable[Row]) -> list[ConfusionRow]:
    """Planted mistake against fate, by mistake, the most frequent fate first."""
    counts = Counter((row["planted"], fate(row)) for row in verdicts)
    order = sorted(counts, key=lambda pair: (pair[0], -counts[pair], pair[1]))
    return [ConfusionRow(planted, end, counts[planted, end]) for planted, end in order]
