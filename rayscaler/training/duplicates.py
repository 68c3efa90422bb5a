"""Near-identical conversations: which ones say again what an earlier one says.

Two conversations are as alike as their word shingles: the size of the intersection over that of the union (Jaccard).
What counts is what user and agent say and which calls the agent makes with which arguments; system messages and tool
answers are left out, because conversations in one environment share them. Candidates come from locality-sensitive
hashing of MinHash signatures (`datasketch`), so no pair is compared that could not be alike; each candidate is then
compared exactly. A pair above the bound is missed with a small probability (hashing), never found wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from datasketch import MinHash, MinHashLSH

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


def near_duplicates(
    keys: Sequence[str], signatures_NP: np.ndarray, shingles_of: Callable[[str], set[str]], *, most: float
) -> list[Duplicate]:
    """Every key that is more than `most` like an earlier one that stays, with the one that is most like it.

    keys: N conversations in the order in which they are to stay. signatures_NP: their signatures. shingles_of: asked
    for candidates only.
    """
    index = MinHashLSH(num_perm=PERMUTATIONS, params=bands(most))
    found = []
    for key, values in zip(keys, signatures_NP, strict=True):
        sketch = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32", hashvalues=values)
        mine = shingles_of(key) if (near := sorted(map(str, index.query(sketch)))) else set()
        alike = [(jaccard(mine, shingles_of(other)), other) for other in near]
        best = max(alike, default=(0.0, ""), key=lambda pair: (pair[0], pair[1]))
        if best[0] > most:
            found.append(Duplicate(key, best[1], best[0]))
        else:
            index.insert(key, sketch)
    return found
