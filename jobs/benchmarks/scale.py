"""`bench.py scale RUN`: what grows with the input, and what a second worker brings.

Memory: every stage with one worker, planning and work in one process (`scale_alone`), on the tables of a finished run
enlarged to 30,000, 60,000 and 100,000 tools, and to 1,000, 10,000 and 100,000 trajectories, by repeating rows under new
ids. Throughput: the same stages on Ray with one and with two workers, each on a fixed number of its shards, from the
first shard's end to the last one's; the time of the whole stage, in which Ray starts its pools, stands beside it.

The figures of `docs/scale.md` are this command on an idle machine; `--quick` on a small run shows that it runs.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import typer

from benchmarks import scale_model
from benchmarks.measure import markdown, prepare_ray, timed, told_by
from benchmarks.scale_alone import MARK
from rayscaler.recipes_all import Recipes
from rayscaler.resources import Resources
from rayscaler.runs import Run, open_run
from rayscaler.runtime.cluster import connected
from rayscaler.runtime.context import Context
from rayscaler.runtime.shards import Shard
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.order import STAGES
from rayscaler.tables import CATALOGUE

OF_TOOLS = ("tools", "phrases", "embeddings", "edges", "domains", "links", "environments")
OF_TRAJECTORIES = ("tasks", "trajectories", "verdicts", "signatures", "examples")
FIXED = ("benchmark_texts", "tokenizers")
IDS = ("tool_id", "phrase", "src", "dst", "domain_id", "environment_id", "tool_ids")
"""Columns that are renamed in the copies of the first tables; in those of the others it is their key."""

NAMED_INSIDE = {"trajectory": "trajectory_id", "task": "task_id", "spec": "environment_id"}
"""JSON columns, and the id of the row that stands in them."""

GROWING = {
    "tools": ("ingest", "embed", "connect", "partition", "link", "materialize", "compose"),
    "trajectories": ("rollout", "filter", "curate", "train"),
}
FASTER = ("embed", "connect", "materialize", "rollout", "filter")
ROWS_PER_PART = 256


class Sizes(NamedTuple):
    """Rows to enlarge to, shards that a worker does, and shards per stage in the race of one worker and two."""

    tools: tuple[int, ...]
    trajectories: tuple[int, ...]
    shards: int
    raced: dict[str, int]


FULL = Sizes((30_000, 60_000, 100_000), (1_000, 10_000, 100_000), 16,
             {"embed": 32, "connect": 60, "materialize": 120, "rollout": 200, "filter": 120})
QUICK = Sizes((1, 1_000), (100, 400), 2, {"embed": 1, "connect": 1, "materialize": 2, "rollout": 2, "filter": 2})


def main(
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A finished run, best one of 30,000 tools.")],
    quick: Annotated[bool, typer.Option(help="Small sizes: shows that it runs.")] = False,
    memory: Annotated[bool, typer.Option(help="Measure memory against size.")] = True,
    workers: Annotated[bool, typer.Option(help="Measure one worker against two.")] = True,
    paper: Annotated[bool, typer.Option(help="Print the simulation on paper.")] = True,
    stage: Annotated[list[str] | None, typer.Option(help="Race these stages only.")] = None,
    tools: Annotated[list[int] | None, typer.Option(help="Memory at these sizes instead.")] = None,
    trajectories: Annotated[list[int] | None, typer.Option(help="The same, of trajectories.")] = None,
) -> None:
    """Memory against the size of the input, one worker against two, and a million tools on paper."""
    logging.disable(logging.WARNING)
    sizes, opened = QUICK if quick else FULL, open_run(run)
    sizes = sizes._replace(tools=tuple(tools or sizes.tools), trajectories=tuple(trajectories or sizes.trajectories))
    if memory:
        typer.echo(_memory(opened, sizes) + "\n")
    if workers:
        prepare_ray()
        typer.echo(_workers(opened, sizes, stage or FASTER) + "\n")
    if paper:
        typer.echo("\n\n".join(scale_model.tables(scale_model.Scale())))


# --- memory ---


def _memory(run: Run, sizes: Sizes) -> str:
    rows = []
    for kind, stages in GROWING.items():
        columns = [_peaks(run, kind, n, sizes.shards) for n in getattr(sizes, kind)]
        rows += [list(row) for row in zip(stages, *columns, strict=True)]
    return markdown(["stage", *["peak of planning and one worker"] * max(len(row) - 1 for row in rows)], rows)


def _peaks(run: Run, kind: str, n: int, shards: int) -> list[str]:
    """What each stage takes at one size."""
    told = []
    with enlarged(run, kind, n) as (folder, n_rows):
        for stage in GROWING[kind]:
            took = told_by("scale_alone", [stage, str(folder), str(shards)], 1)
            told.append(f"{took['held_mb']:,.0f} MiB (with files {took['rss_mb']:,.0f}) at {n_rows:,} {kind}")
            typer.echo(f"{stage}: {told[-1]}, {took['seconds']:.1f} s", err=True)
    return told


@contextmanager
def enlarged(run: Run, kind: str, n: int) -> Iterator[tuple[Path, int]]:
    """A folder with the tables of a run, those of `kind` enlarged; and how many rows the first of them has.

    Tools: as many copies of the whole run as come nearest to `n`. Trajectories: the first `n`, in copies if need be.
    """
    folder = Path(tempfile.mkdtemp(prefix="bench-scale-"))
    store, there = Store(str(folder / "run")), [record.table.split("@")[0] for record in run.tables()]
    given = [name for name in (*OF_TOOLS, *OF_TRAJECTORIES, *FIXED) if name in there]
    whole = run.table(kind).num_rows
    copies = max(1, round(n / whole)) if kind == "tools" else -(-n // whole)
    grown = OF_TOOLS if kind == "tools" else OF_TRAJECTORIES
    try:
        for name in given:
            rows = run.table(name)
            if kind == "trajectories" and n < whole and name in grown:
                rows = _of_the_first(run, name, rows, n)
            _write(store, name, rows, copies if name in grown else 1, IDS if kind == "tools" else CATALOGUE[name].key)
        (folder / "given.json").write_text(json.dumps(given))
        yield folder, copies * whole if kind == "tools" else min(n, copies * whole)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _of_the_first(run: Run, name: str, rows: pa.Table, n: int) -> pa.Table:
    """The rows that belong to the first `n` trajectories."""
    first = run.table("trajectories").slice(0, n)
    key = "task_id" if name == "tasks" else "trajectory_id"
    return rows.filter(pc.is_in(rows[key], value_set=first[key].combine_chunks()))


def _write(store: Store, name: str, rows: pa.Table, copies: int, ids: Sequence[str]) -> None:
    """All copies in small parts, and a record as of a whole table."""
    ref, number = Ref(CATALOGUE[name], MARK), 0
    for copy in range(copies):
        for start in range(0, rows.num_rows, ROWS_PER_PART):
            part = rows.slice(start, ROWS_PER_PART)
            store.write_part(ref, f"part-{number:06d}.parquet", renamed(part, ids, copy) if copy else part)
            number += 1


def renamed(rows: pa.Table, ids: Sequence[str], copy: int) -> pa.Table:
    """The same rows under other ids: `~2` behind each, also where a JSON column names the row itself."""

    def other(value: Any) -> Any:
        return [f"{one}~{copy}" for one in value] if isinstance(value, list) else f"{value}~{copy}"

    def one(row: dict[str, Any]) -> dict[str, Any]:
        new = {name: other(row[name]) for name in ids if name in row}
        for column, key in NAMED_INSIDE.items():
            if column in row and key in new:
                new[column] = row[column].replace(f'"{row[key]}"', f'"{new[key]}"')
        return {**row, **new}

    return pa.Table.from_pylist([one(row) for row in rows.to_pylist()], schema=rows.schema)


# --- workers ---


def few(most: int) -> type[Context[Any]]:
    """A stage's context that leaves all but the first `most` shards of each pass, so that a race ends."""

    class Few(Context[Any]):
        def map(self, shards: list[Shard], *arguments: Any, **options: Any) -> None:
            super().map(shards[:most], *arguments, **options)

    return Few


