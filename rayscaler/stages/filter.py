"""filter: trajectories -> verdicts, by the paper's three filters in its order (section 3.1), then ours."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from rayscaler.changes import Identity
from rayscaler.environment import EnvironmentSpec
from rayscaler.filters.judge import judge
from rayscaler.recipes import FilterRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS, TASKS, TRAJECTORIES, VERDICTS
from rayscaler.task import Task
from rayscaler.trajectory import Trajectory, Verdict

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "filter", 2, (TRAJECTORIES, TASKS, ENVIRONMENTS), (VERDICTS,), False, "trajectories",
)  # fmt: skip
MADE_BY = ("rayscaler.filters",)


def run(ctx: Context[FilterRecipe]) -> None:
    """One verdict per trajectory."""
    arguments = (ctx.recipe, ctx.store, ctx.input(TASKS), ctx.input(ENVIRONMENTS))
    ctx.map(ctx.rows(TRAJECTORIES, per_shard=256), JudgeTrajectories, *arguments, writes=(VERDICTS,))


class JudgeTrajectories:
    """Judges a group of trajectories."""

    def __init__(self, recipe: FilterRecipe, store: Store, tasks: Ref, environments: Ref) -> None:
        self.recipe = recipe
        self.tasks, self.environments = Lookup(store, tasks), Lookup(store, environments)
        # Trials of one task and tasks of one environment are neighbours: parsing them anew costs more than judging.
        self.task, self.identity = lru_cache(64)(self._task), lru_cache(64)(self._identity)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows = []
        for row in payload:
            trajectory = Trajectory.model_validate_json(row["trajectory"])
            task, identity = self.task(trajectory.task_id), self.identity(trajectory.environment_id)
            rows.append(verdict_row(trajectory, judge(trajectory, task, identity, self.recipe)))
        return Output({VERDICTS.name: rows}, len(payload))

    def _task(self, task_id: str) -> Task:
        return Task.model_validate_json(self.tasks[task_id]["task"])

    def _identity(self, environment_id: str) -> Identity:
        return EnvironmentSpec.model_validate_json(self.environments[environment_id]["spec"]).identity


def verdict_row(trajectory: Trajectory, verdict: Verdict) -> dict[str, Any]:
    """The row of `verdicts`."""
    return {
        "trajectory_id": trajectory.trajectory_id,
        "task_id": trajectory.task_id,
        "environment_id": trajectory.environment_id,
        "kept": verdict.kept,
        "stage": verdict.stage or "",
        "reason": verdict.reason,
        "detail": verdict.detail,
        "planted": trajectory.planted,
    }
