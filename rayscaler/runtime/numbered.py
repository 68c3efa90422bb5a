"""Rows of a table by their numbers: those that one shard needs, wherever they lie, and nothing of the others."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from rayscaler.runtime.reading import ahead
from rayscaler.runtime.store import Ref, Span, Store

READERS = 2
"""Parts that are read at once. Of each row group the wanted rows are copied, and the group is let go."""

Parts = list[tuple[str, int]]
"""Name and number of rows of each part of a table, in row order."""


def rows_at(store: Store, ref: Ref, parts: Parts, rows_N: np.ndarray, columns: list[str]) -> pa.Table:
    """The rows with these numbers, in their order and as often as they are named; every row group is read once."""
    wanted_M, place_N = np.unique(rows_N, return_inverse=True)
    none = pa.schema([ref.table.schema.field(name) for name in columns]).empty_table()
    found = pa.concat_tables([none, *pieces_at(store, ref, parts, wanted_M, columns)])
    return found.combine_chunks().take(pa.array(place_N))


def pieces_at(
    store: Store, ref: Ref, parts: Parts, wanted_M: np.ndarray, columns: list[str]
) -> Iterator[pa.Table]:
    """The rows with these numbers, which ascend, those of one part at a time."""
    return ahead(partial(_taken, store, ref, columns), _by_part(parts, wanted_M), readers=READERS)


def _by_part(parts: Parts, wanted_M: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Each part that has wanted rows, with their places in it."""
    starts_P = np.cumsum([0, *(length for _, length in parts)])
    cuts_P = np.searchsorted(wanted_M, starts_P)
    for number in np.flatnonzero(np.diff(cuts_P)):
        yield parts[number][0], wanted_M[cuts_P[number] : cuts_P[number + 1]].astype(np.int64) - starts_P[number]


def _taken(store: Store, ref: Ref, columns: list[str], wanted: tuple[str, np.ndarray]) -> pa.Table:
    part, places = wanted
    starts = store.group_starts(ref, part)
    cuts_G = np.searchsorted(places, starts)
    pieces = []
    for group in np.flatnonzero(np.diff(cuts_G)):
        rows = store.read_span(ref, Span(part, starts[group], starts[group + 1]), columns)
        pieces.append(rows.take(pa.array(places[cuts_G[group] : cuts_G[group + 1]] - starts[group])))
    return pa.concat_tables(pieces)
