"""Keys of many rows in 8 bytes each, where Python's own would take hundreds.

A mark is a 64-bit hash of a row's key: equal keys have equal marks, and of 10 million different keys two share a mark
once in some 370,000 tables. So a mark only suspects; whoever asks compares the keys themselves then. Marks hold inside
one process: they start from Python's `hash`, which each process seeds anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

_BITS, _FIRST, _SECOND = 2**64 - 1, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def marks_of(keys: pa.Table) -> np.ndarray:
    """One mark per row (uint64, N) of a table that has the key's columns alone, in their order."""
    marks_N = np.zeros(keys.num_rows, np.uint64)
    for column in keys.columns:
        encoded = pa.chunked_array(column.chunks, type=column.type).combine_chunks().dictionary_encode()
        values = encoded.dictionary.to_pylist()
        hashes = np.fromiter(map(hash, values), np.int64, len(values)).view(np.uint64)
        marks_N = _mixed(marks_N ^ hashes[encoded.indices.to_numpy()])
    return marks_N


def mark_of(key: Any) -> np.uint64:
    """The mark of one key of a single column: `marks_of` gives the same."""
    # In Python's own numbers: an array of one value costs ten times as much.
    value = hash(key) & _BITS
    value = (value ^ (value >> 30)) * _FIRST & _BITS
    value = (value ^ (value >> 27)) * _SECOND & _BITS
    return np.uint64(value ^ (value >> 31))


class Index(NamedTuple):
    """Where keys may be: marks, sorted, with the number of the row of each. 12 bytes per row."""

    marks_N: np.ndarray
    rows_N: np.ndarray

    @classmethod
    def of(cls, marks_N: np.ndarray) -> Index:
        """The index of rows with these marks."""
        order = np.argsort(marks_N, kind="stable")
        return cls(marks_N[order], order.astype(np.uint32 if len(order) < 2**32 else np.uint64))

    def suspects(self, key: Any) -> list[int]:
        """Numbers of the rows that have the key's mark, in row order: the caller compares the keys themselves."""
        mark = mark_of(key)
        low, high = (int(np.searchsorted(self.marks_N, mark, side)) for side in ("left", "right"))
        found: list[int] = self.rows_N[low:high].tolist()
        return found


def _mixed(values: np.ndarray) -> np.ndarray:
    """Every bit of each value spread over all 64, one to one (the finaliser of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(_FIRST)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(_SECOND)
    mixed: np.ndarray = values ^ (values >> np.uint64(31))
    return mixed
