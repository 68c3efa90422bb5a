"""Shards: units of work that become one part of each output table, whole or absent. `pool.py` runs them.

A shard is some rows of an input table, or a small JSON payload (a file to read, a tile to multiply). Its part is named
by a digest of what is in it, so a killed stage that starts again does only the shards whose parts are missing, and any
number of workers in any order leaves the same files. Workers read and write for themselves: rows do not pass through
the driver, Ray carries descriptors and counts.

With several output tables the last-declared parts are written first and the first table's part last: a shard is done
when its part of the first table is there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple, Protocol

import pyarrow as pa

from rayscaler.canonical import digest
from rayscaler.reasons import Rejected
from rayscaler.runtime.metrics import Tally, tally
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.store import COUNTS, Ref, Span, Store
from rayscaler.table import check, to_arrow

Rows = list[dict[str, Any]]


class Shard(NamedTuple):
    """One unit of work. `payload` is JSON; `spans` are rows of the stage's input table `source`, and `columns` what of
    them the work reads: all, if empty.
    """

    name: str
    payload: Any
    source: Ref | None = None
    spans: tuple[Span, ...] = ()
    columns: tuple[str, ...] = ()


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


MOST_SHARDS = 2**14
"""Shards of one pass over a table, and so files of the table that it writes. Beyond, shards grow: a file costs each of
its readers a round trip, and the driver one to name it; 16,384 leave each of 1,000 workers 16 turns."""


def table_shards(store: Store, ref: Ref, *, rows: int, columns: tuple[str, ...] = ()) -> list[Shard]:
    """The rows of a table in file order, in shards of `rows` (more only beyond MOST_SHARDS); each is named by its keys.

    A shard goes across parts, so that many small files become few.
    """
    size = max(rows, -(-store.n_rows(ref) // MOST_SHARDS))
    shards: list[Shard] = []
    spans: list[Span] = []
    named: list[Any] = []
    for part, keys in zip(parts := store.parts(ref), ahead(partial(store.part_keys, ref), parts), strict=True):
        start = 0
        while start < len(keys):
            chunk = keys[start : start + size - len(named)]
            spans.append(Span(part, start, start + len(chunk)))
            named += chunk
            start += len(chunk)
            if len(named) == size:
                shards.append(Shard(_name(len(shards), named), None, ref, tuple(spans), columns))
                spans, named = [], []
    if named:
        shards.append(Shard(_name(len(shards), named), None, ref, tuple(spans), columns))
    return shards


def payload_shards(payloads: list[Any], keys: list[Any] | None = None) -> list[Shard]:
    """One shard per JSON payload, named by its content, or by its key where the payload holds a path."""
    names = payloads if keys is None else keys
    return [Shard(_name(n, name), payload) for n, (name, payload) in enumerate(zip(names, payloads, strict=True))]


def _name(number: int, content: Any) -> str:
    return f"part-{number:05d}-{digest(content, length=16)}.parquet"


def _no_pieces(_row: Any) -> list[tuple[str, Any]]:
    return []


def _as_it_is(row: Any, _dead: set[str]) -> Any:
    return row


class ByRow(NamedTuple):
    """How to go through a shard whose worker dies: its payload is a list of rows that do not know each other.

    key: how `rejects` names a row. pieces: what a row can be taken apart into, each with its key and as a row of its
    own (the tools of a domain). without: the row without the pieces of these keys. All functions of modules: they
    pickle.
    """

    key: Callable[[Any], str]
    pieces: Callable[[Any], list[tuple[str, Any]]] = _no_pieces
    without: Callable[[Any, set[str]], Any] = _as_it_is


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
    by_row: ByRow | None = None
    """How rows that end their process are found; None where a shard cannot be taken apart."""


def payload_of(store: Store, shard: Shard) -> Any:
    """What the work is given: the shard's own payload, or the list of its rows."""
    if shard.source is None:
        return shard.payload
    columns = list(shard.columns) or None
    return pa.concat_tables([store.read_span(shard.source, span, columns) for span in shard.spans]).to_pylist()


def write_output(shard: Shard, output: Output, job: Job) -> Tally:
    """Write a shard's parts, that of the first table last; what there was of everything."""
    made = {ref.table.name: _arrow(ref, output, job.stage) for ref in job.targets}
    for ref in reversed(job.targets):
        job.store.write_part(ref, shard.name, made[ref.table.name])
    return tally(made, Counter(str(r.reason) for r in output.rejects))


def _arrow(ref: Ref, output: Output, stage: str) -> pa.Table:
    rows = output.rows.get(ref.table.name, [])
    if ref.table.name == "rejects":
        rows = reject_rows(stage, output.rejects)
    arrow = check(ref.table, rows) if isinstance(rows, pa.Table) else to_arrow(ref.table, rows)
    reasons = Counter(str(r.reason) for r in output.rejects)
    return counted(arrow, {"rows_in": output.rows_in, "reasons": reasons})


def rewrite_part(store: Store, part: str, ref: Ref, arrow: pa.Table, *, rejects: Ref, more: Rows) -> None:
    """Replace one part of `ref` by fewer rows and name the others in `rejects`, which is written first.

    A kill between the two loses nothing and repeats nothing: rows that `rejects` has already are not added again.
    """
    rows = store.read_part(rejects, part).to_pylist()
    rows += [row for row in more if row not in rows]
    counts = {**store.part_counts(ref, part), "reasons": Counter(row["reason"] for row in rows)}
    store.write_part(rejects, part, counted(to_arrow(rejects.table, rows), counts))
    store.write_part(ref, part, counted(arrow, counts))


def reject_rows(stage: str, rejects: list[Rejected]) -> Rows:
    """The rows of `rejects`."""
    return [{"stage": stage, "key": r.key, "reason": str(r.reason), "detail": r.detail} for r in rejects]


def counted(arrow: pa.Table, counts: dict[str, Any]) -> pa.Table:
    """`arrow` with what its shard counted, as `Store.part_counts` reads it."""
    return arrow.replace_schema_metadata({COUNTS: json.dumps(counts, sort_keys=True)})
