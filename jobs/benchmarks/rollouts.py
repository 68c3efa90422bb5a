"""`bench.py rollouts RUN`: scripted conversations per second, and what rayscaler adds to a model's latency.

Both are the stage on Ray Data, on the run's own tasks: reading tasks and environments, hosting, playing, recording,
writing Parquet (and, with a model, the journal). The model is `jobs/fake_openai.py` in a process of its own on the same
cores: it answers every call after the same time with what the faultless scripted agent says in that task.

The ideal: there are so many seats, conversations sit down in the order of their shards, each stays for its number of
model calls times the latency; everything else takes no time. The overhead is the wall time over that; the clock starts
with the first worker's first shard and ends with the last one's last (Ray's own start is left out).
Filling the seats at the start and what the last conversations leave empty is in it. `in between` leaves both out: the
share of calls that is missing, while nearly all seats are taken (from the first to the last time that the server sees
95% of them), to one answer per seat and latency. The server is asked how many calls are in flight twice a second.
"""

from __future__ import annotations

import heapq
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import typer

from benchmarks.measure import markdown
from rayscaler.recipes import Endpoint, RolloutRecipe, ScriptedAgent
from rayscaler.resources import Resources
from rayscaler.rollouts.play import play
from rayscaler.runs import Run, open_run
from rayscaler.runtime.cluster import connected
from rayscaler.runtime.context import Context
from rayscaler.runtime.conversations import Terms, shards_at_once, share
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.rollout import NAME, PlayScripted, PlayWithModels
from rayscaler.tables import ENVIRONMENTS, MODEL_CALLS, TASKS, TRAJECTORIES
from rayscaler.task import Task

MARK = "0" * 16
WRITES = (TRAJECTORIES, MODEL_CALLS)
SERVER = Path(__file__).parents[1] / "fake_openai.py"
PER_SHARD = 8
"""Tasks per shard, where a run has 32: each has many trials here."""

FULL = 0.95
"""Share of the seats that is nearly all of them."""

LOOK_S = 0.5
FAULTS = ("429=0.02", "500=0.02", "drop=0.02", "malformed=0.02", "slow=0.02")


class Shift(NamedTuple):
    """One shard of one worker: when, in wall and CPU seconds, and the model calls of each conversation."""

    began: float
    ended: float
    cpu_began: float
    cpu_ended: float
    replies: list[int]


class Look(NamedTuple):
    """What the server saw at one moment: calls in flight, and all that came so far."""

    time: float
    in_flight: int
    requests: int


class Fullness(NamedTuple):
    """From when to when nearly all seats were taken, after the first shard began; the overhead in between."""

    after_s: float
    until_s: float
    overhead: float


def noted(work: Callable[[Any], Output], payload: Any, folder: Path) -> Output:
    """Do one shard and write its shift down."""
    began, cpu = time.time(), time.process_time()
    output = work(payload)
    calls: dict[str, int] = {row["trajectory_id"]: 0 for row in output.rows[TRAJECTORIES.name]}
    for row in output.rows.get(MODEL_CALLS.name, ()):
        calls[row["trajectory_id"]] += 1
    shift = Shift(began, time.time(), cpu, time.process_time(), list(calls.values()))
    with (folder / f"clock-{os.getpid()}").open("a") as file:
        file.write(json.dumps(shift) + "\n")
    return output


