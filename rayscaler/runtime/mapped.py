"""Large side inputs in temporary files that are mapped into memory: pages that the system takes back when it is short.

A file has no name, so a kill leaves nothing. It needs room in the temporary folder, which `TMPDIR` names, and is memory
after all where that folder is one (tmpfs).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from mmap import ACCESS_READ, mmap
from typing import IO, cast

import numpy as np
import pyarrow as pa

from rayscaler.errors import StorageError
from rayscaler.runtime.reading import ahead, together
from rayscaler.runtime.store import Ref, Store

READERS = 4
"""Parts under way at once: sixteen, decoded, would be the most that a worker holds."""

PIECE = 2**22
"""Bytes of a mapped table that lie in one piece: parts of some hundred rows would make thousands of pieces."""


def mapped_rows(store: Store, ref: Ref, columns: list[str]) -> pa.Table:
    """Columns of a whole table, in row order."""
    schema = pa.schema([ref.table.schema.field(name) for name in columns])
    with _temporary(ref.table) as file:
        with pa.ipc.new_file(pa.PythonFile(file, "w"), schema) as writer:
            for rows in together(_parts(store, ref, columns), lambda table: table.nbytes / PIECE):
                writer.write_table(rows.combine_chunks())
        file.flush()
        pages = mmap(file.fileno(), 0, access=ACCESS_READ)
        return cast(pa.Table, pa.ipc.open_file(pa.BufferReader(pa.py_buffer(pages))).read_all())


def mapped_vectors(store: Store, ref: Ref) -> np.ndarray:
    """The `vector` column of a whole table as float32 (N, D), read-only."""
    width = ref.table.schema.field("vector").type.list_size
    with _temporary(ref.table) as file:
        n_rows = sum(_append(rows["vector"], file) for rows in _parts(store, ref, ["vector"]))
        file.flush()
        if not n_rows:
            return np.zeros((0, width), np.float32)
        return np.asarray(np.memmap(file, np.float32, "r", shape=(n_rows, width)))


def mapped_array(array: np.ndarray) -> np.ndarray:
    """The same values, read-only, one-dimensional."""
    with _temporary("an array") as file:
        file.write(np.ascontiguousarray(array).data)
        file.flush()
        return np.asarray(np.memmap(file, array.dtype, "r", shape=array.shape)) if array.size else array


def gathered(column: pa.ChunkedArray, rows_N: np.ndarray) -> pa.Array:
    """`column.take(rows_N)`, which would first copy the whole column if it has several chunks."""
    order = np.argsort(rows_N, kind="stable")
    sorted_N, place_N = rows_N[order], np.empty_like(order)
    place_N[order] = np.arange(len(order))
    starts = np.cumsum([0, *map(len, column.chunks)])
    cuts = np.searchsorted(sorted_N, starts)
    chunks = enumerate(column.chunks)
    pieces = [chunk.take(pa.array(sorted_N[cuts[i] : cuts[i + 1]] - starts[i])) for i, chunk in chunks]
    return pa.concat_arrays(pieces).take(pa.array(place_N)) if pieces else pa.array([], column.type)


def _parts(store: Store, ref: Ref, columns: list[str]) -> Iterator[pa.Table]:
    return ahead(partial(store.read_part, ref, columns=columns), store.parts(ref), readers=READERS)


def _append(vectors: pa.ChunkedArray, file: IO[bytes]) -> int:
    for chunk in vectors.chunks:
        file.write(chunk.flatten().to_numpy(zero_copy_only=False).tobytes())
    return len(vectors)


@contextmanager
def _temporary(what: object) -> Iterator[IO[bytes]]:
    try:
        with tempfile.TemporaryFile(prefix="rayscaler-") as file:
            yield file
    except StorageError:   # of the table that is read
        raise
    except OSError as error:
        raise StorageError(f"{what} cannot be laid into the temporary folder {tempfile.gettempdir()}: {error}. Make "
                           "room there, or name another one in TMPDIR") from error
