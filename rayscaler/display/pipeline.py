"""A run on the screen: the plan before it, one line per stage while it goes, the table of what came out after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from rayscaler.pipeline import Event, PlannedStage, StageResult


class StageLines:
    """A pipeline listener: a live bar for the stage that runs, and one lasting line for each stage that is done.

    Without a terminal there are only the lines.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<12}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> StageLines:
        self._bars.start()
        self._show("starting")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """What the pipeline calls with each event."""
        if event.kind == "start":
            self._show(event.stage)
        elif event.kind == "progress" and self._task is not None:
            self._bars.update(self._task, completed=event.done, total=event.total or None)
        elif event.result is not None:
            self._console.print(stage_line(event.result))
            if event.kind == "end":
                self._show("next")

    def _show(self, name: str) -> None:
        """Put one bar in the place of the last."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(name, total=None)


def stage_line(result: StageResult) -> Text:
    """`connect       397 tools -> 2,911 edges   1.4 s`."""
    style = "dim" if result.skipped else "green"
    line = Text.assemble((f"{result.name:<12}", f"bold {style}"), f" {result.rows_in:,} {result.unit} -> ")
    line.append(_own(result.rows))
    left_out = sum(result.reasons.values())
    if left_out:
        line.append(f", {left_out:,} left out", style="yellow")
    return line.append("  whole already" if result.skipped else f"  {result.seconds:.1f} s", style="dim")


def results_table(results: Sequence[StageResult]) -> Table:
    """What came out of each stage: rows in, rows out, left out and why, seconds."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, justify in (("stage", "left"), ("in", "right"), ("out", "right"), ("seconds", "right")):
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("left out, and why", ratio=1, min_width=22)
    for result in results:
        table.add_row(
            Text(result.name, style="bold"),
            f"{result.rows_in:,} {result.unit}",
            _own(result.rows),
            Text("whole", style="dim") if result.skipped else f"{result.seconds:.1f}",
            Text("\n".join(reason_lines(result.reasons)), style="yellow"),
        )
    table.caption = f"{sum(r.seconds for r in results if not r.skipped):.1f} seconds in all"
    table.caption_justify = "left"
    return table


def reason_lines(reasons: Mapping[str, int]) -> list[str]:
    """`31 no_domain`, `4 duplicate`: the most frequent first."""
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return [f"{n:,} {reason}" for reason, n in ordered]


def plan_table(planned: Sequence[PlannedStage]) -> Table:
    """What a run would do: which stages are whole, which would run and why."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("would", no_wrap=True)
    table.add_column("why", ratio=1)
    table.add_column("rows", justify="right")
    table.add_column("fingerprint", no_wrap=True, style="dim")
    for stage in planned:
        would = Text("skip", style="dim") if stage.whole else Text("run", style="green")
        table.add_row(Text(stage.name, style="bold"), would, stage.why, _own(stage.rows or {}), stage.fingerprint)
    return table


def _own(rows: Mapping[str, int]) -> str:
    """Rows of the stage's own table, its first; the others are steps on the way or `rejects`."""
    return next((f"{n:,} {name}" for name, n in rows.items()), "")
