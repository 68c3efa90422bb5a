"""Rows of a whole table by key, without holding the table: a worker's side input.

The key column is read once; rows are decoded part by part as they are asked for, and the parts used last are kept.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pyarrow as pa

from rayscaler.errors import TableNotFound
from rayscaler.runtime.store import Ref, Span, Store

KEPT_SPANS = 32
"""Decoded runs of rows kept in memory."""

RUN = 256
"""Rows decoded together."""


class Lookup:
    """`lookup[key]` is the row of `ref` whose `column` (the table's key, if not given) is `key`.

    columns: the columns to decode; all, if not given.
    """

    def __init__(self, store: Store, ref: Ref, column: str = "", *, columns: tuple[str, ...] = ()) -> None:
        self._store, self._ref, self._columns = store, ref, list(columns) or None
        self._column = column or ref.table.key[0]
        self._places: dict[str, list[tuple[str, int]]] | None = None
        self._lengths: dict[str, int] = {}
        self._spans: OrderedDict[tuple[str, int], pa.Table] = OrderedDict()

    def __getitem__(self, key: str) -> dict[str, Any]:
        """The first row with this key. TableNotFound if there is none."""
        rows = self.all(key)
        if not rows:
            raise TableNotFound(f"{self._ref.table}.{self._column}: no row {key!r}")
        return rows[0]

    def all(self, key: str) -> list[dict[str, Any]]:
        """Every row whose column is `key`, in table order."""
        return [self._row(part, number) for part, number in self._index().get(key, [])]

    def _index(self) -> dict[str, list[tuple[str, int]]]:
        if self._places is None:
            self._places = {}
            for part in self._store.parts(self._ref):
                column = self._store.read_part(self._ref, part, [self._column]).column(0).to_pylist()
                self._lengths[part] = len(column)
                for number, key in enumerate(column):
                    self._places.setdefault(key, []).append((part, number))
        return self._places

    def _row(self, part: str, number: int) -> dict[str, Any]:
        start = number // RUN * RUN
        span = self._spans.pop((part, start), None)
        if span is None:
            stop = min(start + RUN, self._lengths[part])
            span = self._store.read_span(self._ref, Span(part, start, stop), self._columns)
        self._spans[part, start] = span
        if len(self._spans) > KEPT_SPANS:
            self._spans.popitem(last=False)
        row: dict[str, Any] = span.slice(number - start, 1).to_pylist()[0]
        return row
