"""`bench.py filters RUN`: trajectories per second of the filters alone, and of the stage on Ray Data.

The trajectories are those of a finished run, taken again and again until there are enough. Alone means one process and
no Ray: what it costs to read a stored trajectory and to judge it. The stage is what `rayscaler run` does: Ray Data
hands out shards, workers read Parquet, look tasks and environments up, judge, and write verdicts.

Rates are per second of CPU time, which a machine that others use changes less than wall time, though it changes that
too: threads share a core and its caches, so the best tenth of the shards is nearer to what a free core does. A shard's
CPU time is what its worker's process used from its start to the start of the next one: everything but starting up.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Annotated, Any, NamedTuple

import pyarrow as pa
import typer

from benchmarks.measure import markdown
from rayscaler.filters.judge import judge_recorded
from rayscaler.filters.recorded import read_played, read_wanted
from rayscaler.recipes import FilterRecipe
from rayscaler.resources import Resources
from rayscaler.rollouts.mistakes import repertoire
from rayscaler.runs import Run, open_run
from rayscaler.runtime.cluster import connected
from rayscaler.runtime.context import Context
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.filter import COLUMNS, NAME, PER_SHARD, JudgeTrajectories, read_identity
from rayscaler.tables import ENVIRONMENTS, TASKS, TRAJECTORIES, VERDICTS
from rayscaler.task import Task

HEAD = ["what", "trajectories", "wall s", "per CPU second", "CPU us each", "load"]
MARK = "0" * 16


class JudgeOnTheClock(JudgeTrajectories):
    """The stage's worker, which notes its process's CPU seconds and how many trajectories it is given at each call."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.clock = folder / f"clock-{os.getpid()}"

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        """One shard."""
        with self.clock.open("a") as file:
            file.write(f"{json.dumps([time.process_time(), len(payload)])}\n")
        return super().__call__(payload)


class Rows(NamedTuple):
    """What is judged, as JSON text."""

    trajectories: list[str]
    tasks: dict[str, str]
    environments: dict[str, str]


def main(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run with trajectories, tasks and environments.")],
    trajectories: Annotated[int, typer.Option(min=1, help="How many the stage judges.")] = 40_000,
    per_part: Annotated[int, typer.Option(min=1, help="Trajectories per file; rollout: 32 x trials.")] = 256,
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    quick: Annotated[bool, typer.Option(help="The run's own trajectories, once.")] = False,
) -> None:
    """Trajectories per second, and which mistakes met the fate that they should."""
    logging.disable(logging.WARNING)
    os.environ.setdefault("RAY_ADDRESS", "local")
    opened = open_run(run)
    rows = read_rows(opened)
    size = sum(map(len, rows.trajectories)) / len(rows.trajectories)
    typer.echo(f"{len(rows.trajectories):,} trajectories of {size / 1000:.0f} kB, {len(rows.tasks):,} tasks\n")
    lines = [line for _ in range(1 if quick else repeats) for line in alone(rows)]
    with connected(Resources()):
        for workers in (1, 2):
            lines += on_ray(opened, 0 if quick else trajectories, workers, per_part)
    typer.echo(markdown(HEAD, lines))
    typer.echo("\n" + markdown(["planted mistake", "trajectories", "as promised", "otherwise"], fates(opened)))


def read_rows(run: Run) -> Rows:
    """The stored JSON of a run."""
    tasks, environments = run.table(TASKS.name), run.table(ENVIRONMENTS.name)
    return Rows(
        run.table(TRAJECTORIES.name)["trajectory"].to_pylist(),
        dict(zip(tasks["task_id"].to_pylist(), tasks["task"].to_pylist(), strict=True)),
        dict(zip(environments["environment_id"].to_pylist(), environments["spec"].to_pylist(), strict=True)),
    )


def alone(rows: Rows) -> list[list[str]]:
    """Reading, judging, and both, in this process. Tasks and environments are read once, as in the stage."""
    wanted = {key: read_wanted(text) for key, text in rows.tasks.items()}
    identities = {key: read_identity(text) for key, text in rows.environments.items()}
    began = _now()
    played = [read_played(text) for text in rows.trajectories]
    read = _now()
    recipe = FilterRecipe()
    for one in played:
        judge_recorded(one, wanted[one.task_id], identities[one.environment_id], recipe)
    judged = _now()
    n = len(played)
    return [_line("read", n, began, read), _line("judge", n, read, judged), _line("read and judge", n, began, judged)]


