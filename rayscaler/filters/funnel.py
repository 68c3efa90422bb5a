"""The funnel: counts over rows of `verdicts`, in all, per domain, per length and per planted mistake.

    stage        in   out  reasons
    validity    100    91  {"repetition": 9}
    state        91    80  {"missing_change": 8, "extra_change": 3}
    exact_match  80    78  {"extra_call": 2}
    answer       78    77  {"answer_missing": 1}
"""

from __future__ import annotations

from collections import Counter, defaultdict
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


Fates = Counter[tuple[str, str]]
"""How many verdicts came to each (stage, reason); a kept one has no stage."""


def funnel(verdicts: Iterable[Row]) -> list[FunnelRow]:
    """The filters in their order. Nothing is lost: a row's `n_out` is the next row's `n_in`."""
    return _stages(Counter(map(_fate_of, verdicts)))


def funnel_by(verdicts: Iterable[Row], column: str) -> dict[str, list[FunnelRow]]:
    """One funnel per value of `column` (`environment_id`, `n_calls`, `planted`), by value."""
    groups: dict[Any, Fates] = defaultdict(Counter)
    for row in verdicts:
        groups[row[column]][_fate_of(row)] += 1
    return _ordered(groups)


def funnel_rows(verdicts: Iterable[Row], titles: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of `funnel`: over everything, by domain (most trajectories first), by length and by planted mistake.

    titles: environment id -> title. Lengths are tool calls. The verdicts are gone through once and not kept.
    """
    columns = ("environment_id", "n_calls", "planted")
    counted: list[dict[Any, Fates]] = [defaultdict(Counter) for _ in columns]
    whole: Fates = Counter()
    for row in verdicts:
        fate = _fate_of(row)
        whole[fate] += 1
        for column, groups in zip(columns, counted, strict=True):
            groups[row[column]][fate] += 1
    by_id, by_length, by_mistake = map(_ordered, counted)
    order = sorted(by_id, key=lambda key: (-by_id[key][0].n_in, key))
    views = [
        ("all", {"": _stages(whole)}),
        ("domain", {titles[key]: by_id[key] for key in order}),
        ("length", by_length),
        ("planted", by_mistake),
    ]
    return [
        {"by": by, "value": value, **row._asdict(), "reasons": dumps(row.reasons)}
        for by, groups in views for value, found in groups.items() for row in found
    ]


def _fate_of(row: Row) -> tuple[str, str]:
    return ("", "") if row["kept"] else (row["stage"], row["reason"])


def _stages(fates: Fates) -> list[FunnelRow]:
    result, n = [], sum(fates.values())
    for stage in FilterStage:
        dropped = {reason: count for (name, reason), count in sorted(fates.items()) if name == stage}
        result.append(FunnelRow(stage.value, n, n - sum(dropped.values()), dropped))
        n = result[-1].n_out
    return result


def _ordered(groups: dict[Any, Fates]) -> dict[str, list[FunnelRow]]:
    return {str(value): _stages(groups[value]) for value in sorted(groups)}


def fate(row: Row) -> str:
    """What became of a trajectory, in one word: `kept`, or `stage/reason`."""
    return "kept" if row["kept"] else f"{row['stage']}/{row['reason']}"
