"""What became of a model's refinements: per step how many were taken, why others were not, what they cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

SUMS = ("attempts", "cached", "requests", "prompt_tokens", "completion_tokens", "cost", "cached_cost", "seconds")


def refinements_report(rows: Sequence[dict[str, Any]]) -> RenderableType:
    """Rows of `refinements`, counted by step; below, the reasons why the rules' result stands."""
    steps = list(dict.fromkeys(row["step"] for row in rows))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("step", style="bold", no_wrap=True)
    heads = ("asked", "accepted", "changed", "refused", "failed", "answers", "known before", "requests", "tokens read",
             "tokens written", "cost", "spent now", "seconds")
    for head in heads:
        table.add_column(head, justify="right")
    for step in [*steps, *(["all"] if len(steps) > 1 else [])]:
        table.add_row(step, *_counts([row for row in rows if step in ("all", row["step"])]))
    return Group(table, *(_reasons(step, rows) for step in steps),
                 Text(f"{len(rows):,} rows; one whole: show RUN refinements SUBJECT", style="dim"))


def _counts(rows: Sequence[dict[str, Any]]) -> list[str]:
    status = Counter(row["status"] for row in rows)
    changed = sum(row["after"] != row["before"] for row in rows)
    total = {name: sum(row[name] for row in rows) for name in SUMS}
    numbers = [len(rows), status["accepted"], changed, status["refused"], status["failed"], total["attempts"],
               total["cached"], total["requests"], total["prompt_tokens"], total["completion_tokens"]]
    spent = max(0.0, total["cost"] - total["cached_cost"])
    return [*(f"{n:,}" for n in numbers), f"{total['cost']:.4g}", f"{spent:.4g}", f"{total['seconds']:.1f}"]


def _reasons(step: str, rows: Sequence[dict[str, Any]]) -> Text:
    found = Counter(row["reason"] for row in rows if row["step"] == step and row["reason"])
    told = ", ".join(f"{reason} {n:,}" for reason, n in sorted(found.items(), key=lambda item: (-item[1], item[0])))
    return Text(f"{step}: {'the rules stand for ' + told if told else 'everything was accepted'}")
