"""Scores of an evaluation in a terminal, and the same episodes graded once more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rayscaler.config import Config
from rayscaler.errors import ConfigError
from rayscaler.evaluation.adapters import open_benchmark
from rayscaler.runs import Run
from rayscaler.runtime.grading import Graders, grade_row, score_rows
from rayscaler.tables import ENVIRONMENTS, TASKS

SCORE_VIEWS = {"subset": "subset", "label": "label", "n_calls": "gold calls"}
"""What scores are shown by, and what the values are called."""

SHOWN = ("pass^1", "pass^2", "pass^3", "pass^4", "reward")

MOST_NAMED = 10
"""Items without a score that a note names."""

Row = Mapping[str, Any]


def scores_report(rows: Sequence[Row], *, by: str = "") -> RenderableType:
    """One table per view, all of a view's metrics in one line; with `by`, that view alone."""
    views = [by] if by else ["all", "subset", "label"]
    tables = [_view_table(found, view) for view in views if (found := [row for row in rows if row["by"] == view])]
    notes = [Text(line, style="dim") for line in _notes(rows)]
    return Group(*tables, *notes) if tables else Text("no scores")


def _view_table(rows: Sequence[Row], by: str) -> Table:
    metrics = [name for name in SHOWN if any(row["metric"] == name for row in rows)]
    metrics += sorted({row["metric"] for row in rows if row["metric"].startswith("part:")}) if by == "all" else []
    table = Table(box=box.SIMPLE, title=None if by == "all" else f"by {SCORE_VIEWS[by]}", title_justify="left")
    for name in ("model", "benchmark", *([SCORE_VIEWS[by]] if by != "all" else []), "items", "broken"):
        table.add_column(name, justify="right" if name in ("items", "broken") else "left")
    for name in metrics:
        table.add_column(name.removeprefix("part:"), justify="right")
    places: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        key = (row["model"], row["benchmark"], row["of"], row["without"])
        places.setdefault(key, {})[row["metric"]] = row
    for (model, benchmark, of, without), found in places.items():
        name = f"{benchmark}, without {without}" if without else benchmark
        broken = found["infrastructure"]
        cells = [model, name, *([of] if by != "all" else []), str(broken["n_items"]),
                 str(round(broken["value"] * broken["n_episodes"]))]
        table.add_row(*cells, *(_cell(found.get(metric)) for metric in metrics))
    return table


def _cell(row: Row | None) -> str:
    return "" if row is None else f"{row['value']:.3f} [{row['low']:.2f}, {row['high']:.2f}]"


def _notes(rows: Sequence[Row]) -> list[str]:
    versions = dict.fromkeys((row["benchmark"], row["version"]) for row in rows)
    lines = [f"{benchmark}: {version}" for benchmark, version in versions]
    if any(row["without"] for row in rows):
        lines.append("«without» names checks that the benchmark asks for and that were not made: an upper bound.")
    unscored = [f"{row['model']} {row['benchmark']} {row['of']}" for row in rows if row["by"] == "item"]
    if unscored:
        more = f" and {len(unscored) - MOST_NAMED} more" if len(unscored) > MOST_NAMED else ""
        lines.append(f"{len(unscored)} items have no score, no episode of them is whole: "
                     f"{', '.join(unscored[:MOST_NAMED])}{more} (table scores, by = item)")
    return [*lines, "Intervals are 95%. Broken episodes are the machinery's failures; they are in no score."]


class Regraded(NamedTuple):
    """Stored episodes, graded once more: how many, which grades differ (`episode: then -> now`), and scores that do."""

    n_episodes: int
    grades: list[str]
    scores: list[str]


def regraded(run: Run, config: Config) -> Regraded:
    """Grade a run's stored episodes with today's code and compare with the grades and scores that were stored.

    Raises ConfigError if `config` has no `evaluate`, TableNotFound if the run was not evaluated.
    """
    recipe = config.recipes.score
    if recipe is None:
        raise ConfigError(f"{config.name}: expected the configuration of the run's evaluation, found no `evaluate`")
    refs = {table.name: run.ref(table.name) for table in (TASKS, ENVIRONMENTS)} if recipe.heldout else {}
    benchmarks = {b.name: open_benchmark(b.name, config.base / b.path) for b in recipe.benchmarks}
    graders = Graders(benchmarks, recipe.filter, run.store, refs, config.seed, gold=recipe.gold)
    episodes = run.table("episodes").to_pylist()
    then = {row["episode_id"]: row for row in run.table("grades").to_pylist()}
    now = {row["episode_id"]: grade_row(row, graders.grade(row)) for row in episodes}
    differing = [f"{key}: {_said(then[key])} -> {_said(now[key])}" for key in now if then[key] != now[key]]
    stored = {_place(row): row for row in run.table("scores").to_pylist()}
    rejects = [row for row in run.rejects().to_pylist() if row["stage"] == "evaluate"]
    counted = {_place(row): row for row in score_rows(episodes, now, rejects=rejects, seed=config.seed)}
    places = [place for place in {**stored, **counted} if stored.get(place) != counted.get(place)]
    return Regraded(len(episodes), differing, [" ".join(filter(None, place)) for place in places])


def regrade_report(found: Regraded) -> RenderableType:
    """Whether anything differs, and what."""
    if not found.grades and not found.scores:
        return Text(f"{found.n_episodes:,} episodes graded again: every grade and every score is the stored one.")
    lines = [f"{found.n_episodes:,} episodes graded again: {len(found.grades)} grades and {len(found.scores)} scores "
             "differ from the stored ones", *found.grades[:20], *found.scores[:20]]
    return Text("\n".join(lines))


def _said(row: Row) -> str:
    return "broken" if row["reward"] is None else re.sub(r"\s+", " ", f"{row['reward']:g} {row['detail'][:80]}").strip()


def _place(row: Row) -> tuple[str, ...]:
    return tuple(str(row[key]) for key in ("model", "benchmark", "by", "of", "without", "metric"))
