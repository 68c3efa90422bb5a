"""compose: certified environments -> certified tasks (paper section 2.2)."""

from __future__ import annotations

from typing import Any

from rayscaler.canonical import dumps
from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.reasons import Rejected
from rayscaler.recipes import ComposeRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS, LINKS, REJECTS, TASKS
from rayscaler.task import Task
from rayscaler.tasks.compose import compose

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "compose", 5, (ENVIRONMENTS, LINKS), (TASKS, REJECTS), True, "walks",
)  # fmt: skip
MADE_BY = ("mimesis", "numpy", "apsw", "rayscaler.environments", "rayscaler.tasks")


def run(ctx: Context[ComposeRecipe]) -> None:
    """One environment per shard."""
    shards = ctx.rows(ENVIRONMENTS, per_shard=1)
    ctx.map(shards, ComposeTasks, ctx.recipe, ctx.seed, ctx.store, ctx.input(LINKS), writes=(TASKS, REJECTS))


class ComposeTasks:
    """Makes the tasks of an environment."""

    def __init__(self, recipe: ComposeRecipe, seed: int, store: Store, links: Ref) -> None:
        self.recipe, self.seed = recipe, seed
        self.links = Lookup(store, links, "domain_id")

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows: list[dict[str, Any]] = []
        rejects: list[Rejected] = []
        for row in payload:
            environment = HostedEnvironment(EnvironmentSpec.model_validate_json(row["spec"]))
            composed = compose(environment, self.links.all(row["environment_id"]), self.recipe, seed=self.seed)
            rows += [task_row(task) for task in composed.tasks]
            rejects += composed.rejects
        return Output({TASKS.name: rows}, len(rows) + len(rejects), rejects)


def task_row(task: Task) -> dict[str, Any]:
    """The row of `tasks`."""
    return {
        "task_id": task.task_id,
        "environment_id": task.environment_id,
        "split": task.split,
        "kind": task.kind,
        "n_calls": task.n_calls,
        "n_writes": task.n_writes,
        "n_hops": task.n_hops,
        "n_distractors": task.n_distractors,
        "opening": task.intent.opening,
        "task": dumps(task),
    }
