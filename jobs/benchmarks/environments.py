"""`bench.py environments`: what a hosted environment costs: sessions, resets, calls, comparisons, and the way over Ray.

Measured on an environment that is compiled from `shop.yaml` (5 tables, 40 rows each: 200 rows) with changes tracked, as
in every run. Calls are drawn over all its read or write tools with valid arguments. Rates are per second of one core's
time and, beside it, of the clock, so that a busy machine shows.
"""

from __future__ import annotations

import ctypes
import gc
import os
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from benchmarks.measure import markdown
from rayscaler.environment import CompiledTool, EnvironmentSpec, Operator, Part
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.sampling import sample_arguments
from rayscaler.environments.seeding_distance import Distance, state_distance
from rayscaler.environments.session import SqliteSession
from rayscaler.recipes import IngestRecipe, MaterializeRecipe, Source
from rayscaler.resources import Resources
from rayscaler.runs import open_run
from rayscaler.runtime.cluster import connected
from rayscaler.runtime.fleet import Fleet
from rayscaler.specs.files import SpecFile
from rayscaler.specs.read import read_file

ROWS = 40
"""Rows per table: 200 in five tables."""
LIVE, QUICK_LIVE = (1_000, 5_000, 10_000), (200,)
TABLE_ROWS, QUICK_TABLE_ROWS = (40, 400, 4_000), (40, 400)
CHANGES = 10
SLICES = 10
STATES = 12
DISTANCES = ["environments", "pairs", "rows", "free columns", "closed columns", "keys"]
Call = tuple[str, dict[str, Any]]


class Rate(NamedTuple):
    """Calls per second in each of some slices of time: of this process's core, and of the clock."""

    core: list[float]
    clock: list[float]

    def cells(self) -> list[str]:
        """The best slice, which other work on the machine disturbed least; the median of a core, and of the clock."""
        return [f"{max(self.core):,.0f}", f"{np.median(self.core):,.0f}", f"{np.median(self.clock):,.0f}"]


