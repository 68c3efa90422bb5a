"""Shards on a pool of Ray actors: Ray Data carries descriptors to workers and counts back, rows never pass the driver.

A killed stage that starts again does only the shards whose parts are missing, and any number of workers in any order
leaves the same files. A worker that dies is replaced and its shard done again; a shard that two workers died at leaves
the pool and is played row by row (`alone.py`), so that one bad row stops nothing. A pool that stands still says what it
waits for (`watchdog.py`).
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import logging
import pickle
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

from rayscaler.errors import RayscalerError, StageError
from rayscaler.resources import Resources
from rayscaler.runtime.alone import Budget, asks_of, play_alone
from rayscaler.runtime.attempts import Attempts, work_under
from rayscaler.runtime.cluster import pool_size, silence_ray_data
from rayscaler.runtime.memory import give_back
from rayscaler.runtime.metrics import StageMetrics, Tally
from rayscaler.runtime.shards import Job, Shard, Work, payload_of, write_output
from rayscaler.runtime.versions import Versions, skew, these_versions
from rayscaler.runtime.watchdog import NEVER, StallCheck, Watch, patience_s, watched

log = logging.getLogger(__name__)

MAX_BLOCKS = 256
"""Ray Data blocks per stage, or one per worker if those are more. A block costs about 50 ms: small shards share it."""

DEATHS = 2
"""Workers that a shard may end before it leaves the pool. A node that goes takes its workers along: not counted."""

STDERR = 2


class _Suspect(NamedTuple):
    """The name of a shard that more workers died at than may."""

    name: str


def run_shards(shards: list[Shard], job: Job, resources: Resources, progress: Callable[[int, int], None]) -> None:
    """Run every shard whose part is missing.

    Raises StageError with the worker's own error if one fails, if the pool stands still, or if more rows end their
    process than `resources.crash_budget` allows.
    """
    done = set(job.store.parts(job.targets[0]))
    missing = [shard for shard in shards if shard.name not in done]
    finished = len(shards) - len(missing)
    progress(finished, len(shards))
    if not missing:
        return
    metrics = StageMetrics(job.stage, finished, len(shards))
    for made in _everything(missing, job, resources):
        finished += 1
        metrics.add(made)
        progress(finished, len(shards))


def _everything(shards: list[Shard], job: Job, resources: Resources) -> Iterator[Tally]:
    """What the pool makes, then what the shards make that had to leave it."""
    by_name, suspects = {shard.name: shard for shard in shards}, []
    attempts = Attempts(limit_s=_deadline_s(job, resources))
    try:
        for found in _on_ray(shards, job, resources, attempts):
            if isinstance(found, Tally):
                yield found
                continue
            suspects.append(found.name)
            log.warning("%s: shard %s ended its worker more than once; its rows are tried alone", job.stage, found.name)
            if len(suspects) > resources.crash_budget:
                raise StageError(
                    f"{job.stage}: {len(suspects)} shards ended their workers more than once each, more than "
                    f"resources.crash_budget = {resources.crash_budget} allows: this is not about single rows. See "
                    "the workers' own output in Ray's session folder (logs/worker-*.err)"
                )
    finally:
        attempts.forget()
    budget = Budget(job.stage, resources.crash_budget)
    for name in suspects:
        yield write_output(by_name[name], play_alone(by_name[name], job, resources, budget), job)


def _deadline_s(job: Job, resources: Resources) -> float:
    """How long a worker may be at one shard; 0 for ever: where it waits for models, or cannot be taken apart anyway."""
    return resources.shard_timeout_s if job.by_row and job.at_once == 1 else 0.0


def _on_ray(
    shards: list[Shard], job: Job, resources: Resources, attempts: Attempts
) -> Iterator[Tally | _Suspect]:
    import ray

    silence_ray_data()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = NEVER
    context.custom_execution_callback_classes = [cast(Any, StallCheck)]
    items = [{"shard": pickle.dumps(shard)} for shard in shards]
    size = min(pool_size(resources, gpus=job.gpus), len(items))
    n_blocks = min(len(items), max(MAX_BLOCKS, size))
    at_once = calls_at_once(job.at_once, n_blocks, size)
    work = ray.data.from_items(items, override_num_blocks=n_blocks).map(
        cast(Any, _worker_named(job.stage)),
        fn_constructor_args=(cast(Any, ray.cloudpickle).dumps(job), attempts, tuple(these_versions())),
        # All at once: a pool that grows from one actor to two takes a second and a half longer. Ray Data starts lost
        # actors again without end (max_restarts and max_task_retries are -1), which spot nodes need: DEATHS is the end.
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=size, initial_size=size,
            max_concurrent_calls_per_actor=at_once, enable_true_multi_threading=at_once > 1,
            # Work that waits has no queue before it: Ray Data would give the actor that is up first twice its calls.
            max_tasks_in_flight_per_actor=at_once if job.at_once > 1 else None,
        ),
        num_cpus=resources.worker_cpus,
        num_gpus=job.gpus or None,
    )
    work.set_name(f"rayscaler_{job.stage}")
    limit_s = patience_s(resources, waits=job.at_once > 1)
    try:
        with watched(Watch(job.stage, asks_of(job, resources), attempts, limit_s)) as watch:
            for row in work.iter_rows():
                watch.progressed()
                _raise_if_failed(job, row)
                yield Tally(*json.loads(row["tally"])) if row["tally"] else _Suspect(row["name"])
    except ray.exceptions.RayError as error:
        raise StageError(f"{job.stage}: the workers could not finish: {error}") from error


def calls_at_once(wanted: int, n_blocks: int, n_workers: int) -> int:
    """Blocks that a worker has in work: no more than its part of them all, or the first one up would take them all."""
    return min(wanted, -(-n_blocks // n_workers))


def _raise_if_failed(job: Job, row: dict[str, str]) -> None:
    if not row["error"]:
        return
    if row["trace"]:
        log.error("%s, shard %s:\n%s", job.stage, row["name"], row["trace"])
    raise StageError(f"{job.stage}: {row['error']}")


def _worker_named(stage: str) -> type[_Worker]:
    """The worker under the name that Ray's dashboard shows: `Map(embed)`."""
    return type(stage, (_Worker,), {})


