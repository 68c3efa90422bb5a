"""Measurements that anyone can repeat: `python jobs/bench.py graph`, `embed`, `links`, `environments`, `tasks` …

Each prints a Markdown table, with the machine's load beside every time: a figure taken on a busy machine shows it.
`--quick` takes seconds and shows that the benchmark runs; its figures say little.
"""

from __future__ import annotations

import sys
from pathlib import Path

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import (
    acebench,
    compiler,
    embedding,
    environments,
    faults,
    fidelity,
    filters,
    graph,
    links,
    operators,
    overlaps,
    repetition,
    rollouts,
    scale,
    tasks,
    tau2,
)

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Measure rayscaler on this machine.")
app.command("graph")(graph.main)
app.command("embed")(embedding.main)
app.command("links")(links.main)
app.command("environments")(environments.main)
app.command("fidelity")(fidelity.main)
app.command("tasks")(tasks.main)
app.command("operators")(operators.main)
app.command("compiler")(compiler.main)
app.command("filters")(filters.main)
app.command("repetition")(repetition.main)
app.command("overlaps")(overlaps.main)
app.command("rollouts")(rollouts.main)
app.command("scale")(scale.main)
app.command("faults")(faults.main)
app.command("acebench")(acebench.main)
app.command("tau2")(tau2.main)

if __name__ == "__main__":
    app()