def main(
    quick: Annotated[bool, typer.Option(help="Few sessions, short times.")] = False,
    run: Annotated[str, typer.Option(help="A run: its environments are measured too, up to 40 of them.")] = "",
    ray: Annotated[bool, typer.Option(help="Measure the way over Ray actors too.")] = True,
    seed: Annotated[int, typer.Option(help="Of the states and the calls.")] = 7,
) -> None:
    """Sessions per GiB, reset, calls per second, diff and digest, live sessions, Ray actors, distance of states."""
    environment = HostedEnvironment(shop(), rows=ROWS)
    live = QUICK_LIVE if quick else LIVE
    typer.echo(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {_described(environment)}; seed {seed}\n")
    seconds = 0.3 if quick else 3.0
    _show("Calls per second, one session",
          ["tools", "of a core, best slice", "of a core, median", "of the clock, median"],
          [[kind, *rate_of(environment, kind, seconds, seed).cells()] for kind in _kinds(environment.spec)])
    _show("Reset after a write", ["resets", "p50 ms", "p99 ms"],
          [reset_times(environment, 200 if quick else 5_000, seed)])
    _show(f"Comparison after {CHANGES} writes, ms", ["rows", "changes", "diff", "digest", "first digest of a start"],
          [comparison(n, seed) for n in (QUICK_TABLE_ROWS if quick else TABLE_ROWS)])
    _show("Live sessions in one process",
          ["live", "KiB each", "per GiB", "start ms each", "reads per second of a core", "writes"],
          [live_sessions(environment, n, seconds, seed) for n in live])
    _show("Distance between seeded states", DISTANCES, distances({"shop.yaml": environment.spec}, ROWS, seed))
    if run:
        _measure_run(run, seconds / 10, seed)
    if ray:
        os.environ.setdefault("RAY_ADDRESS", "local")
        with connected(Resources()):
            _show("Through Ray actors, one per core; half of the calls are writes",
                  ["live", "calls in one message", "per second of a host's core", "of the clock, all hosts"],
                  [row for n in live for row in over_ray(environment, n, quick, seed)])


def shop() -> EnvironmentSpec:
    """The environment of `shop.yaml`, compiled and certified."""
    file = Path(__file__).with_name("shop.yaml")
    origin = SpecFile("bench", file.name, str(file), "Apache-2.0", file.stat().st_size)
    tools = read_file(origin, file.read_bytes(), Source(path=str(file)), IngestRecipe()).tools
    recipe = MaterializeRecipe(min_tools=len(tools))
    domain = {"domain_id": "shop", "title": "Shop"}
    certified = certify(compile_environment(domain, tools, recipe).spec, recipe, seed=0)
    if certified.spec is None:
        raise RuntimeError(f"shop.yaml does not compile to a certified environment: {certified.rejects[:3]}")
    return certified.spec


def calls_of(environment: HostedEnvironment, kind: str, n: int, seed: int) -> list[Call]:
    """Up to `n` calls that go round the tools of a kind (read, write, an operator), all valid one after the other.

    A list is filtered by all that it can be filtered by, as a row has it; of kind «list all» it gives every row.
    """
    draw, session = np.random.default_rng(seed), environment.start(seed)
    operator, _, all_rows = kind.partition(" ")
    tools = [t for t in environment.spec.tools if operator in ("write" if t.operator.writes else "read", t.operator)]
    found: list[Call] = []
    for i in range(8 * n):
        tool = tools[i % len(tools)]
        arguments = sample_arguments(environment.spec, tool, session, draw, full=True)
        if arguments is not None and not all_rows:
            arguments |= _filters(tool, session, draw)
        if arguments is not None and session.call(tool.name, arguments).ok:
            found.append((tool.name, arguments))
        if len(found) == n:
            break
    return found


def _filters(tool: CompiledTool, session: SqliteSession, draw: np.random.Generator) -> dict[str, Any]:
    if tool.operator is not Operator.LIST:
        return {}
    row = session.rows(tool.entity)[int(draw.integers(len(session.rows(tool.entity))))]
    filters = [b for b in tool.bindings if b.part is Part.FILTER and row.get(b.column or "") is not None]
    return {b.parameter: row[str(b.column)] for b in filters}


def _kinds(spec: EnvironmentSpec) -> list[str]:
    return ["read", "write", *sorted({str(tool.operator) for tool in spec.tools}), "list all"]


def rate_of(environment: HostedEnvironment, kind: str, seconds: float, seed: int) -> Rate:
    """Calls on one session, reset after each round of them so that writes go on to succeed."""
    calls, session = calls_of(environment, kind, 64, seed), environment.start(seed)
    return _repeat(lambda: _round(session, calls), seconds) if calls else Rate([], [])


def _round(session: SqliteSession, calls: list[Call]) -> int:
    session.reset()
    return sum(session.call(*call).ok for call in calls)


def reset_times(environment: HostedEnvironment, n: int, seed: int) -> list[str]:
    """Median and 99th percentile of `reset` on sessions that have changed."""
    call = calls_of(environment, "write", 1, seed)[0]
    session, times = environment.start(seed), []
    for _ in range(n):
        session.call(*call)
        began = time.perf_counter()
        session.reset()
        times.append(time.perf_counter() - began)
    return [f"{n:,}", *(f"{1e3 * float(np.percentile(times, q)):.3f}" for q in (50, 99))]


def comparison(rows: int, seed: int) -> list[str]:
    """Milliseconds of changes, diff and digest with the same writes in databases of other sizes."""
    environment = HostedEnvironment(shop(), rows=rows)
    calls = calls_of(environment, "write", CHANGES, seed)
    one, other = environment.start(seed), environment.start(seed)
    began = time.perf_counter()
    one.digest()
    first = time.perf_counter() - began
    for session in (one, other):
        for call in calls:
            session.call(*call)
    times = [_median_ms(work) for work in (one.changes, lambda: one.diff(other), one.digest)]
    return [f"{rows * len(environment.spec.entities):,}", *(f"{t:.3f}" for t in times), f"{1e3 * first:.1f}"]


def live_sessions(environment: HostedEnvironment, n: int, seconds: float, seed: int) -> list[str]:
    """Start `n` sessions of a few seeds, let each write and read, then call at random among them."""
    reads, writes = (calls_of(environment, kind, 32, seed) for kind in ("read", "write"))
    environment.start(seed).close()
    _trim()
    before, began = _resident(), time.perf_counter()
    sessions = [environment.start(seed) for _ in range(n)]
    start_ms = 1e3 * (time.perf_counter() - began) / n
    for i, session in enumerate(sessions):
        session.call(*writes[i % len(writes)])
        session.call(*reads[i % len(reads)])
    each = max(1.0, (_resident() - before) / n)
    draw = np.random.default_rng(seed)
    rates = [_repeat(lambda calls=calls: _anywhere(sessions, calls, draw), seconds) for calls in (reads, writes)]
    for session in sessions:
        session.close()
    costs = [f"{n:,}", f"{each / 1024:,.0f}", f"{2**30 / each:,.0f}", f"{start_ms:.2f}"]
    return [*costs, *(rate.cells()[0] for rate in rates)]


def _anywhere(sessions: list[SqliteSession], calls: list[Call], draw: np.random.Generator) -> int:
    """Calls on sessions in random order; on one that has changed already, a write may be refused, and is counted."""
    for i in draw.integers(len(sessions), size=256):
        sessions[i].call(*calls[int(i) % len(calls)])
    return 256


def over_ray(environment: HostedEnvironment, n: int, quick: bool, seed: int) -> Iterator[list[str]]:
    """Calls through a Fleet with one host per core, half of them writes: one by one, and many in one message."""
    calls = [*calls_of(environment, "read", 16, seed), *calls_of(environment, "write", 16, seed)]
    cores = os.cpu_count() or 1
    with Fleet({"shop": environment}, n_hosts=cores) as fleet:
        sessions = [fleet.open("shop", seed) for _ in range(n)]
        fleet.call_many([(name, *calls[0]) for name in sessions])
        draw = np.random.default_rng(seed)
        for size, rounds in ((1, 50 if quick else 1_000), (100, 10 if quick else 100), (1_000, 2 if quick else 20)):
            batches = [[(sessions[s], *calls[int(c)]) for s, c in draw.integers((n, len(calls)), size=(size, 2))]
                       for _ in range(rounds)]
            began, core = time.perf_counter(), sum(fleet.host_cpu_s())
            for batch in batches:
                fleet.call_many(batch)
            seconds = time.perf_counter() - began, sum(fleet.host_cpu_s()) - core
            yield [f"{n:,}", f"{size:,}", *(f"{size * rounds / s:,.0f}" for s in reversed(seconds))]


def distances(specs: dict[str, EnvironmentSpec], rows: int, seed: int) -> list[list[str]]:
    """The mean distance over pairs of states that neighbouring seeds make."""
    found: list[Distance] = []
    for spec in specs.values():
        environment = HostedEnvironment(spec, rows=rows)
        states = [environment.start(seed + i) for i in range(STATES)]
        tables = [{e.name: s.rows(e.name) for e in spec.entities} for s in states]
        found += [state_distance(a, b, spec.entities) for a, b in pairwise(tables)]
    mean = [f"{sum(d[i] for d in found) / len(found):.3f}" for i in range(len(Distance._fields))]
    return [[", ".join(specs) if len(specs) == 1 else f"{len(specs)}", f"{len(found)}", *mean]]


def _measure_run(path: str, seconds: float, seed: int) -> None:
    rows = open_run(path).table("environments").to_pylist()
    chosen = rows[:: max(1, len(rows) // 40)][:40]
    specs = {row["environment_id"]: EnvironmentSpec.model_validate_json(row["spec"]) for row in chosen}
    for kind in ("read", "write"):
        rates = [rate_of(HostedEnvironment(spec), kind, seconds, seed) for spec in specs.values()]
        found = [max(rate.core) for rate in rates if rate.core]
        typer.echo(f"{kind}s per second of a core, best slice, over {len(found)} environments of the run: "
                   f"median {np.median(found):,.0f}, slowest tenth {np.percentile(found, 10):,.0f}")
    typer.echo("")
    _show("Distance between seeded states of the run", DISTANCES, distances(specs, 12, seed))


def _repeat(work: Callable[[], int], seconds: float) -> Rate:
    """`work`, which says how many calls it made, again and again in slices of time."""
    rate = Rate([], [])
    for _ in range(SLICES):
        n, began, core = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - began < seconds / SLICES:
            n += work()
        rate.core.append(n / max(time.process_time() - core, 1e-9))
        rate.clock.append(n / (time.perf_counter() - began))
    return rate


def _median_ms(work: Callable[[], object], repeats: int = 51) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))


def _trim() -> None:
    """Give freed memory back, so that sessions of the measurement before do not hide those of this one."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _described(environment: HostedEnvironment) -> str:
    start = environment.start(0)
    rows = sum(len(start.rows(e.name)) for e in environment.spec.entities)
    tables, tools = len(environment.spec.entities), len(environment.spec.tools)
    return f"{tables} tables, {tools} tools, {rows} rows, {len(environment.start_of(0).image) / 1024:.0f} KiB image"


def _show(title: str, head: list[str], rows: list[list[str]]) -> None:
    typer.echo(f"{title}\n\n{markdown(head, rows)}\n")
