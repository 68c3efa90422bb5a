"""The plan of a phase: from lengths and a seed to steps, with nothing lost and nothing twice."""

from __future__ import annotations

import numpy as np
import pytest

from rayscaler.errors import ConfigError
from rayscaler.recipes import Phase, TrainRecipe
from rayscaler.training.plan import Lengths, Step, plan_phase, steps_of

RECIPE = TrainRecipe(max_tokens=100, batch=2)
EXAMPLES = Lengths(np.array([2 if n % 3 == 0 else 1 for n in range(12)]), np.array([20 + 5 * n for n in range(12)]))


def planned(phase: Phase, *, seed: int) -> list[Step]:
    return list(steps_of(plan_phase(phase, EXAMPLES, RECIPE), RECIPE, seed=seed))


def test_each_example_is_trained_on_once_per_epoch_and_steps_count_on():
    steps = planned(Phase(name="general", epochs=3), seed=1)
    assert [step.number for step in steps] == list(range(len(steps)))
    for epoch in range(3):
        assert sorted(n for step in steps if step.epoch == epoch for row in step.rows for n in row) == list(range(12))
    assert all(len(step.rows) <= RECIPE.batch for step in steps)


def test_epochs_are_shuffled_anew_and_a_seed_gives_its_plan_again():
    phase = Phase(name="general", epochs=2)
    steps = planned(phase, seed=1)
    epochs = [[step.rows for step in steps if step.epoch == epoch] for epoch in (0, 1)]
    assert epochs[0] != epochs[1]
    assert steps == planned(phase, seed=1)
    assert steps != planned(phase, seed=2)


def test_the_second_phase_takes_the_examples_of_the_verticals_only():
    phase = Phase(name="vertical", examples="verticals", epochs=1)
    assert sorted(n for step in planned(phase, seed=1) for row in step.rows for n in row) == [0, 3, 6, 9]
    assert plan_phase(phase, EXAMPLES, RECIPE).rows_M.tolist() == [0, 3, 6, 9]


def test_the_general_phase_may_leave_the_verticals_out():
    steps = planned(Phase(name="g", examples="general", epochs=1), seed=1)
    assert {n for step in steps for row in step.rows for n in row} == {n for n in range(12) if n % 3}


def test_an_example_that_fits_into_no_row_is_in_no_plan():
    plan = plan_phase(Phase(name="g"), EXAMPLES, RECIPE.model_copy(update={"max_tokens": 30}))
    assert (plan.rows_M.tolist(), plan.n_tokens_M.tolist()) == ([0, 1, 2], [20, 25, 30])


def test_a_phase_of_no_epochs_has_no_steps():
    assert planned(Phase(name="base", epochs=0), seed=1) == []


def test_a_phase_starts_from_one_before_it_or_from_the_model():
    phases = (Phase(name="a"), Phase(name="b", start="model"), Phase(name="c", start="a"))
    assert TrainRecipe(phases=phases).phases[2].start == "a"
    with pytest.raises(ValueError, match="phase a starts from 'b'"):
        TrainRecipe(phases=(Phase(name="a", start="b"), Phase(name="b")))


def test_a_phase_without_examples_says_which_knob_to_look_at():
    with pytest.raises(ConfigError, match=r"phase vertical has no example .*curate\.verticals"):
        plan_phase(Phase(name="vertical", examples="verticals"), Lengths(np.array([1]), np.array([10])), RECIPE)
