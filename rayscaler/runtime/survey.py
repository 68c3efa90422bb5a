"""One pass over the files of a table that is all there: what its record says, and that no key occurs twice.

Every file is read once. Memory: a few files, one of them decoded, and what `Repeats` holds, whatever the table's size.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rayscaler.errors import TableError
from rayscaler.runtime.keys import marks_of
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.repeats import Repeats
from rayscaler.runtime.store import COUNTS, Ref, Store
from rayscaler.table import check_key

DECODED = 2**15
"""Keys that are decoded at a time."""


class Survey(NamedTuple):
    """Rows and files of a table, the digest of its bytes (`Store.content`), and what its parts' counts add up to."""

    rows: int
    files: int
    content: str
    rows_in: int
    reasons: dict[str, int]


class _Part(NamedTuple):
    digest: bytes
    rows: int
    rows_in: int
    reasons: dict[str, int]


def survey(store: Store, ref: Ref) -> Survey:
    """Look through all parts of `ref`. Raises TableError if a key occurs twice, or a part is no whole Parquet file."""
    whole, rows, files, rows_in, reasons = hashlib.sha256(), 0, 0, 0, Counter[str]()
    repeats = Repeats()
    for part in ahead(partial(_look, store, ref, repeats, threading.Lock()), store.parts(ref)):
        whole.update(part.digest)
        rows += part.rows
        files += 1
        rows_in += part.rows_in
        reasons.update(part.reasons)
    suspects = repeats.found()
    if len(suspects):
        check_key(ref.table, _rows_of(store, ref, suspects))
    return Survey(rows, files, whole.hexdigest(), rows_in, dict(sorted(reasons.items())))


def _look(store: Store, ref: Ref, repeats: Repeats, alone: threading.Lock, name: str) -> _Part:
    """Bytes are fetched side by side; one part at a time is decoded, which takes many times its bytes."""
    data = store.read_bytes(ref.folder, name)
    with alone:
        rows, metadata = _keys_of(store, ref, name, data, repeats)
    counts = json.loads(metadata.get(COUNTS.encode(), b"{}"))
    return _Part(hashlib.sha256(data).digest(), rows, counts.get("rows_in", 0), counts.get("reasons", {}))


def _keys_of(store: Store, ref: Ref, name: str, data: bytes, repeats: Repeats) -> tuple[int, dict[bytes, bytes]]:
    """Adds the marks of a part's keys to `repeats`; its number of rows and its metadata."""
    columns = list(ref.table.key)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        for batch in file.iter_batches(DECODED, columns=columns, use_threads=False):
            repeats.add(marks_of(pa.Table.from_batches([batch]).select(columns)))
    except (pa.ArrowInvalid, KeyError) as error:
        raise TableError(f"{store.uri}: {ref.folder}/{name} is no whole Parquet file of {ref.table} ({error}); "
                         "delete it and run again") from error
    return file.metadata.num_rows, file.metadata.metadata or {}


def _rows_of(store: Store, ref: Ref, marks: np.ndarray) -> pa.Table:
    """The keys of the rows that have one of these marks."""

    def found(name: str) -> pa.Table:
        keys = store.read_part(ref, name, list(ref.table.key))
        return keys.filter(pa.array(np.isin(marks_of(keys), marks)))

    return pa.concat_tables(ahead(found, store.parts(ref)))
