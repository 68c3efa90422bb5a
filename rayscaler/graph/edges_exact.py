"""Similarities that no processor and no BLAS can change, found with fast single-precision products.

Exact: unit vectors are rounded to 26 binary digits after the point, so that products are whole multiples of 2**-52 and
all their sums, in any order, fit the 53 digits of a double (they stay below 2). The double-precision dot product of two
such vectors is exact on any machine. The exact similarity of a pair is that number; as float32 it is what is stored.

Fast: a single-precision matrix product names the pairs that may matter, and only those are computed exactly. It may
err by `error_bound(D)` at most, so nothing that matters is missed:

    Let u = 2**-24, x = the real dot product of the float32 vectors a and b, s = the single-precision result, e = the
    exact similarity. Norms are at most n = 1.001.
    |s - x| <= g |a||b| <= g n**2 with g = D u / (1 - D u): Higham, Accuracy and Stability of Numerical Algorithms,
        2nd ed., section 3.1. It holds for any order of summation, with or without fused multiply-add, for syrk too;
        it does not hold for TF32 or bfloat16 products, which a screen must not use.
    |x - e| <= 2**-27 (|a|_1 + |e_b|_1) <= 2**-26 sqrt(D) (n + 2**-27 sqrt(D)): each number moved by at most 2**-27.
    2**-22 is added for what is smaller: underflow, sort keys, rounding a threshold or a similarity to float32.

D = 384: 2.35e-5. Observed over 2.7e8 pairs of a real pool: 1.2e-6.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np

from rayscaler.errors import ShapeError

POINT = 2.0**26
NORM_TOLERANCE = 1e-3
PANEL = 2048
"""Side of one product: 16 MiB of single precision. Measured on one core at D = 384: 512 to 4096 differ by 7%."""

CHUNK = 1024
"""Pairs gathered at a time: their vectors take 6 MiB."""

DENSE = 64
"""Above one pair in 64 cells of a panel, the whole double-precision product is faster than gathering rows."""


class Hits(NamedTuple):
    """Cells of a panel: row, column, and the single-precision similarity there."""

    a_E: np.ndarray
    b_E: np.ndarray
    value_E: np.ndarray

    def only(self, which_E: np.ndarray) -> Hits:
        """The cells of a mask."""
        return Hits(self.a_E[which_E], self.b_E[which_E], self.value_E[which_E])


class Screen(Protocol):
    """Finds the cells of `a @ b.T` above `floor` in single precision, at most `panel` rows and columns at a time."""

    panel: int

    def __call__(self, a_AD: np.ndarray, b_BD: np.ndarray, floor: float) -> Hits:
        """a, b: float32. May err by `error_bound(D)` in every cell."""
        ...


class NumpyScreen:
    """The screen on a CPU: NumPy's BLAS, with buffers that are allocated once."""

    def __init__(self, panel: int = PANEL) -> None:
        self.panel = panel
        self._product = np.empty(0, np.float32)
        self._above = np.empty(0, np.bool_)

    def __call__(self, a_AD: np.ndarray, b_BD: np.ndarray, floor: float) -> Hits:
        """The cells above `floor`, row by row."""
        n_cells = len(a_AD) * len(b_BD)
        if len(self._product) < n_cells:
            self._product, self._above = np.empty(n_cells, np.float32), np.empty(n_cells, np.bool_)
        flat, above = self._product[:n_cells], self._above[:n_cells]
        np.matmul(a_AD, b_BD.T, out=flat.reshape(len(a_AD), len(b_BD)))
        np.greater(flat, np.float32(floor), out=above)
        found = np.flatnonzero(above)   # a flat search is 3 times faster than a two-dimensional one
        a_E, b_E = np.divmod(found, len(b_BD))
        return Hits(a_E, b_E, flat[found])


def error_bound(dimension: int) -> float:
    """How far a single-precision similarity may be from the exact one; the proof is at the top of this file."""
    norm, u = 1 + NORM_TOLERANCE, 2.0**-24
    summing = dimension * u / (1 - dimension * u) * norm**2
    rounding = 2.0**-26 * math.sqrt(dimension) * (norm + 2.0**-27 * math.sqrt(dimension))
    return summing + rounding + 2.0**-22


def unit_rows(vectors_ND: np.ndarray) -> np.ndarray:
    """The vectors as a float32 matrix. ShapeError if they are no matrix or a row is not of unit length (to 1e-3)."""
    if vectors_ND.ndim != 2:
        raise ShapeError(f"vectors: expected a matrix (tools, dimensions), found {vectors_ND.ndim} axes")
    single = np.ascontiguousarray(vectors_ND, dtype=np.float32)
    norms = np.sqrt(np.einsum("nd,nd->n", single, single))
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))
    if len(wrong):
        raise ShapeError(
            f"vectors: {len(wrong)} of {len(norms)} rows are not of unit length, first row {wrong[0]} "
            f"with {norms[wrong[0]]:.4f}; normalise them"
        )
    return single


def exact_similarity(a_AD: np.ndarray, b_BD: np.ndarray, a_E: np.ndarray, b_E: np.ndarray) -> np.ndarray:
    """The exact similarity of `a[a_E[e]]` and `b[b_E[e]]` for each pair e, float64; rows are of unit length."""
    if len(a_E) * DENSE > len(a_AD) * len(b_BD):
        whole = _fixed_point(a_AD) @ _fixed_point(b_BD).T
        return np.asarray(whole[a_E, b_E] / POINT**2)
    found = np.empty(len(a_E), np.float64)
    for start in range(0, len(a_E), CHUNK):
        chunk = slice(start, start + CHUNK)
        a_CD, b_CD = _fixed_point(a_AD[a_E[chunk]]), _fixed_point(b_BD[b_E[chunk]])
        np.einsum("cd,cd->c", a_CD, b_CD, out=found[chunk])
    found /= POINT**2
    return found


def _fixed_point(vectors_ND: np.ndarray) -> np.ndarray:
    """Rows as whole numbers of 2**-26, in float64."""
    exact = vectors_ND.astype(np.float64)
    exact *= POINT
    return np.rint(exact, out=exact)
