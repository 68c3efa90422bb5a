"""`bench.py graph`: all pairs above a threshold, against FAISS and plain NumPy; `connect` as the pipeline runs it; then
the embedding beside plain sentence-transformers, and `partition` of 60,000 tools by both engines.

Everyone gets the same seeded vectors, the same cores and the same threshold, in turns; times end when the edges are in
Parquet. Ray is started before the clock; a pass's workers start inside it.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import typer

from benchmarks import embedding, partition
from benchmarks.measure import Timed, alone, joined, markdown, prepare_ray, sgemm_rate, timed
from rayscaler.graph.edges_exact import exact_similarity
from rayscaler.recipes import ConnectRecipe
from rayscaler.resources import Resources
from rayscaler.runtime.cluster import connected
from rayscaler.runtime.context import Context
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import vector_column
from rayscaler.stages import connect
from rayscaler.tables import CANDIDATES, DIMENSION, EDGES, EMBEDDINGS

SIZES, QUICK_SIZES = (10_000, 31_500, 100_000), (3_000, 10_000)
PARTITIONED = 60_000
DEGREE = 30
MEMBERS = 60
"""Vectors per cluster, in random order."""

NEAR_TAU = 1e-5
RAY, PLAN = "rayscaler on Ray", "rayscaler connect, k = 15"
METHODS = {"faiss": "FAISS range_search", "numpy": "plain NumPy", "tiles": "rayscaler's tiles, 1 process"}
HEAD = ["tools", "method", "median s", "all s", "peak MiB", "load", "M pairs/s", "GFLOP/s", "of sgemm", "pairs found"]


class Case(NamedTuple):
    """One size of the problem and where its files are."""

    n: int
    tau: float
    vectors_ND: np.ndarray
    folder: Path
    store: Store

    @property
    def flop(self) -> float:
        """Of the pairs that are asked for, once each; FAISS computes each twice, which earns it nothing."""
        return self.n * (self.n - 1) / 2 * 2 * self.vectors_ND.shape[1]


def main(
    *,
    sizes: Annotated[list[int] | None, typer.Option("--size", min=100, help="Tools; may be repeated.")] = None,
    quick: Annotated[bool, typer.Option(help="Small sizes, one repeat.")] = False,
    repeats: Annotated[int, typer.Option(min=1, help="Repeats; two at most above 50,000 tools.")] = 3,
    seed: Annotated[int, typer.Option(help="Of the vectors.")] = 7,
    run: Annotated[str, typer.Option(help="A finished run: its tool graph is partitioned too.")] = "",
    faiss: Annotated[bool, typer.Option(help="Measure FAISS too (pip install rayscaler[bench]).")] = True,
) -> None:
    """Exact cosine edges beside FAISS and NumPy, partition by both engines, embedding: rates, memory, growth."""
    logging.disable(logging.WARNING)
    prepare_ray()
    began, cores = time.perf_counter(), os.cpu_count() or 1
    methods = [m for m in METHODS if faiss or m != "faiss"]
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        with connected(Resources()):
            typer.echo(f"{cores} cores, {_processor()}; seed {seed}\n")
            rate = 0.0
            for n in sizes or (QUICK_SIZES if quick else SIZES):
                case = make_case(n, seed, folder / str(n))
                rate = max(rate, sgemm_rate(cores, dimension=DIMENSION))   # the machine at its least busy
                typer.echo(f"sgemm, {cores} threads: {rate / 1e9:.0f} GFLOP/s")
                _measure(case, methods, 1 if quick else min(repeats, 2 if n > 50_000 else repeats), rate)
                shutil.rmtree(case.folder)
            typer.echo(embedding.table(256 if quick else 4000, 1 if quick else min(repeats, 2), seed) + "\n")
        n = QUICK_SIZES[0] if quick else PARTITIONED
        graphs = {f"planted, {n:,}": partition.planted(n, seed)}
        if run:
            real = partition.of_run(run, n, seed)
            graphs[f"of the run, {real.n:,}"] = real
        typer.echo(partition.table(graphs, 1 if quick else min(repeats, 2), folder) + "\n")
        typer.echo(f"{(time.perf_counter() - began) / 60:.0f} minutes in all")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _processor() -> str:
    """The processor's own name for itself, where the system tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"


