"""Examples of different lengths packed into rows of one size, and the rows dealt out to optimiser steps.

A row holds whole examples one after another. Positions start at 0 again with each example, which is how attention
(`transformers` derives the block-diagonal mask from them) keeps examples from seeing each other; and no example's first
token is ever a target, so nothing is predicted across a border. Everything is planned before training from lengths
alone, so the order is a function of the seed: not of workers, nor of where a run was killed and went on.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

IGNORED = -100
"""Target of a token that the loss does not look at (PyTorch's default `ignore_index`)."""

WINDOW = 4096
"""Examples that are packed together: enough to fill rows well, and rows of one window stay a random mix."""


class Row(NamedTuple):
    """One packed row of T tokens. `labels_T[t]` is `input_ids_T[t]` where supervised, else `IGNORED`."""

    input_ids_T: list[int]
    labels_T: list[int]
    position_ids_T: list[int]


def pack(lengths_N: Sequence[int] | np.ndarray, *, capacity: int, rng: Generator) -> Iterator[list[int]]:
    """Rows of example numbers, each row of at most `capacity` tokens; every example is in exactly one.

    Examples are shuffled, then packed best-fit-decreasing within windows, then the rows of a window are shuffled. One
    window at a time is made: memory is 4 bytes per example.
    Raises ValueError for an example longer than a row: those must be left out, with a reason, before.
    """
    order_N = rng.permutation(np.arange(len(lengths_N), dtype=np.uint32))
    for start in range(0, len(order_N), WINDOW):
        window = order_N[start : start + WINDOW].tolist()
        packed = _best_fit([(number, int(lengths_N[number])) for number in window], capacity)
        for place in rng.permutation(len(packed)):
            yield packed[place]


def _best_fit(examples: list[tuple[int, int]], capacity: int) -> list[list[int]]:
    """Of examples, each (number, tokens): the longest first, each into the fullest row that still has room for it."""
    rows: list[list[int]] = []
    room: list[tuple[int, int]] = []  # (tokens left, row), sorted
    for number, length in sorted(examples, key=lambda example: -example[1]):
        if length > capacity:
            raise ValueError(f"example {number} has {length} tokens, a row holds {capacity}")
        place = bisect_left(room, (length, -1))
        if place == len(room):
            rows.append([])
            left, row = capacity, len(rows) - 1
        else:
            left, row = room.pop(place)
        rows[row].append(number)
        insort(room, (left - length, row))
    return rows


def steps(rows: Iterable[list[int]], *, batch: int) -> Iterator[list[list[int]]]:
    """The rows of one optimiser step after another, `batch` each; the last step of an epoch may have fewer."""
    rest = iter(rows)
    while step := list(islice(rest, batch)):
        yield step


def join(examples: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Row:
    """Examples, each (input_ids, loss_mask), as one packed row.

    Raises ValueError if an example's first token is supervised: its target would be predicted from another example.
    """
    row = Row([], [], [])
    for input_ids, loss_mask in examples:
        if loss_mask[0]:
            raise ValueError("an example's first token is supervised; nothing before it predicts it")
        row.input_ids_T.extend(input_ids)
        row.labels_T.extend(i if m else IGNORED for i, m in zip(input_ids, loss_mask, strict=True))
        row.position_ids_T.extend(range(len(input_ids)))
    return row
