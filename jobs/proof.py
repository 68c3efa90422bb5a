"""What two phases of training did, from a finished run: `python jobs/proof.py RUN --out docs` writes table and plot.

Reads the run's episodes and grades and counts them apart on three places, which do not overlap:

    a  held-out tasks of the domains that phase 1 was trained on
    b  held-out domains: no task of theirs was trained on
    c  held-out tasks of the vertical, which phase 2 was trained on

Intervals are 95%, by the same rules as the run's `scores`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rayscaler.runs import Run, open_run
from rayscaler.runtime.grading import score_rows

PLACES = {"a": "held-out tasks, known domains", "b": "held-out domains", "c": "held-out tasks, the vertical"}
COLOURS = ("#9a9a9a", "#5b7fb5", "#4c8f5b", "#d98b3a")
KS = ("pass^1", "pass^2", "pass^3", "pass^4")

Row = Mapping[str, Any]


def place_of(episode: Row) -> str:
    """Which of the places an episode belongs to; a vertical's held-out domain is one of b."""
    if episode["subset"] == "heldout_domain":
        return "b"
    return "c" if "vertical" in episode["labels"] else "a"


def scores_by_place(run: Run, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Rows like those of `scores`, for each place."""
    columns = ["episode_id", "model", "benchmark", "version", "subset", "item_id", "group", "labels", "n_gold", "trial",
               "error_type"]
    episodes = [{name: row[name] for name in columns} for row in run.table("episodes").to_pylist()]
    grades = {row["episode_id"]: row for row in run.table("grades").to_pylist()}
    return {
        place: score_rows([e for e in episodes if place_of(e) == place], grades, seed=seed) for place in PLACES
    }


def find(rows: Sequence[Row], model: str, benchmark: str, metric: str, *, by: str = "all", of: str = "") -> Row | None:
    """The one score that is asked for, or None."""
    wanted = {"model": model, "benchmark": benchmark, "metric": metric, "by": by, "of": of}
    return next((row for row in rows if all(row[name] == value for name, value in wanted.items())), None)


def cell(row: Row | None) -> str:
    """`0.42 [0.38, 0.46]`."""
    return "" if row is None else f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def table(scores: Mapping[str, Sequence[Row]], models: Sequence[str]) -> str:
    """Markdown: one line per place and model."""
    head = ["on", "model", "call accuracy", "right tool", *KS, "tasks", "broken"]
    lines = [head, ["---"] * len(head)]
    for place, rows in scores.items():
        for model in models:
            broken = find(rows, model, "heldout", "infrastructure")
            if broken is None:
                continue
            lines.append([
                f"({place}) {PLACES[place]}", model, cell(find(rows, model, "calls", "pass^1")),
                cell(find(rows, model, "calls", "part:tool")),
                *(cell(find(rows, model, "heldout", k)) for k in KS),
                str(broken["n_items"]), str(round(broken["value"] * broken["n_episodes"])),
            ])  # fmt: skip
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def lengths(scores: Mapping[str, Sequence[Row]], models: Sequence[str]) -> str:
    """Markdown: pass^1 by the number of gold calls."""
    counts = sorted({int(row["of"]) for rows in scores.values() for row in rows
                     if row["by"] == "n_calls" and row["benchmark"] == "heldout"})
    lines = [["on", "model", *(f"{n} calls" for n in counts)], ["---"] * (2 + len(counts))]
    for place, rows in scores.items():
        for model in models:
            found = [find(rows, model, "heldout", "pass^1", by="n_calls", of=str(n)) for n in counts]
            lines.append([f"({place})", model, *map(cell, found)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def training(run: Run) -> str:
    """Markdown: what each phase was trained on."""
    lines = [["phase", "starts from", "examples", "steps", "tokens", "supervised", "first loss", "last loss"],
             ["---"] * 8]
    for row in run.table("checkpoints").to_pylist():
        losses = ["" if row[name] is None else f"{row[name]:.3f}" for name in ("first_loss", "last_loss")]
        lines.append([row["phase"], row["start"], f"{row['n_examples']:,}", f"{row['n_steps']:,}",
                      f"{row['n_tokens']:,}", f"{row['n_supervised']:,}", *losses])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plot(scores: Mapping[str, Sequence[Row]], models: Sequence[str], path: Path) -> None:
    """The paper's figures 3, 4 and 5 at this scale, one column per place."""
    with mpl.rc_context({"svg.hashsalt": "rayscaler", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(12, 9), layout="constrained")
        axes = figure.subplots(3, len(scores), sharey="row")
        for column, (place, rows) in enumerate(scores.items()):
            axes[0][column].set_title(f"({place}) {PLACES[place]}")
            _bars(axes[0][column], rows, models)
            for model, colour in zip(models, COLOURS, strict=False):
                by_k = [find(rows, model, "heldout", k) for k in KS]
                _line(axes[1][column], range(1, len(KS) + 1), by_k, model, colour)
                counts = sorted({int(row["of"]) for row in rows if row["by"] == "n_calls" and row["model"] == model
                                 and row["benchmark"] == "heldout"})
                found = [find(rows, model, "heldout", "pass^1", by="n_calls", of=str(n)) for n in counts]
                _line(axes[2][column], counts, found, model, colour)
            axes[1][column].set_xlabel("k of pass^k")
            axes[2][column].set_xlabel("calls of the gold run")
        for row, name in zip(axes, ("share", "pass^k", "pass^1"), strict=True):
            row[0].set_ylabel(name)
            row[0].set_ylim(0, None)
        handles, names = axes[1][0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
        figure.savefig(path, metadata={"Date": None})


def _bars(axes: Axes, rows: Sequence[Row], models: Sequence[str]) -> None:
    shown = (("calls", "pass^1"), ("heldout", "pass^1"))
    for number, (model, colour) in enumerate(zip(models, COLOURS, strict=False)):
        for group, (benchmark, metric) in enumerate(shown):
            row = find(rows, model, benchmark, metric)
            if row is not None:
                error = [[row["value"] - row["low"]], [row["high"] - row["value"]]]
                axes.bar(group + 0.2 * number, row["value"], 0.18, color=colour, yerr=error, capsize=2)
    axes.set_xticks([0.3, 1.3], ["call accuracy", "pass^1"])


def _line(axes: Axes, places: Sequence[int], rows: Sequence[Row | None], name: str, colour: str) -> None:
    points = [(place, row) for place, row in zip(places, rows, strict=True) if row is not None]
    if not points:
        return
    values = [row["value"] for _, row in points]
    error = [[row["value"] - row["low"] for _, row in points], [row["high"] - row["value"] for _, row in points]]
    axes.errorbar([place for place, _ in points], values, yerr=error, label=name, color=colour, marker="o", ms=3,
                  capsize=2)
    axes.set_xticks([place for place, _ in points])


def main() -> int:
    """Print the tables, and write them and the plot to `--out`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", help="folder of a run that was evaluated")
    parser.add_argument("--out", help="folder for proof-tables.md, proof.svg and proof.json")
    arguments = parser.parse_args()
    run = open_run(arguments.run)
    seed = int(run.config["seed"])
    models = list(dict.fromkeys(row["model"] for row in run.table("scores").to_pylist()))
    order = {"base": 0, "phase-1": 1, "phase-2": 2}
    models.sort(key=lambda name: (order.get(name, len(order)), name))
    scores = scores_by_place(run, seed)
    text = "\n\n".join([training(run), table(scores, models), lengths(scores, models)])
    print(text)
    if arguments.out:
        out = Path(arguments.out)
        out.mkdir(parents=True, exist_ok=True)
        (out / "proof-tables.md").write_text(text + "\n", encoding="utf-8")
        (out / "proof.json").write_text(json.dumps(scores, indent=1, default=str) + "\n", encoding="utf-8")
        plot(scores, models, out / "proof.svg")
    return 0


if __name__ == "__main__":
    sys.exit(main())
