"""Sharded work on Ray Data: each shard of the input becomes one part of each output, whole or absent.

A shard is some rows of an input table, or a small JSON payload (a file to read, a tile to multiply). Its part is named
by a digest of what is in it, so a killed stage that starts again does only the shards whose parts are missing, and any
number of workers in any order leaves the same files. Workers read and write for themselves: rows do not pass through
the driver, Ray carries descriptors and counts.

With several output tables the last-declared parts are written first and the first table's part last: a shard is done
when its part of the first table is there.
"""

from __future__ import annotations

import json
import logging
import pickle
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, cast

import pyarrow as pa

from rayscaler.canonical import digest
from rayscaler.errors import RayscalerError, StageError
from rayscaler.reasons import Rejected
from rayscaler.resources import Resources
from rayscaler.runtime.cluster import pool_size, silence_ray_data
from rayscaler.runtime.metrics import StageMetrics, Tally, tally
from rayscaler.runtime.store import COUNTS, Ref, Span, Store
from rayscaler.table import check, to_arrow

log = logging.getLogger(__name__)

MAX_BLOCKS = 256
"""Ray Data blocks per stage. A block costs about 50 ms, so many small shards share one."""

NEVER = -1
"""Ray Data's word for no limit: work that waits has limits of its own."""

Rows = list[dict[str, Any]]


class Shard(NamedTuple):
    """One unit of work. `payload` is JSON; `spans` are rows of the stage's input table `source`."""

    name: str
    payload: Any
    source: Ref | None = None
    spans: tuple[Span, ...] = ()


class Output(NamedTuple):
    """What one shard gives: rows per table name (or Arrow), how many things went in, and what was left out."""

    rows: Mapping[str, Rows | pa.Table]
    rows_in: int
    rejects: list[Rejected] = []


class Work(Protocol):
    """One worker's view of a stage: built once per actor, then called for one shard after another."""

    def __call__(self, payload: Any, /) -> Output:
        """`payload` is the shard's own, or the list of its rows if it has spans."""
        ...


def table_shards(store: Store, ref: Ref, *, rows: int) -> list[Shard]:
    """The rows of a table in shards of at most `rows`, in file order; each is named by its keys."""
    shards: list[Shard] = []
    for part in store.parts(ref):
        keys = store.part_keys(ref, part)
        for start in range(0, len(keys), rows):
            chunk = keys[start : start + rows]
            span = Span(part, start, start + len(chunk))
            shards.append(Shard(_name(len(shards), chunk), None, ref, (span,)))
    return shards


def payload_shards(payloads: list[Any], keys: list[Any] | None = None) -> list[Shard]:
    """One shard per JSON payload, named by its content, or by its key where the payload holds a path."""
    names = payloads if keys is None else keys
    return [Shard(_name(n, name), payload) for n, (name, payload) in enumerate(zip(names, payloads, strict=True))]


def _name(number: int, content: Any) -> str:
    return f"part-{number:05d}-{digest(content, length=16)}.parquet"


class Job(NamedTuple):
    """What every worker of one pass over the shards must know. All of it must pickle."""

    stage: str
    store: Store
    make_work: Callable[..., Work]
    arguments: tuple[Any, ...]
    targets: tuple[Ref, ...]
    gpus: float = 0.0
    at_once: int = 1
    """Shards that one worker has in work, each in a thread of its own: for work that waits for others."""


def run_shards(shards: list[Shard], job: Job, resources: Resources, progress: Callable[[int, int], None]) -> None:
    """Run every shard whose part is missing. Raises StageError with the worker's own error if one fails."""
    done = set(job.store.parts(job.targets[0]))
    missing = [shard for shard in shards if shard.name not in done]
    finished = len(shards) - len(missing)
    progress(finished, len(shards))
    if not missing:
        return
    metrics = StageMetrics(job.stage, finished, len(shards))
    for made in _on_ray(missing, job, resources):
        finished += 1
        metrics.add(made)
        progress(finished, len(shards))


