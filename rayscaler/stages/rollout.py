"""rollout: tasks -> trajectories (paper section 3.1). Environments live in the actor that plays in them."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from rayscaler.recipes import RolloutRecipe
from rayscaler.rollouts.play import play
from rayscaler.runtime.cluster import pool_size
from rayscaler.runtime.context import Context
from rayscaler.runtime.conversations import (
    JOURNAL,
    Conversations,
    Terms,
    collect_seldom,
    shards_at_once,
    share,
    trajectory_row,
)
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.metrics import conversation
from rayscaler.runtime.openai_chat import check_endpoint
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS, MODEL_CALLS, REJECTS, TASKS, TRAJECTORIES
from rayscaler.task import Task

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "rollout", 4, (TASKS, ENVIRONMENTS), (TRAJECTORIES, MODEL_CALLS, REJECTS), True, "tasks",
)  # fmt: skip
MADE_BY = ("mimesis", "numpy", "apsw", "rayscaler.environments", "rayscaler.rollouts")

PER_SHARD = 32
"""Tasks per shard. Neighbouring tasks share an environment, so a shard hosts few."""

BY_TASK = ByRow(itemgetter("task_id"))


def run(ctx: Context[RolloutRecipe]) -> None:
    """One trajectory per task and trial."""
    shards = ctx.rows(TASKS, per_shard=PER_SHARD)
    arguments = (ctx.recipe, ctx.seed, ctx.store, ctx.input(ENVIRONMENTS))
    if not ctx.recipe.endpoints:
        ctx.map(shards, PlayScripted, *arguments, writes=WRITES, by_row=BY_TASK)
        return
    for side, endpoint in ctx.recipe.endpoints.items():
        check_endpoint(side, endpoint)
    n_workers = max(1, min(pool_size(ctx.resources), len(shards), ctx.resources.model_calls))
    terms = Terms(share(ctx.resources, n_workers), journal=ctx.targets[TRAJECTORIES.name].fingerprint)
    at_once = shards_at_once(terms.limits, len(ctx.recipe.endpoints), PER_SHARD * ctx.recipe.trials)
    ctx = ctx._replace(resources=ctx.resources.model_copy(update={"workers": n_workers}))
    ctx.map(shards, PlayWithModels, *arguments, terms, writes=WRITES, at_once=at_once, by_row=BY_TASK)
    ctx.store.delete_folder(JOURNAL, terms.journal)


class PlayScripted:
    """Plays every trial of a group of tasks between the scripted sides; each gives exactly one trajectory."""

    def __init__(self, recipe: RolloutRecipe, seed: int, store: Store, environments: Ref) -> None:
        self.recipe, self.seed = recipe, seed
        self.hosts = Hosts(store, environments)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows = []
        for row in payload:
            task = Task.model_validate_json(row["task"])
            environment = self.hosts[task.environment_id]
            for trial in range(self.recipe.trials):
                with conversation(NAME):
                    rows.append(trajectory_row(play(task, environment, self.recipe, trial=trial, seed=self.seed)))
        return Output({TRAJECTORIES.name: rows}, len(payload))


class PlayWithModels:
    """The same where a model plays a side. Called for several groups at once, from as many threads."""

    def __init__(self, recipe: RolloutRecipe, seed: int, store: Store, environments: Ref, terms: Terms) -> None:
        collect_seldom()
        self.conversations = Conversations(recipe, seed, Hosts(store, environments), store, terms)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        played = self.conversations.play([Task.model_validate_json(row["task"]) for row in payload])
        rows = {
            TRAJECTORIES.name: [kept.row for kept in played],
            MODEL_CALLS.name: [row for kept in played for row in kept.model_calls],
        }
        return Output(rows, len(payload))
