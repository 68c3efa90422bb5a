"""The filter funnel in a terminal and as Markdown: in all, per domain, per length, per planted mistake."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rayscaler.display.pipeline import reason_lines
from rayscaler.trajectory import FilterStage

VIEWS = {"domain": "domain", "length": "tool calls", "planted": "planted mistake"}
"""What the funnel is shown by, and what the values are called."""

STAGES = tuple(stage.value for stage in FilterStage)


class Share(NamedTuple):
    """One value of a view: how many came in, how many each filter dropped, how many are left, and why."""

    value: str
    n_in: int
    dropped: tuple[int, ...]
    kept: int
    reasons: dict[str, int]


def groups(rows: Sequence[Mapping[str, Any]], by: str) -> list[Share]:
    """The rows of `funnel` of one view, one entry per value, in the table's order."""
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        if row["by"] == by:
            found.setdefault(row["value"], {})[row["stage"]] = row
    return [_group(value, [stages[name] for name in STAGES]) for value, stages in found.items()]


def _group(value: str, rows: list[Mapping[str, Any]]) -> Share:
    reasons = Counter[str]()
    for row in rows:
        reasons.update(json.loads(row["reasons"]))
    dropped = tuple(row["n_in"] - row["n_out"] for row in rows)
    return Share(value, rows[0]["n_in"], dropped, rows[-1]["n_out"], dict(reasons.most_common()))


def funnel_report(rows: Sequence[Mapping[str, Any]], *, by: str = "", limit: int = 20) -> RenderableType:
    """The funnel over everything and one table per view; with `by`, that view alone and whole."""
    if by:
        return _view_table(groups(rows, by), by, len(rows))
    views = [_view_table(groups(rows, view), view, limit, most_reasons=2) for view in VIEWS]
    kept = groups(rows, "all")[0]
    return Group(_stages_table(rows), *views, Text(f"{kept.kept:,} of {kept.n_in:,} trajectories kept", style="bold"))


def funnel_markdown(rows: Sequence[Mapping[str, Any]], *, by: str = "") -> str:
    """The same as Markdown, each view whole."""
    parts = [] if by else [_markdown(["filter", "in", "passed", "dropped because of"], "lrrl", _stage_cells(rows))]
    for view in [by] if by else VIEWS:
        head = [VIEWS[view], "in", *STAGES, "kept", "dropped because of"]
        parts.append(_markdown(head, f"l{'r' * (len(head) - 2)}l", [_cells(g) for g in groups(rows, view)]))
    return "\n\n".join(parts)


def _stage_cells(rows: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    return [
        [row["stage"], f"{row['n_in']:,}", f"{row['n_out']:,}", ", ".join(reason_lines(json.loads(row["reasons"])))]
        for row in rows if row["by"] == "all"
    ]


def _cells(group: Share, most_reasons: int = 99) -> list[str]:
    dropped = [f"{n:,}" if n else "" for n in group.dropped]
    share = group.kept / group.n_in if group.n_in else 0
    reasons = reason_lines(group.reasons)
    return [group.value or "none", f"{group.n_in:,}", *dropped, f"{group.kept:,} ({share:.0%})",
            ", ".join([*reasons[:most_reasons], *(["…"] if len(reasons) > most_reasons else [])])]


def _stages_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("filter", no_wrap=True, style="bold")
    table.add_column("in", justify="right")
    table.add_column("passed", justify="right")
    table.add_column("dropped because of", ratio=1)
    for stage, n_in, n_out, why in _stage_cells(rows):
        table.add_row(stage, n_in, n_out, Text(why, style="yellow"))
    return table


def _view_table(found: list[Share], by: str, limit: int, most_reasons: int = 99) -> Table:
    caption = f"{len(found) - limit} more: --by {by}" if len(found) > limit else None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption, caption_justify="left")
    table.add_column(VIEWS[by], max_width=36)
    for name in ("in", *STAGES):
        table.add_column(name, justify="right")
    table.add_column("kept", justify="right", style="green", no_wrap=True)
    table.add_column("dropped because of", style="yellow", ratio=1)
    for group in found[:limit]:
        table.add_row(*map(Text, _cells(group, most_reasons)))
    return table


def _markdown(head: list[str], align: str, rows: list[list[str]]) -> str:
    rule = [{"l": "---", "r": "--:"}[a] for a in align]
    return "\n".join("| " + " | ".join(line) + " |" for line in [head, rule, *rows])
