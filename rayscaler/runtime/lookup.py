"""Rows of a whole table by key, without holding the table: a worker's side input.

The key column is read once, into 12 bytes per row; rows are decoded run by run as they are asked for, and the runs used
last are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from rayscaler.errors import TableNotFound
from rayscaler.runtime.keys import mark_of, marks_of
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.store import Ref, Span, Store

KEPT_MB = 64
"""Decoded rows that one lookup keeps in memory, in MiB; at least one run."""

RUN = 256
"""Rows decoded together."""


class _Index(NamedTuple):
    """Marks of the keys, sorted, with the number of each row in the table; and the row with which each part begins."""

    marks_N: np.ndarray
    rows_N: np.ndarray
    parts: list[str]
    starts_P: np.ndarray


class Lookup:
    """`lookup[key]` is the row of `ref` whose `column` (the table's key, if not given) is `key`.

    columns: the columns to decode, `column` with them; all, if not given.
    """

    def __init__(self, store: Store, ref: Ref, column: str = "", *, columns: tuple[str, ...] = ()) -> None:
        self._store, self._ref = store, ref
        self._column = column or ref.table.key[0]
        self._columns = list(dict.fromkeys((*columns, self._column))) if columns else None
        self._index: _Index | None = None
        self._runs: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()
        self._bytes = 0

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The first row with this key. TableNotFound if there is none."""
        found = self.get(key)
        if found is None:
            raise TableNotFound(f"{self._ref.table}.{self._column}: no row {key!r}")
        return found

    def get(self, key: str) -> dict[str, Any] | None:
        """The first row with this key, or None."""
        return next(self._found(key), None)

    def all(self, key: str) -> list[dict[str, Any]]:
        """Every row whose column is `key`, in table order."""
        return list(self._found(key))

    def _found(self, key: str) -> Iterator[dict[str, Any]]:
        if self._index is None:
            self._index = self._read_index()
        mark, index = mark_of(key), self._index
        low, high = (int(np.searchsorted(index.marks_N, mark, side)) for side in ("left", "right"))
        for number in index.rows_N[low:high].tolist():
            part = int(np.searchsorted(index.starts_P, number, "right")) - 1
            row = self._row(index, part, number - int(index.starts_P[part]))
            if row[self._column] == key:
                yield row

    def _read_index(self) -> _Index:
        parts = self._store.parts(self._ref)
        read = partial(self._store.read_part, self._ref, columns=[self._column])
        marks = [marks_of(keys) for keys in ahead(read, parts)]
        lengths = np.array([len(found) for found in marks], np.int64)
        marks_N = np.concatenate(marks) if marks else np.zeros(0, np.uint64)
        order = np.argsort(marks_N, kind="stable")
        rows_N = order.astype(np.uint32 if len(order) < 2**32 else np.uint64)
        return _Index(marks_N[order], rows_N, parts, np.cumsum(lengths) - lengths)

    def _row(self, index: _Index, part: int, number: int) -> dict[str, Any]:
        name, start = index.parts[part], number // RUN * RUN
        if (name, start) in self._runs:
            self._runs.move_to_end((name, start))
        else:
            # A slice that ends beyond its part is as long as the part allows.
            self._keep((name, start), self._store.read_span(self._ref, Span(name, start, start + RUN), self._columns))
        run = self._runs[name, start]
        # Value by value: a slice of one row as a list takes five times as long.
        return {column: run.column(i)[number - start].as_py() for i, column in enumerate(run.column_names)}

    def _keep(self, place: tuple[str, int], run: pa.Table) -> None:
        """Counts whole buffers: a slice keeps alive what it was cut from."""
        self._runs[place] = run
        self._bytes += run.get_total_buffer_size()
        while len(self._runs) > 1 and self._bytes > KEPT_MB * 2**20:
            _, oldest = self._runs.popitem(last=False)
            self._bytes -= oldest.get_total_buffer_size()