def on_ray(run: Run, n_wanted: int, workers: int, per_part: int) -> list[list[str]]:
    """The stage with so many workers on the run's trajectories, repeated until there are `n_wanted`."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        store = Store(str(folder))
        inputs = {table.name: Ref(table, MARK) for table in (TRAJECTORIES, TASKS, ENVIRONMENTS)}
        for table in (TASKS, ENVIRONMENTS):
            store.write_part(inputs[table.name], "part-00000-0.parquet", run.table(table.name))
        _repeat(run.table(TRAJECTORIES.name), store, inputs[TRAJECTORIES.name], n_wanted, per_part)
        context: Context[FilterRecipe] = Context(
            stage=NAME, recipe=FilterRecipe(), seed=0, store=store, inputs=inputs,
            targets={VERDICTS.name: Ref(VERDICTS, MARK)}, resources=Resources(workers=workers), base=folder,
            progress=lambda *_: None,
        )  # fmt: skip
        shards = context.rows(TRAJECTORIES, per_shard=PER_SHARD, columns=COLUMNS)
        load = os.getloadavg()[0]
        arguments = (folder, context.recipe, store, inputs[TASKS.name], inputs[ENVIRONMENTS.name])
        began = time.perf_counter()
        context.map(shards, JudgeOnTheClock, *arguments, writes=(VERDICTS,))
        wall = time.perf_counter() - began
        clocks = [list(map(json.loads, path.read_text().splitlines())) for path in sorted(folder.glob("clock-*"))]
        each = sorted((b[0] - a[0]) / a[1] for clock in clocks for a, b in pairwise(clock))
        judged = sum(n for clock in clocks for _, n in clock[:-1])
        name = f"stage, {len(shards)} shards, {workers} worker{'s' if workers > 1 else ''}"
        return [[f"{name}: {which}", f"{judged:,}", f"{wall:.2f}", f"{1 / s:,.0f}", f"{s * 1e6:.0f}", f"{load:.1f}"]
                for which, s in (("median shard", median(each)), ("best tenth", each[len(each) // 10]))]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _repeat(whole: pa.Table, store: Store, target: Ref, n_wanted: int, per_part: int) -> int:
    """Write the trajectories in parts until there are `n_wanted`, under ids of their own; how many there are."""
    n = number = 0
    while n < max(n_wanted, 1):
        for start in range(0, whole.num_rows, per_part):
            part = whole.slice(start, per_part)
            ids = pa.array([f"{key}-{number}" for key in part["trajectory_id"].to_pylist()])
            part = part.set_column(0, target.table.schema.field(0), ids)
            store.write_part(target, f"part-{number:05d}-0.parquet", part)
            n, number = n + part.num_rows, number + 1
    return n


def fates(run: Run) -> list[list[str]]:
    """Planted mistakes against the fates that `mistakes.yaml` promises; needs the run's verdicts."""
    tasks = {row["task_id"]: row["task"] for row in run.table(TASKS.name).to_pylist()}
    promised, other = Counter[str](), Counter[tuple[str, str]]()
    for row in run.table(VERDICTS.name).to_pylist():
        fate = "kept" if row["kept"] else f"{row['stage']}/{row['reason']}"
        mistake, task = repertoire().get(row["planted"]), Task.model_validate_json(tasks[row["task_id"]])
        if fate in (mistake.fates(task) if mistake else ("kept",)):
            promised[row["planted"]] += 1
        else:
            other[row["planted"], fate] += 1
    lines = []
    for planted in ["", *repertoire()]:
        wrong = {fate: n for (name, fate), n in other.items() if name == planted}
        n = promised[planted] + sum(wrong.values())
        if n:
            share = f"{promised[planted]:,} ({promised[planted] / n:.0%})"
            lines.append([planted or "none", f"{n:,}", share, ", ".join(f"{n} {fate}" for fate, n in wrong.items())])
    return lines


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _line(what: str, n: int, began: tuple[float, float], ended: tuple[float, float]) -> list[str]:
    wall, cpu = ended[0] - began[0], ended[1] - began[1]
    load = f"{os.getloadavg()[0]:.1f}"
    return [what, f"{n:,}", f"{wall:.2f}", f"{n / cpu:,.0f}", f"{cpu / n * 1e6:.0f}", load]
