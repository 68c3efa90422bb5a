"""The plan of a phase: from lengths and a seed to steps, with nothing lost and nothing twice."""

from __future__ import annotations

import pytest

from rayscaler.errors import ConfigError
from rayscaler.recipes import Phase, TrainRecipe
from rayscaler.training.plan import Length, plan_phase

RECIPE = TrainRecipe(max_tokens=100, batch=2)
EXAMPLES = [Length(f"t{n:02}", phase=2 if n % 3 == 0 else 1, n_tokens=20 + 5 * n) for n in range(12)]


def test_each_example_is_trained_on_once_per_epoch_and_steps_count_on():
    plan = plan_phase(Phase(name="general", epochs=3), EXAMPLES, RECIPE, seed=1)
    assert [step.number for step in plan.steps] == list(range(len(plan.steps)))
    for epoch in range(3):
        seen = [key for step in plan.steps if step.epoch == epoch for row in step.rows for key in row]
        assert sorted(seen) == sorted(example.trajectory_id for example in EXAMPLES)
    assert all(len(step.rows) <= RECIPE.batch for step in plan.steps)


def test_epochs_are_shuffled_anew_and_a_seed_gives_its_plan_again():
    phase = Phase(name="general", epochs=2)
    plan = plan_phase(phase, EXAMPLES, RECIPE, seed=1)
    epochs = [[step.rows for step in plan.steps if step.epoch == epoch] for epoch in (0, 1)]
    assert epochs[0] != epochs[1]
    assert plan == plan_phase(phase, EXAMPLES, RECIPE, seed=1)
    assert plan != plan_phase(phase, EXAMPLES, RECIPE, seed=2)


def test_the_second_phase_takes_the_examples_of_the_verticals_only():
    plan = plan_phase(Phase(name="vertical", examples="verticals", epochs=1), EXAMPLES, RECIPE, seed=1)
    assert sorted(key for step in plan.steps for row in step.rows for key in row) == ["t00", "t03", "t06", "t09"]
    assert plan.n_examples == 4


def test_the_general_phase_may_leave_the_verticals_out():
    plan = plan_phase(Phase(name="g", examples="general", epochs=1), EXAMPLES, RECIPE, seed=1)
    trained = {key for step in plan.steps for row in step.rows for key in row}
    assert trained == {example.trajectory_id for example in EXAMPLES if example.phase == 1}


def test_a_phase_of_no_epochs_has_no_steps():
    assert plan_phase(Phase(name="base", epochs=0), EXAMPLES, RECIPE, seed=1).steps == []


def test_a_phase_starts_from_one_before_it_or_from_the_model():
    phases = (Phase(name="a"), Phase(name="b", start="model"), Phase(name="c", start="a"))
    assert TrainRecipe(phases=phases).phases[2].start == "a"
    with pytest.raises(ValueError, match="phase a starts from 'b'"):
        TrainRecipe(phases=(Phase(name="a", start="b"), Phase(name="b")))


def test_a_phase_without_examples_says_which_knob_to_look_at():
    with pytest.raises(ConfigError, match=r"phase vertical has no example .*curate\.verticals"):
        plan_phase(Phase(name="vertical", examples="verticals"), [Length("a", 1, 10)], RECIPE, seed=0)