def _on_ray(shards: list[Shard], job: Job, resources: Resources) -> Iterator[Tally]:
    import ray

    silence_ray_data()
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_no_progress_timeout_s = resources.stall_s if job.at_once == 1 else NEVER
    items = [{"shard": pickle.dumps(shard)} for shard in shards]
    size = min(pool_size(resources, gpus=job.gpus), len(items))
    work = ray.data.from_items(items, override_num_blocks=min(len(items), MAX_BLOCKS)).map(
        cast(Any, _worker_named(job.stage)),
        fn_constructor_args=(job,),
        # All at once: a pool that grows from one actor to two takes a second and a half longer.
        compute=ray.data.ActorPoolStrategy(
            min_size=1, max_size=size, initial_size=size,
            max_concurrent_calls_per_actor=job.at_once, enable_true_multi_threading=job.at_once > 1,
        ),
        num_cpus=resources.worker_cpus,
        num_gpus=job.gpus or None,
    )
    work.set_name(f"rayscaler_{job.stage}")
    try:
        for row in work.iter_rows():
            _raise_if_failed(job, row)
            yield Tally(*json.loads(row["tally"]))
    except ray.exceptions.RayError as error:
        raise StageError(f"{job.stage}: the workers could not finish: {error}") from error


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

    def __init__(self, job: Job) -> None:
        self.job = job
        self.work: Work | None = None
        self.lock = threading.Lock()

    def __call__(self, row: dict[str, Any]) -> dict[str, str]:
        shard: Shard = pickle.loads(row["shard"])
        answer = {"name": shard.name, "error": "", "trace": "", "tally": ""}
        try:
            return {**answer, "tally": json.dumps(self._do(shard))}
        except RayscalerError as error:
            return {**answer, "error": str(error)}
        except Exception as error:  # the boundary between a stage's code and Ray
            return {**answer, "error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}

    def _do(self, shard: Shard) -> Tally:
        with self.lock:
            if self.work is None:
                self.work = self.job.make_work(*self.job.arguments)
        output = self.work(self._rows(shard) if shard.source else shard.payload)
        made = {ref.table.name: self._arrow(ref, output) for ref in self.job.targets}
        for ref in reversed(self.job.targets):
            self.job.store.write_part(ref, shard.name, made[ref.table.name])
        return tally(made, Counter(str(r.reason) for r in output.rejects))

    def _rows(self, shard: Shard) -> Rows:
        assert shard.source is not None
        store = self.job.store
        rows: Rows = pa.concat_tables([store.read_span(shard.source, span) for span in shard.spans]).to_pylist()
        return rows

    def _arrow(self, ref: Ref, output: Output) -> pa.Table:
        rows = output.rows.get(ref.table.name, [])
        if ref.table.name == "rejects":
            rows = reject_rows(self.job.stage, output.rejects)
        arrow = check(ref.table, rows) if isinstance(rows, pa.Table) else to_arrow(ref.table, rows)
        reasons = Counter(str(r.reason) for r in output.rejects)
        return _counted(arrow, {"rows_in": output.rows_in, "reasons": reasons})


def rewrite_part(store: Store, part: str, ref: Ref, arrow: pa.Table, *, rejects: Ref, more: Rows) -> None:
    """Replace one part of `ref` by fewer rows and name the others in `rejects`, which is written first.

    A kill between the two loses nothing and repeats nothing: rows that `rejects` has already are not added again.
    """
    rows = store.read_part(rejects, part).to_pylist()
    rows += [row for row in more if row not in rows]
    counts = {**store.part_counts(ref, part), "reasons": Counter(row["reason"] for row in rows)}
    store.write_part(rejects, part, _counted(to_arrow(rejects.table, rows), counts))
    store.write_part(ref, part, _counted(arrow, counts))


def reject_rows(stage: str, rejects: list[Rejected]) -> Rows:
    """The rows of `rejects`."""
    return [{"stage": stage, "key": r.key, "reason": str(r.reason), "detail": r.detail} for r in rejects]


def _counted(arrow: pa.Table, counts: dict[str, Any]) -> pa.Table:
    return arrow.replace_schema_metadata({COUNTS: json.dumps(counts, sort_keys=True)})
