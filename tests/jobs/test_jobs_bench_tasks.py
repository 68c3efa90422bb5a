"""The figures of `bench.py tasks`, checked by hand."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "jobs"))

from benchmarks.tasks import distinct


def test_distinct_n_counts_different_n_grams_of_words():
    texts = ["Cancel my order.", "Cancel my flight, please"]
    # cancel my order cancel my flight please: 5 different words of 7; pairs never cross two texts: 4 of 5.
    assert distinct(texts, 1) == pytest.approx(float(Fraction(5, 7)))
    assert distinct(texts, 2) == pytest.approx(float(Fraction(4, 5)))
    assert distinct([], 3) == 0
