"""The run's own held-out tasks as things to evaluate on: whole conversations, and single calls after gold history."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from typing import NamedTuple, NoReturn

from rayscaler.changes import Identity
from rayscaler.environment import Environment
from rayscaler.evaluation.benchmark import Grade, Item
from rayscaler.evaluation.calls import call_items, grade_call
from rayscaler.filters.judge import judge
from rayscaler.recipes import FilterRecipe, RolloutRecipe, ScriptedAgent
from rayscaler.rollouts.play import play
from rayscaler.runtime.episodes import About
from rayscaler.task import Task
from rayscaler.trajectory import FilterStage, Trajectory

HELDOUT, CALLS = "heldout", "calls"
"""What the tables call the two."""

VERTICAL = "vertical"
"""The label of tasks whose domain is one of the chosen verticals."""

def is_vertical(title: str, verticals: Sequence[str]) -> bool:
    """Whether a glob matches the domain's title; case does not count."""
    return any(fnmatch(title.lower(), glob.lower()) for glob in verticals)


class TaskSet(NamedTuple):
    """Whose tasks they are: `version` names the run's table of tasks. `gold` plays the history of single calls."""

    version: str
    verticals: tuple[str, ...]
    seed: int
    gold: ScriptedAgent = ScriptedAgent(error_rate=0)

    def about(self, model: str, task: Task, title: str) -> About:
        """What an episode of a task says of itself."""
        labels = list(self.labels(title))
        return About(model, HELDOUT, self.version, task.split, task.task_id, task.task_id, labels, task.n_calls)

    def labels(self, title: str) -> tuple[str, ...]:
        """The labels of a domain's tasks."""
        return (VERTICAL,) if is_vertical(title, self.verticals) else ()

    def calls(self, task: Task, environment: Environment) -> GoldCalls:
        """The calls of a task, each after gold history. Deterministic."""
        gold = play(task, environment, RolloutRecipe(agent=self.gold), trial=0, seed=self.seed)
        spec = environment.spec
        tools = [tool.to_openai() for tool in spec.tools]
        return GoldCalls(self.version, call_items(gold, tools, subset=task.split, labels=self.labels(spec.title)))


class GoldCalls(NamedTuple):
    """The `Benchmark` of some tasks' calls."""

    version: str
    found: list[Item]
    name: str = CALLS

    def items(self) -> list[Item]:
        """One per message of gold that calls tools."""
        return self.found

    def world(self, item: Item) -> Unanswered:  # noqa: ARG002  every item has the same
        """A world that is never asked."""
        return Unanswered()

    def grade(self, item: Item, trajectory: Trajectory) -> Grade:
        """Whether the reply makes gold's calls."""
        return grade_call(item.payload, trajectory)


class Unanswered:
    """The world of items that end with one reply."""

    def call(self, *_: object) -> NoReturn:
        """Raises AssertionError: the calls of a single reply are not answered."""
        raise AssertionError("a single reply is not answered")


def grade_task(trajectory: Trajectory, task: Task, identity: Identity, recipe: FilterRecipe) -> Grade:
    """The verdict of the filters as a grade. parts: the filters up to the one that objects; later ones say nothing."""
    verdict = judge(trajectory, task, identity, recipe)
    parts: dict[str, float] = {}
    for stage in FilterStage:
        parts[stage.value] = float(stage is not verdict.stage)
        if stage is verdict.stage:
            break
    detail = "" if verdict.kept else f"{verdict.reason}: {verdict.detail}"
    return Grade(float(verdict.kept), parts, detail=detail)