class _Worker:
    """The actor that Ray Data calls: reads a shard's rows, does the work, writes its parts.

    What goes wrong inside is returned as data, so that the driver can raise the error itself instead of the layers
    that Ray puts around it.
    """

    def __init__(self, job: bytes, attempts: Attempts, versions: tuple[str, ...]) -> None:
        self.packed, self.attempts, self.driver = job, attempts, Versions(*versions)
        self.work: Work | None = None
        self.lock = threading.Lock()
        work_under(attempts)
        give_back()

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        shard: Shard = pickle.loads(row["shard"])
        answer = {"name": shard.name, "error": "", "trace": "", "tally": ""}
        try:
            return {**answer, "tally": self._attempt(shard)}
        except RayscalerError as error:
            return {**answer, "error": str(error)}
        except Exception as error:  # the boundary between a stage's code and Ray
            return {**answer, "error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}

    def _attempt(self, shard: Shard) -> str:
        """The shard's tally as JSON; nothing if it must leave the pool."""
        begun = self.attempts.begin(shard.name)
        tally = begun.tally
        if not tally and begun.deaths < DEATHS and not begun.overdue:
            try:
                with self._deadline():
                    tally = json.dumps(self._do(shard))
            except MemoryError:
                log.exception("shard %s", shard.name)
        if tally:
            self.attempts.end(shard.name, tally)
        else:
            self.attempts.leave(shard.name)
        return tally

    def _do(self, shard: Shard) -> Tally:
        with self.lock:
            if self.work is None:
                skew(self.driver, these_versions())   # before anything of the job is unpickled
                self.job: Job = pickle.loads(self.packed)
                self.work = self.job.make_work(*self.job.arguments)
        return write_output(shard, self.work(payload_of(self.job.store, shard)), self.job)

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        """The end of this process if the block takes too long, even in C code that never lets go of the interpreter."""
        if not self.attempts.limit_s:
            yield
            return
        faulthandler.dump_traceback_later(self.attempts.limit_s, exit=True, file=STDERR)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
