"""What a worker needs to multiply tiles: rows of a table of vectors in bounded memory, and a screen on CPU or GPU."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from rayscaler.graph.edges_exact import Hits, NumpyScreen, Screen
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.store import Ref, Span, Store

HELD_MB = 48
"""Vectors that one worker keeps, in MiB: four blocks of 8,192 tools of 384 dimensions. Others are read again."""

GPU_PANEL = 8192
"""Side of a product on a GPU: 256 MiB of single precision."""


class VectorRows:
    """Rows of a table with a `vector` column, by row number. `parts`: name and length of each part, in order."""

    def __init__(self, store: Store, ref: Ref, parts: list[tuple[str, int]]) -> None:
        self.store, self.ref, self.parts = store, ref, parts
        self._held: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def __call__(self, start: int, stop: int) -> np.ndarray:
        """Rows `start` to `stop` as float32 (N, D); the most recently asked-for ranges stay in memory."""
        if (start, stop) not in self._held:
            self._held[start, stop] = self._read(start, stop)
        self._held.move_to_end((start, stop))
        while len(self._held) > 1 and sum(rows.nbytes for rows in self._held.values()) > HELD_MB * 2**20:
            self._held.popitem(last=False)
        return self._held[start, stop]

    def _read(self, start: int, stop: int) -> np.ndarray:
        columns, before = [], 0
        for name, length in self.parts:
            low, high = max(start - before, 0), min(stop - before, length)
            if low < high:
                columns += self.store.read_span(self.ref, Span(name, low, high), ["vector"])["vector"].chunks
            before += length
        return matrix(pa.chunked_array(columns, type=self.ref.table.schema.field("vector").type))


def part_lengths(store: Store, ref: Ref) -> list[tuple[str, int]]:
    """Name and number of rows of each part, in row order; reads footers only."""
    parts = store.parts(ref)
    return list(zip(parts, ahead(partial(store.part_rows, ref), parts), strict=True))


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A column of vectors as one array, shape (N, D) float32."""
    width = column.type.list_size
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(flat).reshape(-1, width) if flat else np.zeros((0, width), np.float32)


def vector_column(vectors_ND: np.ndarray) -> pa.Array:
    """The inverse of `matrix`, without nulls."""
    flat = pa.array(np.ascontiguousarray(vectors_ND, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors_ND.shape[1])


def screen_on(device: str) -> Screen:
    """The screen for a worker: NumPy on `cpu`, torch on any other device."""
    return NumpyScreen() if device == "cpu" else TorchScreen(device)


def set_blas_threads(n_threads: int) -> None:
    """Threads of this process's matrix products. Workers that fill the cores must not each start a thread per core."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(n_threads, user_api="blas")


class TorchScreen:
    """The screen with torch, for a GPU. Only what is above the floor comes back from the device.

    TF32 is off: the error bound is that of IEEE single precision.
    """

    def __init__(self, device: str, panel: int = GPU_PANEL) -> None:
        import torch

        torch.set_float32_matmul_precision("highest")
        self.panel, self.device, self._torch = panel, torch.device(device), torch

    def __call__(self, a_AD: np.ndarray, b_BD: np.ndarray, floor: float) -> Hits:
        """The cells above `floor`, row by row."""
        flat = (self._there(a_AD) @ self._there(b_BD).T).reshape(-1)
        found = (flat > floor).nonzero().reshape(-1)
        a_E, b_E = np.divmod(found.cpu().numpy(), len(b_BD))
        return Hits(a_E, b_E, flat[found].cpu().numpy())

    def _there(self, vectors_ND: np.ndarray) -> Any:
        return self._torch.from_numpy(vectors_ND).to(self.device)
