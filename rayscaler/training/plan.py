"""A phase of training as a list of steps, planned from the lengths of its examples alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rayscaler.errors import ConfigError
from rayscaler.recipes import Phase, TrainRecipe
from rayscaler.seeds import rng
from rayscaler.training.packing import pack, steps
from rayscaler.training.phases import GENERAL, VERTICAL


class Length(NamedTuple):
    """What the plan needs to know of an example."""

    trajectory_id: str
    phase: int
    n_tokens: int


class Step(NamedTuple):
    """One optimiser step: packed rows of trajectory ids. `number` counts over all epochs of the phase."""

    number: int
    epoch: int
    rows: list[list[str]]


class Plan(NamedTuple):
    """A phase with all of its steps."""

    phase: Phase
    n_examples: int
    steps: list[Step]


def plan_phase(phase: Phase, examples: Sequence[Length], recipe: TrainRecipe, *, seed: int) -> Plan:
    """Which example is in which row of which step: each once per epoch, newly shuffled. Same seed, same plan.

    `examples` all fit into a row. Raises ConfigError if the phase has none.
    """
    wanted = {"all": (GENERAL, VERTICAL), "general": (GENERAL,), "verticals": (VERTICAL,)}[phase.examples]
    chosen = [example for example in examples if example.phase in wanted]
    if not chosen:
        hint = "; do the globs of `curate.verticals` match titles of domains?" if phase.examples != "all" else ""
        raise ConfigError(f"train: phase {phase.name} has no example of at most {recipe.max_tokens} tokens{hint}")
    lengths = [example.n_tokens for example in chosen]
    planned: list[Step] = []
    for epoch in range(phase.epochs):
        rows = pack(lengths, capacity=recipe.max_tokens, rng=rng(seed, "train", phase.name, epoch))
        for batch in steps(rows, batch=recipe.batch):
            named = [[chosen[number].trajectory_id for number in row] for row in batch]
            planned.append(Step(len(planned), epoch, named))
    return Plan(phase, len(chosen), planned)
