"""Packing: every example once, rows that fit, a fixed order, and no look across a border."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.training.packing import IGNORED, join, pack, steps
from rayscaler.training.schedule import learning_rate


@given(st.lists(st.integers(1, 50), max_size=200), st.integers(0, 9))
def test_every_example_is_in_exactly_one_row_and_every_row_fits(lengths: list[int], seed: int):
    rows = list(pack(lengths, capacity=50, rng=np.random.default_rng(seed)))
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    assert all(sum(lengths[number] for number in row) <= 50 for row in rows)
    assert rows == list(pack(np.array(lengths), capacity=50, rng=np.random.default_rng(seed)))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=200))
def test_no_two_rows_would_fit_into_one(lengths: list[int]):
    sums = sorted(sum(lengths[n] for n in row) for row in pack(lengths, capacity=50, rng=np.random.default_rng(0)))
    assert len(sums) == 1 or sums[0] + sums[1] > 50


def test_an_example_longer_than_a_row_is_refused_by_number_and_length():
    with pytest.raises(ValueError, match="example 1 has 9 tokens, a row holds 8"):
        list(pack([3, 9], capacity=8, rng=np.random.default_rng(0)))


def test_steps_deal_out_all_rows_in_order():
    assert list(steps([[0], [1, 2], [3], [4], [5]], batch=2)) == [[[0], [1, 2]], [[3], [4]], [[5]]]


def test_a_joined_row_starts_its_positions_again_and_keeps_each_mask():
    row = join([([5, 6, 7], [0, 0, 1]), ([8, 9], [0, 1])])
    assert row.input_ids_T == [5, 6, 7, 8, 9]
    assert row.position_ids_T == [0, 1, 2, 0, 1]
    assert row.labels_T == [IGNORED, IGNORED, 7, IGNORED, 9]


def test_a_first_token_is_never_a_target():
    with pytest.raises(ValueError, match="first token is supervised"):
        join([([1, 2], [0, 1]), ([3, 4], [1, 1])])


def test_the_learning_rate_climbs_peaks_and_ends_at_a_tenth():
    rates = [learning_rate(step, steps=100, peak=1.0, warmup=0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (n + 1) for n in range(10)])
    assert max(rates) == rates[9] == 1.0
    assert all(later < earlier for earlier, later in pairwise(rates[9:]))
    assert rates[-1] == pytest.approx(0.1)


def test_a_phase_of_one_step_has_a_learning_rate():
    assert learning_rate(0, steps=1, peak=1e-3, warmup=0.03) == pytest.approx(1e-3)
