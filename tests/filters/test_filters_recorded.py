"""What the filters read from stored JSON is what the models hold, and how the JSON is spelt changes no verdict."""

from __future__ import annotations

import json

import pytest

from rayscaler.canonical import dumps
from rayscaler.errors import TableError
from rayscaler.filters.judge import judge, judge_recorded
from rayscaler.filters.recorded import read_played, read_wanted
from rayscaler.recipes import FilterRecipe, RolloutRecipe, ScriptedAgent
from rayscaler.rollouts.play import play
from rayscaler.stages.filter import read_identity
from rayscaler.trajectory import Trajectory
from shop_tasks import shop, shop_tasks

IDENTITY = shop().spec.identity


def played() -> list[Trajectory]:
    recipe = RolloutRecipe(agent=ScriptedAgent(error_rate=0.8))
    return [play(task, shop(), recipe, trial=trial, seed=3) for task in shop_tasks() for trial in range(6)]


def backwards(text: str) -> str:
    """The same JSON value with the keys of every object in reverse order, and spaces."""
    def turned(value):
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in sorted(value, reverse=True)}
        return [turned(item) for item in value] if isinstance(value, list) else value

    return json.dumps(turned(json.loads(text)))


def test_the_spelling_of_stored_json_changes_no_verdict():
    tasks = {task.task_id: task for task in shop_tasks()}
    verdicts = set()
    for trajectory in played():
        task = tasks[trajectory.task_id]
        stored = read_played(backwards(dumps(trajectory))), read_wanted(backwards(dumps(task)))
        verdict = judge(trajectory, task, IDENTITY, FilterRecipe())
        again = judge_recorded(*stored, IDENTITY, FilterRecipe())
        assert (again.kept, again.stage, again.reason) == (verdict.kept, verdict.stage, verdict.reason)
        verdicts.add(verdict.reason)
    assert len(verdicts) > 4


def test_the_identity_of_a_stored_specification_is_its_own():
    assert read_identity(dumps(shop().spec)) == IDENTITY
    assert IDENTITY.generated


@pytest.mark.parametrize(
    ("spoilt", "match"),
    [
        (lambda row: row | {"messages": 3}, r"trajectories.trajectory: .*\$.messages"),
        (lambda row: row | {"stop_reason": "bored"}, r"Invalid enum value 'bored'"),
        (lambda row: {key: value for key, value in row.items() if key != "steps"}, "missing required field `steps`"),
    ],
)
def test_text_that_is_no_trajectory_is_named(spoilt, match):
    row = json.loads(dumps(played()[0]))
    with pytest.raises(TableError, match=match):
        read_played(json.dumps(spoilt(row)))
    with pytest.raises(TableError, match=r"tasks.task: expected"):
        read_wanted("{")
