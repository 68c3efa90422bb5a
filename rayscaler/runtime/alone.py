"""A shard whose workers died, played row by row in a process of its own until the row that kills is found.

One row may end the process that works on it (a crash in a library, memory without end, a loop without end), and would
end every worker that gets its shard, one after another. So a shard that two workers died at is taken out of the pool.
Each of its rows is given to a fresh Ray actor that does nothing else, under a limit of time and one of memory. A row
that ends that process TRIES times goes to `rejects` with the reason; all others give the rows that they always give.
A row may have pieces (the tools of a domain): then the pieces are tried first, and only those that kill are left out.

Where a shard is no list of rows (a tile of a matrix), its own process shows what is wrong, and the stage ends.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, Self

import pyarrow as pa

from rayscaler.errors import RayscalerError, StageError
from rayscaler.reasons import Reason, Rejected
from rayscaler.resources import Resources
from rayscaler.runtime.shards import Job, Output, Shard, payload_of
from rayscaler.runtime.watchdog import waits_for

log = logging.getLogger(__name__)

KILLED_FOR_MEMORY = "low on memory"
"""What stands in Ray's error where its memory monitor ended a worker. Its advice on other ends speaks of memory too."""

TRIES = 2
"""Processes that a row may end before it is left out."""


class Death(NamedTuple):
    """How a row ended its process."""

    reason: Reason
    how: str


class Budget:
    """How many rows of one pass may be left out because of what they do to their process."""

    def __init__(self, stage: str, most: int) -> None:
        self.stage, self.most = stage, most
        self.lost: list[Rejected] = []

    def add(self, rejected: Rejected) -> None:
        """One more. StageError if that is too many: then something else is wrong than single rows."""
        self.lost.append(rejected)
        log.warning("%s: %s is left out, %s: %s", self.stage, *rejected)
        if len(self.lost) > self.most:
            first = self.lost[0]
            raise StageError(
                f"{self.stage}: {len(self.lost)} rows ended, hung or overfilled their process, more than "
                f"resources.crash_budget = {self.most} allows; the first is {first.key} ({first.reason}: "
                f"{first.detail}). If it is always the same library or the machine, mend that; else take these rows "
                "out of the input, or raise the budget. The parts that are done stay"
            )


def play_alone(shard: Shard, job: Job, resources: Resources, budget: Budget) -> Output:
    """The shard's output without the rows that end their process; they are among its rejects, in their order.

    Raises StageError if the shard has no rows to try one by one, if the work cannot even be set up, or if `budget` is
    spent.
    """
    with _Process(job, resources) as process:
        if job.by_row is None:
            found = process.tried(payload_of(job.store, shard))
            if isinstance(found, Death):
                raise StageError(
                    f"{job.stage}: shard {shard.name} ends every process that works on it ({found.reason}: "
                    f"{found.how}), and it cannot be taken apart; give the workers more memory or smaller blocks"
                )
            return found
        return joined([_row(row, job, process, budget) for row in payload_of(job.store, shard)])


def _row(row: Any, job: Job, process: _Process, budget: Budget) -> Output:
    assert job.by_row is not None
    found = process.tried([row])
    if isinstance(found, Output):
        return found
    pieces, dead = job.by_row.pieces(row), {}
    for key, piece in pieces:
        alone = process.tried([piece])
        if isinstance(alone, Death):
            dead[key] = alone
    lost = [Rejected(key, *death) for key, death in dead.items()]
    rest = process.tried([job.by_row.without(row, set(dead))]) if 0 < len(dead) < len(pieces) else found
    if isinstance(rest, Output):
        left_out = Output({}, len(lost), lost)
    else:
        key = job.by_row.key(row)
        lost += [Rejected(piece, found.reason, f"{key} {found.how}") for piece, _ in pieces if piece not in dead]
        rest, left_out = Output({}, 0), Output({}, max(1, len(pieces)), [*lost, Rejected(key, *found)])
    for rejected in left_out.rejects:
        budget.add(rejected)
    return joined([rest, left_out])


def joined(outputs: list[Output]) -> Output:
    """What one call for all rows would have given."""
    names = dict.fromkeys(name for output in outputs for name in output.rows)
    rows = {name: _concatenated([o.rows[name] for o in outputs if name in o.rows]) for name in names}
    return Output(rows, sum(o.rows_in for o in outputs), [r for o in outputs for r in o.rejects])


def _concatenated(rows: list[Any]) -> Any:
    if any(isinstance(part, pa.Table) for part in rows):
        return pa.concat_tables(rows)
    return [row for part in rows for row in part]


