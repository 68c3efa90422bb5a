"""The rollouts benchmark compares with an ideal that can be worked out by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "jobs"))

from benchmarks.rollouts import Look, Shift, fullness, ideal_s


@pytest.mark.parametrize(
    ("seats", "expected"),
    [
        (4, 6.0),   # all at once: the longest, 3 calls of 2 s
        (2, 10.0),  # 3 | 1, 2 | 2: the first seat 6 s, then the last conversation's 4 s; the other 2 + 4
        (1, 16.0),  # one after the other
    ],
)
def test_the_ideal_seats_conversations_in_the_order_of_their_shards(seats, expected):
    shifts = [Shift(20.0, 30.0, 0.0, 0.0, [2, 2]), Shift(10.0, 25.0, 0.0, 0.0, [3, 1])]
    assert ideal_s(shifts, seats, latency=2.0) == expected


def test_the_overhead_in_between_is_taken_while_the_seats_are_full():
    # 10 seats, latency 2 s: 5 answers a second. Full (10 of 10) from 101 s to 121 s: 100 answers are possible, 80 came.
    looks = [Look(100.0, 4, 4), Look(101.0, 10, 12), Look(111.0, 7, 50), Look(121.0, 10, 92), Look(122.0, 3, 95)]
    assert fullness(looks, 99.0, 10, 2.0) == (2.0, 22.0, pytest.approx(100 / 80 - 1))
