"""Near-identical conversations: which ones say again what an earlier one says.

Two conversations are as alike as their word shingles: the size of the intersection over that of the union (Jaccard).
What counts is what user and agent say and which calls the agent makes with which arguments; system messages and tool
answers are left out, because conversations in one environment share them. Candidates come from locality-sensitive
hashing of MinHash signatures (`datasketch`), so no pair is compared that could not be alike; each candidate is then
compared exactly. A pair above the bound is missed with a small probability (hashing), never found wrongly.

Memory: 8 bytes per band and conversation (128 at a bound of 0.9), and up to 192 more for one that shares a band.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from datasketch import MinHash

PERMUTATIONS = 128
"""Values of a signature."""

SHINGLE = 5
"""Words of a shingle."""

MISSED = 0.001
"""Chance that a pair right at the bound is not compared; more alike, less chance."""

_WORD = re.compile(r"\w+")


class Duplicate(NamedTuple):
    """`key` says again what `other`, an earlier one that stays, says; `similarity` is the exact Jaccard value."""

    key: str
    other: str
    similarity: float


def shingles(texts: Iterable[str]) -> set[str]:
    """The distinct runs of five words in each of `texts`; a shorter text is one shingle."""
    found: set[str] = set()
    for text in texts:
        words = _WORD.findall(text.lower())
        found.update(" ".join(words[i:i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1)) if words)
    return found


def signature(found: Iterable[str]) -> list[int]:
    """The MinHash signature of a set of shingles: `PERMUTATIONS` whole numbers below 2**32. Same set, same numbers."""
    sketch = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32")
    sketch.update_batch([shingle.encode() for shingle in found])
    return [int(value) for value in sketch.hashvalues]


def jaccard(one: set[str], other: set[str]) -> float:
    """Shared shingles over all; 1 for two empty sets."""
    return len(one & other) / len(one | other) if one or other else 1.0


def bands(most: float) -> tuple[int, int]:
    """How many bands of how many values each, so that a pair as like as `most` is missed once in a thousand times.

    A pair is a candidate if all values of one band are equal: of b bands of r values, each equal with probability
    `most`, none is with probability (1 - most**r)**b. More values per band mean fewer candidates to compare.
    """
    fitting = [r for r in range(1, PERMUTATIONS // 2 + 1) if (1 - most**r) ** (PERMUTATIONS // r) <= MISSED]
    width = max(fitting, default=1)
    return PERMUTATIONS // width, width


def band_marks(signatures_NP: np.ndarray, *, most: float) -> np.ndarray:
    """One 64-bit hash per conversation and band (uint64, N x B): equal where all values of the band are equal."""
    number, width = bands(most)
    values = signatures_NP[:, : number * width].reshape(len(signatures_NP), number, width).astype(np.uint64)
    marks_NB = np.zeros(values.shape[:2], np.uint64)
    for column in range(width):
        marks_NB = marks_NB * np.uint64(0x9E3779B97F4A7C15) + values[:, :, column]
    return marks_NB


def near_duplicates(
    keys: Sequence[str], marks_NB: np.ndarray, shingles_of: Callable[[str], set[str]], *, most: float
) -> list[Duplicate]:
    """Every key that is more than `most` like an earlier one that stays, with the one that is most like it.

    keys: N conversations in the order in which they are to stay. marks_NB: their `band_marks` at `most`. shingles_of:
    asked for candidates only.
    """
    stays_N = np.zeros(len(keys), bool)
    found = []
    for row, earlier in _suspects(marks_NB):
        key = str(keys[row])
        near = sorted(str(keys[other]) for other in earlier[stays_N[earlier]].tolist())
        alike = [(jaccard(shingles_of(key), shingles_of(other)), other) for other in near]
        best = max(alike, default=(0.0, ""))
        if best[0] > most:
            found.append(Duplicate(key, best[1], best[0]))
        else:
            stays_N[row] = True
    return found


def _suspects(marks_NB: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The rows that share a band with another one, in order, each with the earlier rows that it shares one with.

    A place is a row in one band, ordered by band, mark and row: those who share a mark lie side by side.
    """
    kind = np.int32 if marks_NB.size < 2**31 else np.int64
    rows, starts, n_places = [np.zeros(0, kind)], [np.zeros(0, kind)], 0
    for mark_N in marks_NB.T:
        order = np.argsort(mark_N, kind="stable").astype(kind)
        begins = np.diff(mark_N[order], prepend=~mark_N[order][:1]) != 0
        group_N = np.cumsum(begins) - 1
        shared = np.bincount(group_N, minlength=1)[group_N] > 1
        rows.append(order[shared])
        first = np.flatnonzero(begins[shared])[np.cumsum(begins[shared]) - 1]
        starts.append((first + n_places).astype(kind))
        n_places += int(shared.sum())
    row_P, start_P = np.concatenate(rows), np.concatenate(starts)
    del rows, starts
    by_row = np.argsort(row_P, kind="stable").astype(kind)
    cuts = np.flatnonzero(np.diff(row_P[by_row], prepend=-1, append=len(marks_NB)))
    for start, stop in pairwise(cuts):
        places = by_row[start:stop].tolist()
        earlier = np.concatenate([row_P[start_P[place] : place] for place in places])
        yield int(row_P[places[0]]), np.unique(earlier)
