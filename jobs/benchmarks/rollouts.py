"""`bench.py rollouts RUN`: scripted conversations per second, and what rayscaler adds to a model's latency.

Both are the stage on Ray Data, on the run's own tasks: reading tasks and environments, hosting, playing, recording,
writing Parquet (and, with a model, the journal). The model is `jobs/fake_openai.py` in a process of its own on the same
cores: it answers every call after the same time with what the faultless scripted agent says in that task.

The ideal: a worker has so many seats, conversations sit down in the order of their shards, and each stays for its
number of model calls times the latency; everything else takes no time. The overhead is a worker's wall time over its
ideal, the worst worker's; its clock starts with its first shard and ends with its last (Ray's own start is left out).
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
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pyarrow as pa
import typer

from benchmarks.measure import markdown
from rayscaler.recipes import Endpoint, RolloutRecipe, ScriptedAgent
from rayscaler.resources import Resources
from rayscaler.rollouts.play import play
from rayscaler.runs import Run, open_run
from rayscaler.runtime.cluster import connected
from rayscaler.runtime.context import Context
from rayscaler.runtime.conversations import Terms, share
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.rollout import NAME, PlayScripted, PlayWithModels
from rayscaler.tables import ENVIRONMENTS, MODEL_CALLS, TASKS, TRAJECTORIES
from rayscaler.task import Task

MARK = "0" * 16
WRITES = (TRAJECTORIES, MODEL_CALLS)
SERVER = Path(__file__).parents[1] / "fake_openai.py"
FAULTS = ("429=0.02", "500=0.02", "drop=0.02", "malformed=0.02", "slow=0.02")


class Shift(NamedTuple):
    """One shard of one worker: when, in wall and CPU seconds, and the model calls of each conversation."""

    began: float
    ended: float
    cpu_began: float
    cpu_ended: float
    replies: list[int]


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
        shards = context.rows(TASKS, per_shard=8)
        arguments = (self.folder, recipe, 1, self.store, self.inputs[ENVIRONMENTS.name], *terms)
        context.map(shards, work, *arguments, writes=WRITES, at_once=at_once)
        clocks = sorted(self.folder.glob("clock-*"))
        return [[Shift(*json.loads(line)) for line in clock.read_text().splitlines()] for clock in clocks]


def main(
    *,
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run with tasks and environments.")],
    scripted: Annotated[int, typer.Option(min=1, help="Scripted conversations, about.")] = 4000,
    modelled: Annotated[int, typer.Option(min=1, help="Conversations with a model, about.")] = 8000,
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
        line = scripted_line(opened, scripted)
        typer.echo(markdown(["scripted conversations", "calls each", "wall s", "per second", "per CPU second", "load"],
                            [line]) + "\n")
        lines = [model_line(opened, modelled, in_flight, latency, faults) for faults in ((), FAULTS)]
        typer.echo(markdown(["conversations with a model", "model calls", "in flight", "wall s", "ideal s", "overhead",
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
        at_once = 2 + limits.in_flight // (8 * recipe.trials)
        began = server_cpu_s(pid)
        workers = ready.play(recipe, ModelsOnTheClock, (Terms(limits, MARK),), at_once)
        server = server_cpu_s(pid) - began
        with urllib.request.urlopen(url.replace("/v1", "/stats"), timeout=5) as answer:
            stats = json.loads(answer.read())
        calls = ready.store.read(Ref(MODEL_CALLS, MARK), ["retries", "malformed"])
        n = ready.store.read(Ref(TRAJECTORIES, MARK), ["trial"]).num_rows
    walls = [max(s.ended for s in worker) - min(s.began for s in worker) for worker in workers]
    ideals = [ideal_s(worker, limits.in_flight, latency) for worker in workers]
    worst = max(range(len(workers)), key=lambda i: walls[i] / ideals[i])
    cpu = sum(max(s.cpu_ended for s in worker) - min(s.cpu_began for s in worker) for worker in workers)
    failed = f"{sum(calls['retries'].to_pylist()):,}, {sum(bool(m) for m in calls['malformed'].to_pylist()):,}"
    return [f"{n:,}" + (" with faults" if faults else ""), f"{calls.num_rows:,}", f"{stats['most_in_flight']:,}",
            f"{walls[worst]:.1f}", f"{ideals[worst]:.1f}", f"{walls[worst] / ideals[worst] - 1:.1%}",
            f"{cpu / calls.num_rows * 1000:.2f}", f"{server / calls.num_rows * 1000:.2f}", failed, f"{load:.1f}"]


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
        process.wait()


def server_cpu_s(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