class ScriptedOnTheClock(PlayScripted):
    """The stage's worker, which notes its shifts."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.folder = folder

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        """One shard."""
        return noted(super().__call__, payload, self.folder)


class ModelsOnTheClock(PlayWithModels):
    """The same with models."""

    def __init__(self, folder: Path, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.folder = folder

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        """One shard."""
        return noted(super().__call__, payload, self.folder)


class Stage(NamedTuple):
    """A folder with the tasks to play and their environments."""

    folder: Path
    store: Store
    inputs: dict[str, Ref]

    def play(self, recipe: RolloutRecipe, work: type, terms: tuple[Any, ...], at_once: int) -> list[list[Shift]]:
        """Run the stage with two workers; the shifts of each."""
        context: Context[RolloutRecipe] = Context(
            stage=NAME, recipe=recipe, seed=1, store=self.store, inputs=self.inputs,
            targets={table.name: Ref(table, MARK) for table in WRITES}, resources=Resources(workers=2),
            base=self.folder, progress=lambda *_: None,
        )  # fmt: skip
        shards = context.rows(TASKS, per_shard=PER_SHARD)
        arguments = (self.folder, recipe, 1, self.store, self.inputs[ENVIRONMENTS.name], *terms)
        context.map(shards, work, *arguments, writes=WRITES, at_once=at_once)
        clocks = sorted(self.folder.glob("clock-*"))
        return [[Shift(*json.loads(line)) for line in clock.read_text().splitlines()] for clock in clocks]


def main(
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run with tasks and environments.")],
    scripted: Annotated[int, typer.Option(min=0, help="Scripted conversations, about; 0: none.")] = 4000,
    modelled: Annotated[int, typer.Option(min=0, help="With a model; half as many with faults; 0: none.")] = 12000,
    in_flight: Annotated[int, typer.Option(min=2, help="Of them at once.")] = 1000,
    latency: Annotated[float, typer.Option(help="Seconds that the model takes to answer.")] = 1.0,
    quick: Annotated[bool, typer.Option(help="A few of each.")] = False,
) -> None:
    """Scripted conversations per second, and the overhead over a model's own latency."""
    logging.disable(logging.WARNING)
    os.environ.setdefault("RAY_ADDRESS", "local")
    if quick:
        scripted, modelled, in_flight, latency = 60, 60, 20, 0.1
    opened = open_run(run)
    with connected(Resources()):
        if scripted:
            head = ["scripted conversations", "calls each", "wall s", "per second", "per CPU second", "load"]
            typer.echo(markdown(head, [scripted_line(opened, scripted)]) + "\n")
        if not modelled:
            return
        lines = [model_line(opened, n, in_flight, latency, faults)
                 for n, faults in ((modelled, ()), (max(1, modelled // 2), FAULTS))]
        typer.echo(markdown(["conversations with a model", "model calls", "in flight", "wall s", "ideal s", "overhead",
                             "full after s, until s", "in between", "a call's latency s: median, mean",
                             "CPU ms per call", "of the server", "retries, malformed", "load"], lines))


def scripted_line(run: Run, wanted: int) -> list[str]:
    """Tasks of six gold calls, a quarter of the conversations with a mistake, as by default."""
    tasks = run.table(TASKS.name)
    tasks = tasks.filter(pa.compute.equal(tasks["n_calls"], 6))
    load = os.getloadavg()[0]
    with stage(run, tasks) as ready:
        recipe = RolloutRecipe(trials=max(1, wanted // tasks.num_rows))
        workers = ready.play(recipe, ScriptedOnTheClock, (), at_once=1)
        rows = ready.store.read(Ref(TRAJECTORIES, MARK), ["n_calls"])
    shifts = [shift for worker in workers for shift in worker]
    wall = max(s.ended for s in shifts) - min(s.began for s in shifts)
    cpu, n = sum(s.cpu_ended - s.cpu_began for s in shifts), rows.num_rows
    mean = pa.compute.mean(rows["n_calls"]).as_py()
    return [f"{n:,}", f"{mean:.1f}", f"{wall:.1f}", f"{n / wall:.0f}", f"{n / cpu:.0f}", f"{load:.1f}"]


def model_line(run: Run, wanted: int, in_flight: int, latency: float, faults: tuple[str, ...]) -> list[str]:
    """All tasks of the run against the fake server, without faults or with some."""
    tasks, load = run.table(TASKS.name), os.getloadavg()[0]
    with stage(run, tasks) as ready, fake_server(ready, latency, faults) as (url, pid):
        recipe = RolloutRecipe(trials=max(1, wanted // tasks.num_rows), agent=Endpoint(model="fake", base_url=url))
        limits = share(Resources(model_calls=in_flight), 2)
        at_once = shards_at_once(limits, 1, PER_SHARD * recipe.trials)
        before = server_cpu_s(pid)
        with watched(url) as looks:
            workers = ready.play(recipe, ModelsOnTheClock, (Terms(limits, MARK),), at_once)
        server = server_cpu_s(pid) - before
        calls = ready.store.read(Ref(MODEL_CALLS, MARK), ["retries", "malformed", "latency_s"])
        n = ready.store.read(Ref(TRAJECTORIES, MARK), ["trial"]).num_rows
    shifts = [shift for worker in workers for shift in worker]
    began = min(shift.began for shift in shifts)
    wall, ideal = max(shift.ended for shift in shifts) - began, ideal_s(shifts, in_flight, latency)
    cpu = sum(max(s.cpu_ended for s in worker) - min(s.cpu_began for s in worker) for worker in workers)
    full = fullness(looks, began, in_flight, latency)
    seconds = calls["latency_s"].to_numpy()
    failed = f"{sum(calls['retries'].to_pylist()):,}, {sum(bool(m) for m in calls['malformed'].to_pylist()):,}"
    return [f"{n:,}" + (" with faults" if faults else ""), f"{calls.num_rows:,}",
            f"{max(look.in_flight for look in looks):,}",
            f"{wall:.1f}", f"{ideal:.1f}", f"{wall / ideal - 1:.1%}",
            f"{full.after_s:.1f}, {full.until_s:.1f}", "" if faults else f"{full.overhead:.1%}",
            f"{np.median(seconds):.3f}, {np.mean(seconds):.3f}",
            f"{cpu / calls.num_rows * 1000:.2f}", f"{server / calls.num_rows * 1000:.2f}", failed, f"{load:.1f}"]


def fullness(looks: list[Look], began: float, in_flight: int, latency: float) -> Fullness:
    """When nearly all seats were taken first and last, and what the server answered less than it could in between."""
    full = [look for look in looks if look.in_flight >= FULL * in_flight] or looks
    first, last = full[0], full[-1]
    answered = (last.requests - last.in_flight) - (first.requests - first.in_flight)
    possible = (last.time - first.time) * in_flight / latency
    return Fullness(first.time - began, last.time - began, possible / max(answered, 1) - 1)


@contextmanager
def watched(url: str) -> Iterator[list[Look]]:
    """What the server counts twice a second during the block, and at its end."""
    looks, ended = list[Look](), threading.Event()

    def look() -> None:
        with urllib.request.urlopen(url.replace("/v1", "/stats"), timeout=60) as answer:
            stats = json.loads(answer.read())
        looks.append(Look(time.time(), stats["in_flight"], stats["requests"]))

    def keep_looking() -> None:
        while not ended.wait(LOOK_S):
            look()

    thread = threading.Thread(target=keep_looking)
    thread.start()
    try:
        yield looks
    finally:
        ended.set()
        thread.join(timeout=120)
    look()


def ideal_s(shifts: list[Shift], seats: int, latency: float) -> float:
    """The end of the last conversation where nothing but the model takes time."""
    free = [0.0] * seats
    for shift in sorted(shifts):
        for replies in shift.replies:
            heapq.heapreplace(free, free[0] + replies * latency)
    return max(free)


@contextmanager
def stage(run: Run, tasks: pa.Table) -> Iterator[Stage]:
    """The tasks and the run's environments in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix="rollouts-"))
    try:
        store, inputs = Store(str(folder)), {table.name: Ref(table, MARK) for table in (TASKS, ENVIRONMENTS)}
        store.write_part(inputs[TASKS.name], "part-00000-0.parquet", tasks)
        store.write_part(inputs[ENVIRONMENTS.name], "part-00000-0.parquet", run.table(ENVIRONMENTS.name))
        yield Stage(folder, store, inputs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fake_server(ready: Stage, latency: float, faults: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """The fake server with what the faultless agent says in each task: its address and process."""
    hosts = Hosts(ready.store, ready.inputs[ENVIRONMENTS.name])
    perfect, replay = RolloutRecipe(agent=ScriptedAgent(error_rate=0.0)), ready.folder / "replay.jsonl"
    with replay.open("w") as file:
        for row in ready.store.read(ready.inputs[TASKS.name], ["task"]).to_pylist():
            task = Task.model_validate_json(row["task"])
            messages = play(task, hosts[task.environment_id], perfect, trial=0, seed=1).messages
            said = [message.to_openai() for message in messages if message.role == "assistant"]
            file.write(json.dumps({"key": messages[1].content, "replies": said}) + "\n")
    command = [sys.executable, str(SERVER), "--replay", str(replay), f"--latency={latency}", "--slow=1"]
    command += [f"--fault={fault}" for fault in faults]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.kill()
        process.wait(60)


def server_cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
