"""The filter funnel in a terminal, and which planted mistake met which fate."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rayscaler.display.pipeline import reason_lines
from rayscaler.filters.funnel import Row, confusion, funnel


def funnel_tables(verdicts: Sequence[Row]) -> RenderableType:
    """How many trajectories each filter let pass, then planted mistakes against fates."""
    filters = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    filters.add_column("filter", no_wrap=True, style="bold")
    filters.add_column("in", justify="right")
    filters.add_column("passed", justify="right")
    filters.add_column("dropped because of", ratio=1)
    for row in funnel(verdicts):
        why = Text(", ".join(reason_lines(row.reasons)), style="yellow")
        filters.add_row(row.stage, f"{row.n_in:,}", f"{row.n_out:,}", why)
    fates = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    fates.add_column("planted mistake", no_wrap=True)
    fates.add_column("fate", no_wrap=True)
    fates.add_column("trajectories", justify="right")
    for entry in confusion(verdicts):
        style = "green" if entry.fate == "kept" else "red"
        fates.add_row(entry.planted or "none", Text(entry.fate, style=style), f"{entry.n:,}")
    kept = sum(bool(row["kept"]) for row in verdicts)
    return Group(filters, fates, Text(f"{kept:,} of {len(verdicts):,} trajectories kept", style="bold"))
