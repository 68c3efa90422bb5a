"""One pass over the files of a table that is all there: what its record says, and that no key occurs twice.

Every file is read once. Memory: 8 bytes per row (16 for a moment, while they are sorted) and a few files.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from rayscaler.errors import TableError
from rayscaler.runtime.keys import marks_of, repeated
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.store import COUNTS, Ref, Store
from rayscaler.table import check_key


class Survey(NamedTuple):
    """Rows and files of a table, the digest of its bytes (`Store.content`), and what its parts' counts add up to."""

    rows: int
    files: int
    content: str
    rows_in: int
    reasons: dict[str, int]


class _Part(NamedTuple):
    digest: bytes
    marks_N: np.ndarray
    rows_in: int
    reasons: dict[str, int]


def survey(store: Store, ref: Ref) -> Survey:
    """Look through all parts of `ref`. Raises TableError if a key occurs twice, or a part is no whole Parquet file."""
    whole, marks, rows_in, reasons = hashlib.sha256(), [], 0, Counter[str]()
    for part in ahead(partial(_look, store, ref), store.parts(ref)):
        whole.update(part.digest)
        marks.append(part.marks_N)
        rows_in += part.rows_in
        reasons.update(part.reasons)
    n_files = len(marks)
    marks_N = np.concatenate(marks) if marks else np.zeros(0, np.uint64)
    del marks
    suspects = repeated(marks_N)
    if len(suspects):
        check_key(ref.table, _rows_of(store, ref, suspects))
    return Survey(len(marks_N), n_files, whole.hexdigest(), rows_in, dict(sorted(reasons.items())))


def _look(store: Store, ref: Ref, name: str) -> _Part:
    data = store.read_bytes(ref.folder, name)
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        keys = file.read(columns=list(ref.table.key), use_threads=False).select(list(ref.table.key))
    except (pa.ArrowInvalid, KeyError) as error:
        raise TableError(f"{store.uri}: {ref.folder}/{name} is no whole Parquet file of {ref.table} ({error}); "
                         "delete it and run again") from error
    counts = json.loads((file.metadata.metadata or {}).get(COUNTS.encode(), b"{}"))
    return _Part(hashlib.sha256(data).digest(), marks_of(keys), counts.get("rows_in", 0), counts.get("reasons", {}))


def _rows_of(store: Store, ref: Ref, marks: np.ndarray) -> pa.Table:
    """The keys of the rows that have one of these marks."""

    def found(name: str) -> pa.Table:
        keys = store.read_part(ref, name, list(ref.table.key))
        return keys.filter(pa.array(np.isin(marks_of(keys), marks)))

    return pa.concat_tables(ahead(found, store.parts(ref)))
