"""The nearest tools of each tool by exact cosine similarity, tile by tile (AgentScaler section 2.1, eq. 1).

The upper triangle of the similarity matrix is cut into tiles that any worker can do alone; each tile keeps the best k
of every row and of every column, and merging the tiles gives each tool's best k.

Invariant: the merged result is the same to the bit for any tile, order, processor, BLAS or backend, because
similarities are exact (`edges_exact`). Similarity exactly tau is no edge; equal similarities are ordered by `dst`.

Memory of one tile: its vectors, one panel (21 MiB), and 20 bytes for each pair kept, at most k per row and column of
a panel. A panel in which everything is near everything else takes up to 0.5 GiB for a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from rayscaler.errors import ShapeError
from rayscaler.graph.edges_exact import Hits, NumpyScreen, Screen, error_bound, exact_similarity, unit_rows

MERGED_TOGETHER = 4
"""Tiles whose pairs are held at a time while they are merged; what is not among the best of them is dropped."""


class Nearest(NamedTuple):
    """Directed pairs: `dst` is among the nearest of `src`. Sorted by src, then nearest first, then dst.

    src, dst: one-dimensional arrays of one dtype that sorts (indices, or ids); similarity: float32.
    """

    src_E: np.ndarray
    dst_E: np.ndarray
    similarity_E: np.ndarray

    def __len__(self) -> int:
        return len(self.src_E)


class Tile(NamedTuple):
    """One block of rows against another (`row <= column`): tools [a, a_end) with tools [b, b_end)."""

    row: int
    column: int
    a: int
    a_end: int
    b: int
    b_end: int

    @property
    def same(self) -> bool:
        """Whether the tile lies on the diagonal."""
        return self.row == self.column


def tiles(n: int, block: int) -> Iterator[Tile]:
    """The tiles of the upper triangle for `n` tools in blocks of `block`; the last block may be shorter."""
    starts = range(0, n, block)
    for row, a in enumerate(starts):
        for column, b in enumerate(starts):
            if row <= column:
                yield Tile(row, column, a, min(a + block, n), b, min(b + block, n))


def nearest_in_tile(
    a_AD: np.ndarray, b_BD: np.ndarray, *, tau: float, k: int, same: bool, a_start: int = 0, b_start: int = 0,
    screen: Screen | None = None,
) -> Nearest:
    """The k nearest above `tau` inside one tile: of each row of `a` among `b`, and of each row of `b` among `a`.

    Rows are unit vectors (checked to 1e-3), numbered from `a_start` and `b_start`. `same`: `b` is `a`, a tile on the
    diagonal; no tool is its own neighbour. `screen`: what multiplies, NumPy by default.
    Raises ShapeError if the shapes differ or a row is not of unit length.
    """
    found = []
    for pairs in _panels(a_AD, b_BD, screen, tau=tau, k=k, same=same):
        src_E, dst_E = pairs.src_E + a_start, pairs.dst_E + b_start
        both = (np.concatenate((src_E, dst_E)), np.concatenate((dst_E, src_E)), np.tile(pairs.similarity_E, 2))
        found.append(best(Nearest(*both), k=k))
    return merge_nearest(found, k=k)


def pairs_in_tile(
    a_AD: np.ndarray, b_BD: np.ndarray, *, tau: float, same: bool, a_start: int = 0, b_start: int = 0,
    screen: Screen | None = None,
) -> Nearest:
    """Every pair above `tau` inside one tile, once (src < dst if `same`). Arguments and errors as `nearest_in_tile`."""
    src_E, dst_E, similarity_E = _joined(list(_panels(a_AD, b_BD, screen, tau=tau, k=None, same=same)))
    return Nearest(src_E + a_start, dst_E + b_start, similarity_E)


def merge_nearest(parts: Iterable[Nearest], *, k: int) -> Nearest:
    """The k nearest of each tool over tiles: what one tile over all tools would have kept. No pair occurs twice.

    Never holds more than a few tiles' pairs: those that so far are not among the best are dropped on the way.
    """
    held: list[Nearest] = []
    for part in parts:
        held.append(part)
        if len(held) == MERGED_TOGETHER:
            held = [best(_joined(held), k=k)]
    return best(_joined(held), k=k)


def best(pairs: Nearest, *, k: int) -> Nearest:
    """The k most similar `dst` of each `src`, equal similarities by `dst`."""
    order = np.lexsort((pairs.dst_E, -pairs.similarity_E, pairs.src_E))
    src_E = pairs.src_E[order]
    kept = order[ranks(src_E) <= k]
    return Nearest(pairs.src_E[kept], pairs.dst_E[kept], pairs.similarity_E[kept])


def ranks(src_E: np.ndarray) -> np.ndarray:
    """1 for the first row of each run of equal `src`, 2 for the next …: the rank of sorted pairs."""
    starts = np.flatnonzero(np.concatenate(([True], src_E[1:] != src_E[:-1]))[: len(src_E)])
    lengths = np.diff(np.concatenate((starts, [len(src_E)])))
    return (np.arange(len(src_E)) - np.repeat(starts, lengths) + 1).astype(np.int32)


def _panels(
    a_AD: np.ndarray, b_BD: np.ndarray, screen: Screen | None, *, tau: float, k: int | None, same: bool
) -> Iterator[Nearest]:
    """Panel by panel, the pairs above `tau` that may be among the best k of their row or of their column.

    Similarities are exact. On the diagonal each pair comes once, the smaller number first.
    """
    screen = screen or NumpyScreen()
    a_AD, b_BD = unit_rows(a_AD), unit_rows(b_BD)
    if a_AD.shape[1] != b_BD.shape[1]:
        raise ShapeError(f"tile: a has {a_AD.shape[1]} dimensions, b has {b_BD.shape[1]}; both sides must agree")
    error, side = error_bound(a_AD.shape[1]), screen.panel
    a_floor = np.full(len(a_AD), -np.inf)
    b_floor = a_floor if same else np.full(len(b_BD), -np.inf)
    for i in range(0, len(a_AD), side):
        for j in range(i if same else 0, len(b_BD), side):
            a_PD, b_PD = a_AD[i : i + side], b_BD[j : j + side]
            hits = screen(a_PD, b_PD, tau - error)
            if same and i == j:
                hits = hits.only(hits.a_E < hits.b_E)
            if k is not None:
                hits = _contenders(hits, k, 2 * error, a_floor[i : i + side], b_floor[j : j + side])
            exact_E = exact_similarity(a_PD, b_PD, hits.a_E, hits.b_E)
            above = exact_E > tau
            yield Nearest(hits.a_E[above] + i, hits.b_E[above] + j, exact_E[above].astype(np.float32))


def _contenders(hits: Hits, k: int, gap: float, a_floor: np.ndarray, b_floor: np.ndarray) -> Hits:
    """The hits that may be among the best k of their row or of their column; raises the floors to what it sees.

    A floor is the k-th best of a row, or column, in some panel so far. A hit more than `gap`, two error bounds, below
    it is exactly below k others, and by more than a float32 step: it cannot tie with them once stored.
    """
    hits = hits.only(_near(hits, gap, a_floor, b_floor))
    _raise_floor(a_floor, hits.a_E, hits.value_E, k)
    _raise_floor(b_floor, hits.b_E, hits.value_E, k)
    return hits.only(_near(hits, gap, a_floor, b_floor))


def _near(hits: Hits, gap: float, a_floor: np.ndarray, b_floor: np.ndarray) -> np.ndarray:
    return np.asarray((hits.value_E >= (a_floor - gap)[hits.a_E]) | (hits.value_E >= (b_floor - gap)[hits.b_E]))


def _raise_floor(floor: np.ndarray, group_E: np.ndarray, value_E: np.ndarray, k: int) -> None:
    """Raise each group's floor to its k-th largest value. One sort of plain numbers: 15 times faster than `lexsort`."""
    counts = np.bincount(group_E, minlength=len(floor))
    full = np.flatnonzero(counts >= k)
    if len(full):
        keys = 4.0 * group_E - value_E   # groups one after another, in each the largest first; exact to 2**-37
        keys.sort()
        kth = 4.0 * full - keys[np.cumsum(counts)[full] - counts[full] + k - 1]
        floor[full] = np.maximum(floor[full], kth)


def _joined(parts: list[Nearest]) -> Nearest:
    """Parts one after another."""
    if not parts:
        return Nearest(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32))
    return Nearest(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
