"""Rows of a table by their numbers: those that one shard needs, wherever they lie, and nothing of the others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from rayscaler.runtime.reading import ahead
from rayscaler.runtime.store import ROW_GROUP, Ref, Span, Store

READERS = 4
"""Row groups that are decoded at once. Of each the wanted rows are copied, and the group is let go."""

Parts = list[tuple[str, int]]
"""Name and number of rows of each part of a table, in row order."""


def rows_at(store: Store, ref: Ref, parts: Parts, rows_N: np.ndarray, columns: list[str]) -> pa.Table:
    """The rows with these numbers, in their order and as often as they are named; every row group is read once."""
    wanted_M, place_N = np.unique(rows_N, return_inverse=True)
    read = partial(_taken, store, ref, columns)
    found = pa.concat_tables([*ahead(read, _groups(parts, wanted_M), readers=READERS), _none(ref, columns)])
    return found.combine_chunks().take(pa.array(place_N))


def _groups(parts: Parts, wanted_M: np.ndarray) -> Iterator[tuple[Span, np.ndarray]]:
    """Each row group that has wanted rows, with their places in it."""
    starts_P = np.cumsum([0, *(length for _, length in parts)])
    cuts_P = np.searchsorted(wanted_M, starts_P)
    for number in np.flatnonzero(np.diff(cuts_P)):
        part, length = parts[number]
        of_part = wanted_M[cuts_P[number] : cuts_P[number + 1]].astype(np.int64) - starts_P[number]
        for group in np.unique(of_part // ROW_GROUP):
            start = int(group) * ROW_GROUP
            span = Span(part, start, min(start + ROW_GROUP, length))
            yield span, of_part[of_part // ROW_GROUP == group] - start


def _taken(store: Store, ref: Ref, columns: list[str], group: tuple[Span, np.ndarray]) -> pa.Table:
    span, places = group
    return store.read_span(ref, span, columns).take(pa.array(places))


def _none(ref: Ref, columns: list[str]) -> pa.Table:
    return pa.schema([ref.table.schema.field(name) for name in columns]).empty_table()