def make_case(n: int, seed: int, folder: Path) -> Case:
    """Clustered unit vectors in random order, as a NumPy file and as an `embeddings` table in parts of 512."""
    rng = np.random.default_rng([seed, n])
    centres = rng.standard_normal((max(1, n // MEMBERS), DIMENSION), np.float32)
    spread = rng.uniform(0.5, 1.5, (n, 1)).astype(np.float32)
    vectors_ND = centres[rng.integers(0, len(centres), n)] + spread * rng.standard_normal((n, DIMENSION), np.float32)
    vectors_ND /= np.linalg.norm(vectors_ND, axis=1, keepdims=True)
    folder.mkdir(parents=True)
    np.save(folder / "vectors.npy", vectors_ND)
    store = Store(str(folder / "run"))
    for start in range(0, n, 512):
        rows = vectors_ND[start : start + 512]
        ids = [f"tool/{number:07d}" for number in range(start, start + len(rows))]
        part = pa.table([pa.array(ids), vector_column(rows)], schema=EMBEDDINGS.schema)
        store.write_part(Ref(EMBEDDINGS, "bench"), f"part-{start:09d}.parquet", part)
    return Case(n, _threshold(vectors_ND, rng), vectors_ND, folder, store)


def _threshold(vectors_ND: np.ndarray, rng: np.random.Generator) -> float:
    """The similarity above which a tool has about DEGREE others, from a sample of 256 tools."""
    rows = rng.choice(len(vectors_ND), 256, replace=False)
    similar = (vectors_ND[rows] @ vectors_ND.T).ravel()
    wanted = 256 * (DEGREE + 1)   # each tool is above it with itself
    return float(np.partition(similar, len(similar) - wanted)[len(similar) - wanted])


def _measure(case: Case, methods: list[str], repeats: int, rate: float) -> None:
    found: dict[str, list[Timed]] = {}
    for _ in range(repeats):
        found.setdefault(RAY, []).append(_on_ray(case))
        for method in methods:
            found.setdefault(METHODS[method], []).append(_baseline(case, method))
    found[PLAN] = [_whole_stage(case)]
    times = {name: joined(each) for name, each in found.items()}
    counts = {RAY: _ours(case).num_rows} | {METHODS[m]: _read(case, m).num_rows for m in methods}
    rows = [_row(case, name, time, rate, counts.get(name)) for name, time in times.items()]
    typer.echo(f"tau {case.tau:.4f}\n\n" + markdown(HEAD, rows) + "\n")
    for name in (METHODS[m] for m in methods):
        typer.echo(f"- {case.n:,}: {name} takes {times[name].median_s / times[RAY].median_s:.2f} times as long")
    typer.echo("\n".join(_differences(case, methods)) + "\n")


def _row(case: Case, name: str, time: Timed, rate: float, count: int | None) -> list[str]:
    speed = case.flop / time.median_s
    pairs = case.flop / (2 * DIMENSION) / time.median_s / 1e6
    found = "" if count is None else f"{count:,}"
    return [f"{case.n:,}", name, *time.cells(), f"{pairs:,.0f}", f"{speed / 1e9:.0f}", f"{speed / rate:.0%}", found]


def _context(case: Case, target: str) -> Context[ConnectRecipe]:
    shutil.rmtree(case.folder / "run" / str(CANDIDATES), ignore_errors=True)
    targets = {table.name: Ref(table, target) for table in (EDGES, CANDIDATES)}
    inputs = {EMBEDDINGS.name: Ref(EMBEDDINGS, "bench")}
    recipe = ConnectRecipe(tau=case.tau)
    return Context("connect", recipe, 0, case.store, inputs, targets, Resources(), case.folder, lambda *_: None)


def _on_ray(case: Case) -> Timed:
    ctx = _context(case, "pairs")
    time = timed(lambda: connect.search(ctx, None))
    shutil.copytree(case.folder / "run" / ctx.targets[CANDIDATES.name].folder, case.folder / "ours", dirs_exist_ok=True)
    return time


def _whole_stage(case: Case) -> Timed:
    ctx = _context(case, "stage")
    return timed(lambda: connect.run(ctx))


def _baseline(case: Case, method: str) -> Timed:
    files = [str(case.folder / name) for name in ("vectors.npy", f"{method}.parquet")]
    return alone("baselines", [method, files[0], repr(case.tau), files[1]], os.cpu_count() or 1)


def _ours(case: Case) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in sorted((case.folder / "ours").glob("*.parquet"))])


def _read(case: Case, method: str) -> pa.Table:
    return pq.read_table(case.folder / f"{method}.parquet")


def _keys(pairs: pa.Table, n: int) -> np.ndarray:
    return np.sort(pairs["src"].to_numpy().astype(np.int64) * n + pairs["dst"].to_numpy())


def _differences(case: Case, methods: list[str]) -> list[str]:
    """How many pairs each method finds that rayscaler does not, or misses, and how near to tau they lie."""
    ours, lines = _keys(_ours(case), case.n), []
    for method in methods:
        other = np.setxor1d(ours, _keys(_read(case, method), case.n), assume_unique=True)
        a_E, b_E = np.divmod(other, case.n)
        far = np.abs(exact_similarity(case.vectors_ND, case.vectors_ND, a_E, b_E) - case.tau)
        near = "" if not len(far) else f", at most {far.max():.1e} from tau"
        verdict = "the same set" if not len(far) or far.max() < NEAR_TAU else "NOT the same set"
        lines.append(f"- {case.n:,}: {METHODS[method]} differs in {len(far)} pairs{near}: {verdict}")
    return lines
