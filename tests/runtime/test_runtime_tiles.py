"""The backends give the same edges, and rows of vectors are read within their bound of memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from rayscaler.graph.edges import nearest_in_tile
from rayscaler.graph.edges_exact import NumpyScreen
from rayscaler.runtime import tiles
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import TorchScreen, VectorRows, matrix, part_lengths, screen_on, vector_column
from rayscaler.tables import DIMENSION, EMBEDDINGS

REF = Ref(EMBEDDINGS, "ab")


def unit(n: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(n, DIMENSION)) + rng.normal(size=DIMENSION)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def stored(folder: Path, vectors_ND: np.ndarray, lengths: list[int]) -> Store:
    store, start = Store(str(folder)), 0
    for number, length in enumerate(lengths):
        ids = pa.array([f"t{row:05d}" for row in range(start, start + length)], pa.string())
        part = pa.table([ids, vector_column(vectors_ND[start : start + length])], schema=EMBEDDINGS.schema)
        store.write_part(REF, f"part-{number:05d}.parquet", part)
        start += length
    return store


@pytest.mark.parametrize("same", [True, False])
def test_torch_and_numpy_find_the_same_edges_to_the_bit(same: bool):
    pool = unit(280)
    a, b = pool[:150], pool[:150] if same else pool[150:]
    found = [
        nearest_in_tile(a, b, tau=0.4, k=7, same=same, screen=screen)
        for screen in (NumpyScreen(), NumpyScreen(panel=32), TorchScreen("cpu"), TorchScreen("cpu", panel=64))
    ]
    assert len(found[0]) > 500
    for other in found[1:]:
        assert all(np.array_equal(x, y) for x, y in zip(found[0], other, strict=True))


def test_the_cpu_needs_no_torch():
    assert isinstance(screen_on("cpu"), NumpyScreen)


def test_rows_are_read_across_parts(tmp_path: Path):
    vectors_ND = unit(2600)
    store = stored(tmp_path, vectors_ND, [1500, 1, 0, 99, 1000])   # the first has two row groups
    rows = VectorRows(store, REF, part_lengths(store, REF))
    for start, stop in ((0, 2600), (0, 1), (1023, 1025), (1400, 1700), (1500, 1501), (2599, 2600), (5, 5)):
        assert np.array_equal(rows(start, stop), vectors_ND[start:stop])


def test_no_more_vectors_are_held_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = stored(tmp_path, unit(3000), [1000, 1000, 1000])
    monkeypatch.setattr(tiles, "HELD_MB", 3)   # two blocks of 900 rows take 2.6 MiB
    rows = VectorRows(store, REF, part_lengths(store, REF))
    first = rows(0, 900)
    assert rows(900, 1800) is rows(900, 1800)
    assert rows(0, 900) is first
    rows(1800, 2700)
    assert rows(0, 900) is first, "the range used last but one stays"
    assert len(rows._held) == 2


def test_vectors_survive_the_table(tmp_path: Path):
    vectors_ND = unit(5)
    assert np.array_equal(matrix(pa.chunked_array([vector_column(vectors_ND)])), vectors_ND)
    assert matrix(EMBEDDINGS.schema.empty_table()["vector"]).shape == (0, DIMENSION)
