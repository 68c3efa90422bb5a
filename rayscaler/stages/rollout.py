"""rollout: tasks -> trajectories (paper section 3.1). Environments live in the actor that plays in them."""

from __future__ import annotations

from typing import Any

from rayscaler.canonical import dumps
from rayscaler.recipes import RolloutRecipe
from rayscaler.rollouts.play import play
from rayscaler.runtime.context import Context
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS, TASKS, TRAJECTORIES
from rayscaler.task import Task
from rayscaler.trajectory import Trajectory

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "rollout", 3, (TASKS, ENVIRONMENTS), (TRAJECTORIES,), True, "tasks",
)  # fmt: skip
MADE_BY = ("mimesis", "numpy", "apsw", "rayscaler.environments", "rayscaler.rollouts")


def run(ctx: Context[RolloutRecipe]) -> None:
    """Neighbouring tasks share an environment, so a shard hosts few."""
    shards = ctx.rows(TASKS, per_shard=32)
    ctx.map(shards, PlayTasks, ctx.recipe, ctx.seed, ctx.store, ctx.input(ENVIRONMENTS), writes=(TRAJECTORIES,))


class PlayTasks:
    """Plays every trial of a group of tasks; each gives exactly one trajectory."""

    def __init__(self, recipe: RolloutRecipe, seed: int, store: Store, environments: Ref) -> None:
        self.recipe, self.seed = recipe, seed
        self.hosts = Hosts(store, environments)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows = []
        for row in payload:
            task = Task.model_validate_json(row["task"])
            environment = self.hosts[task.environment_id]
            for trial in range(self.recipe.trials):
                rows.append(trajectory_row(play(task, environment, self.recipe, trial=trial, seed=self.seed)))
        return Output({TRAJECTORIES.name: rows}, len(payload))


def trajectory_row(trajectory: Trajectory) -> dict[str, Any]:
    """The row of `trajectories`."""
    return {
        "trajectory_id": trajectory.trajectory_id,
        "task_id": trajectory.task_id,
        "environment_id": trajectory.environment_id,
        "trial": trajectory.trial,
        "n_messages": len(trajectory.messages),
        "n_calls": len(trajectory.steps),
        "n_errors": sum(bool(step.error) for step in trajectory.steps),
        "stop_reason": trajectory.stop_reason,
        "error_type": trajectory.error_type,
        "planted": trajectory.planted,
        "trajectory": dumps(trajectory),
    }
