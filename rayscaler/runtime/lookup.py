"""Rows of a whole table by key, without holding the table: a worker's side input.

The key column is read once, into 12 bytes per row; rows are decoded row group by row group as they are asked for, and
the groups used last are kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from rayscaler.errors import TableNotFound
from rayscaler.runtime.keys import Index, marks_of
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.store import Ref, Span, Store

KEPT_MB = 16
"""Decoded rows that one lookup keeps in memory, in MiB; at least one group. Neighbours are asked for together."""


PARTS_KNOWN = 1024
"""Parts of which one lookup remembers where their groups begin."""


class _Index(NamedTuple):
    """Numbers of the rows in the table by key; and the row with which each part begins."""

    keys: Index
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
        self._groups: OrderedDict[Span, pa.Table] = OrderedDict()
        self._starts: dict[str, list[int]] = {}
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
        index = self._index
        for number in index.keys.suspects(key):
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
        return _Index(Index.of(marks_N), parts, np.cumsum(lengths) - lengths)

    def _row(self, index: _Index, part: int, number: int) -> dict[str, Any]:
        name = index.parts[part]
        starts = self._starts_of(name)
        group = bisect_right(starts, number)
        span = Span(name, starts[group - 1], starts[group])
        if span in self._groups:
            self._groups.move_to_end(span)
        else:
            self._keep(span, self._store.read_span(self._ref, span, self._columns))
        rows = self._groups[span]
        # Value by value: a slice of one row as a list takes five times as long.
        return {column: rows.column(i)[number - span.start].as_py() for i, column in enumerate(rows.column_names)}

    def _starts_of(self, part: str) -> list[int]:
        if part not in self._starts:
            if len(self._starts) == PARTS_KNOWN:
                self._starts.clear()
            self._starts[part] = self._store.group_starts(self._ref, part)
        return self._starts[part]

    def _keep(self, span: Span, rows: pa.Table) -> None:
        self._groups[span] = rows
        self._bytes += rows.nbytes
        while len(self._groups) > 1 and self._bytes > KEPT_MB * 2**20:
            _, oldest = self._groups.popitem(last=False)
            self._bytes -= oldest.nbytes