class Race(NamedTuple):
    """One race: seconds from the first shard's end to the last one's, over all passes, and those of the whole stage.

    What lies between the two is Ray's: it starts a pool for each pass, once, however long the pass is.
    """

    at_work_s: float
    whole_s: float
    load: float


def _workers(run: Run, sizes: Sizes, stages: Sequence[str]) -> str:
    rows = []
    with connected(Resources()):
        for name in stages:
            one, two = (_race(run, name, sizes.raced[name], workers) for workers in (1, 2))
            efficiency = one.at_work_s / two.at_work_s / 2
            rows.append([name, f"{sizes.raced[name]}", *_cells(one), *_cells(two), f"{efficiency:.0%}"])
            typer.echo(f"{name}: {one}, {two}", err=True)
    head = ["at work", "whole", "load"]
    return markdown(["stage", "shards", *(f"{n}: {word}" for n in (1, 2) for word in head), "efficiency"], rows)


def _cells(race: Race) -> list[str]:
    return [f"{race.at_work_s:.1f} s", f"{race.whole_s:.1f} s", f"{race.load:.1f}"]


def _at_work_s(ended: list[tuple[float, int]]) -> float:
    """From the times at which so many shards of a pass had ended: the sum over passes, each from its first on."""
    passes: list[list[float]] = []
    for at, done in ended:
        if done == 0:
            passes.append([])
        else:
            passes[-1].append(at)
    return sum(times[-1] - times[0] for times in passes if times)


def _race(run: Run, name: str, shards: int, workers: int) -> Race:
    """The first shards of each pass of a stage, on Ray; the run's own tables are read where they lie."""
    stage = next(s for s in STAGES if name == s.NAME)
    folder = Path(tempfile.mkdtemp(prefix="bench-scale-"))
    inputs = {table.name: run.ref(table.name) for table in stage.READS}
    for ref in inputs.values():
        place = folder / ref.folder
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(Path(run.store.uri) / ref.folder)
    targets = {table.name: Ref(table, MARK) for table in stage.WRITES}
    ended: list[tuple[float, int]] = []
    context = few(shards)(name, getattr(Recipes(), name), 7, Store(str(folder)), inputs, targets,
                          Resources(workers=workers), folder, lambda done, _: ended.append((time.perf_counter(), done)))
    try:
        took = timed(lambda: stage.run(context))
        return Race(_at_work_s(ended), took.median_s, took.loads[0])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
