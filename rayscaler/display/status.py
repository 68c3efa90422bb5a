"""How far a run is, on the screen."""

from __future__ import annotations

import time
from datetime import datetime

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rayscaler.display.pipeline import reason_lines
from rayscaler.runs import RunStatus

STYLES = {"whole": "green", "running": "bold cyan", "partial": "yellow", "absent": "dim"}


def status_text(status: RunStatus) -> RenderableType:
    """One row per stage, and below them who works in the run."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("stage", "left"), ("state", "left"), ("rows", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("seconds", justify="right")
    table.add_column("last written", no_wrap=True)
    table.add_column("left out, and why", ratio=1, min_width=20)
    for stage in status.stages:
        state = Text(stage.state, style=STYLES[stage.state])
        rows = f"{stage.rows:,} {stage.table}" if stage.parts else ""
        rows += f" in {stage.parts:,} parts" if stage.parts and stage.state != "whole" else ""
        seconds = "" if stage.seconds is None else f"{stage.seconds:.1f}"
        written = "" if stage.silent_s is None else f"{age(stage.silent_s)} ago"
        reasons = Text("\n".join(reason_lines(stage.reasons)), style="yellow")
        table.add_row(stage.stage, state, rows, seconds, written, reasons)
    return Group(table, _who(status))


def _who(status: RunStatus) -> Text:
    if status.holder is None:
        return Text("Nobody works in this run now.")
    try:
        since_s = time.time() - datetime.fromisoformat(status.holder.since).timestamp()
    except ValueError:
        return Text(f"Locked by {status.holder}.")
    return Text(f"Locked by {status.holder}, {age(since_s)} ago.")


def age(seconds: float) -> str:
    """`4 s`, `12 min`, `3.5 h`, `2 d`: one unit is enough."""
    for limit, size, unit in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / size:.{int(unit == 'h')}f} {unit}"
    return f"{seconds / 86_400:.0f} d"
