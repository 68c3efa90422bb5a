"""How near a text is to the nearest text of a benchmark: by shared n-grams of words, and by cosine of embeddings.

    kind    key          measure  benchmark  other                       score
    intent  task-43c6…   ngram    tau-bench  tasks_test.json: 17          0.41
    tool    orders/get   cosine   tau-bench  tools.json: get_order_…      0.93
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_WORD = re.compile(r"\w+")


class Near(NamedTuple):
    """The nearest text: its number, and how near it is (0 to 1; -1 to 1 for a cosine)."""

    number: int
    score: float


class NgramIndex:
    """Texts by their n-grams of words."""

    def __init__(self, texts: Sequence[str], n: int) -> None:
        self._n = n
        self._places: dict[tuple[str, ...], list[int]] = {}
        for number, text in enumerate(texts):
            for gram in ngrams(text, n):
                self._places.setdefault(gram, []).append(number)

    def nearest(self, text: str) -> Near | None:
        """The text that shares most of the n-grams of `text`, and which share of them; None if none shares any.

        Among equals the first. A text of fewer than n words is one n-gram: only the same text shares it.
        """
        grams = ngrams(text, self._n)
        shared = Counter(number for gram in grams for number in self._places.get(gram, ()))
        if not shared:
            return None
        number = min(shared, key=lambda i: (-shared[i], i))
        return Near(number, shared[number] / len(grams))


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """The distinct runs of n words, case and punctuation aside."""
    words = _WORD.findall(text.lower())
    return {tuple(words[i:i + n]) for i in range(max(1, len(words) - n + 1))} if words else set()


def nearest_by_cosine(vectors_ND: np.ndarray, others_MD: np.ndarray) -> list[Near]:
    """For each of N unit vectors the nearest of M, which must not be empty; among equals the first."""
    similar_NM = vectors_ND @ others_MD.T
    best_N = similar_NM.argmax(axis=1)
    return [Near(int(j), float(similar_NM[i, j])) for i, j in enumerate(best_N)]