class _Process:
    """One actor after another, each with nothing in it but the stage's work."""

    def __init__(self, job: Job, resources: Resources) -> None:
        self.job, self.resources = job, resources
        self.limit_s = row_limit_s(job, resources)
        self.actor: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:
        self._end()

    def tried(self, payload: Any) -> Output | Death:
        """The work on `payload`, or how it ended TRIES processes. One that hangs has hung in the pool before."""
        found: Output | Death = Death(Reason.CRASHED, "")
        for _ in range(TRIES):
            found = self._once(payload)
            if isinstance(found, Output) or found.reason == Reason.TIMED_OUT:
                break
        return found

    def _once(self, payload: Any) -> Output | Death:
        import ray

        if self.actor is None:
            self._start()
        limit_s = self.limit_s
        try:
            found = ray.get(self.actor.play.remote(payload), timeout=limit_s)
        except ray.exceptions.GetTimeoutError:
            self._end()
            return Death(Reason.TIMED_OUT, f"took longer than {limit_s:g} s, alone in a process")
        except ray.exceptions.RayActorError as error:
            self._end()
            return _death_of(error)
        if isinstance(found, Output):
            return found
        self._end()
        if isinstance(found, Death):
            return found
        raise StageError(f"{self.job.stage}: {found}")

    def _start(self) -> None:
        """A fresh process with the work set up. What goes wrong until then is no row's fault."""
        import ray

        asks = asks_of(self.job, self.resources)
        actor = ray.remote(Alone).options(
            num_cpus=asks["CPU"], num_gpus=asks.get("GPU", 0), max_restarts=0, max_task_retries=0
        )
        limit_s = self.resources.stall_timeout_s
        for tries in range(1, TRIES + 1):
            self.actor = actor.remote(self.job, self.resources.row_memory_gb)
            try:
                error = ray.get(self.actor.ready.remote(), timeout=limit_s)
            except ray.exceptions.GetTimeoutError:
                waits = waits_for(self.job.stage, asks, [])
                raise StageError(f"no process to try single rows in after {limit_s:g} s: {waits}") from None
            except ray.exceptions.RayActorError as death:
                self._end()
                if tries == TRIES:
                    stage = self.job.stage
                    raise StageError(f"{stage}: setting up its work ended {TRIES} processes: {death}") from death
            else:
                if error:
                    raise StageError(f"{self.job.stage}: {error}")
                return

    def _end(self) -> None:
        import ray

        if self.actor is not None:
            ray.kill(self.actor)
            self.actor = None


def row_limit_s(job: Job, resources: Resources) -> float:
    """How long one row may take alone in a process, or a shard that has no rows."""
    if job.at_once > 1:   # it waits for models
        return resources.conversation_timeout_s
    return resources.shard_timeout_s if job.by_row else resources.stall_timeout_s


def asks_of(job: Job, resources: Resources) -> dict[str, float]:
    """What one worker of the job asks of Ray."""
    return {"CPU": resources.worker_cpus, **({"GPU": job.gpus} if job.gpus else {})}


def _death_of(error: Exception) -> Death:
    """Ray's memory monitor says when it was the one that ended a process."""
    if KILLED_FOR_MEMORY in str(error):
        return Death(Reason.OUT_OF_MEMORY, f"filled its node's memory, {TRIES} times, alone in a process")
    return Death(Reason.CRASHED, f"ended its process {TRIES} times, with nothing else in it")


class Alone:
    """The actor: the stage's work, once per call."""

    def __init__(self, job: Job, memory_gb: float) -> None:
        self.job, self.memory_gb = job, memory_gb
        self.work: Callable[[Any], Output] | None = None

    def ready(self) -> str:
        """Set up the work, then begin the limit of memory. Returns what went wrong, or nothing."""
        try:
            self.work = self.job.make_work(*self.job.arguments)
        except RayscalerError as error:
            return str(error)
        except Exception as error:  # the boundary between a stage's code and Ray
            return f"{type(error).__name__}: {error}"
        # Private memory only (RLIMIT_DATA): Ray's object store is mapped whole, and shared.
        limit = _private_bytes() + int(self.memory_gb * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        return ""

    def play(self, payload: Any) -> Output | Death | str:
        """The work's output, a death that could be caught, or the work's own error in words."""
        assert self.work is not None
        try:
            return self.work(payload)
        except MemoryError:
            return Death(Reason.OUT_OF_MEMORY, f"needs more than {self.memory_gb:g} GB (resources.row_memory_gb)")
        except RayscalerError as error:
            return str(error)
        except Exception as error:  # the boundary between a stage's code and Ray
            return f"{type(error).__name__}: {error}"


def _private_bytes() -> int:
    """What RLIMIT_DATA counts of this process now."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123
        found = {line.split(":")[0]: line.split()[1] for line in status if line.startswith("VmData")}
    return int(found["VmData"]) * 1024
