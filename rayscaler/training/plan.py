"""A phase of training as steps, planned from the lengths of its examples alone.

Examples are named by the numbers of their rows in the table. A plan is 8 bytes per example, and 4 more while its steps
are made, one after another.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from rayscaler.errors import ConfigError
from rayscaler.recipes import Phase, TrainRecipe
from rayscaler.seeds import rng
from rayscaler.training.packing import pack, steps
from rayscaler.training.phases import GENERAL, VERTICAL


class Lengths(NamedTuple):
    """What a plan needs to know of the rows of `examples`: phase (int8) and tokens (int32) of each."""

    phase_N: np.ndarray
    n_tokens_N: np.ndarray


class Step(NamedTuple):
    """One optimiser step: packed rows of example numbers. `number` counts over all epochs of the phase."""

    number: int
    epoch: int
    rows: list[list[int]]


class Plan(NamedTuple):
    """A phase with its examples: their rows in the table (uint32), and their tokens."""

    phase: Phase
    rows_M: np.ndarray
    n_tokens_M: np.ndarray


def plan_phase(phase: Phase, examples: Lengths, recipe: TrainRecipe) -> Plan:
    """The examples of a phase: those of its kind that fit into a packed row. Raises ConfigError if there are none."""
    wanted = {"all": (GENERAL, VERTICAL), "general": (GENERAL,), "verticals": (VERTICAL,)}[phase.examples]
    fitting_N = np.isin(examples.phase_N, wanted) & (examples.n_tokens_N <= recipe.max_tokens)
    rows_M = np.flatnonzero(fitting_N).astype(np.uint32)
    if not len(rows_M):
        hint = "; do the globs of `curate.verticals` match titles of domains?" if phase.examples != "all" else ""
        raise ConfigError(f"train: phase {phase.name} has no example of at most {recipe.max_tokens} tokens{hint}")
    return Plan(phase, rows_M, examples.n_tokens_N[rows_M])


def steps_of(plan: Plan, recipe: TrainRecipe, *, seed: int) -> Iterator[Step]:
    """Which example is in which row of which step: each once per epoch, newly shuffled. Same seed, same steps."""
    number = 0
    for epoch in range(plan.phase.epochs):
        rows = pack(plan.n_tokens_M, capacity=recipe.max_tokens, rng=rng(seed, "train", plan.phase.name, epoch))
        for batch in steps(rows, batch=recipe.batch):
            yield Step(number, epoch, [plan.rows_M[row].tolist() for row in batch])
            number += 1
