"""compose: certified environments -> certified tasks (paper section 2.2)."""

from __future__ import annotations

import threading
from functools import partial
from operator import itemgetter
from typing import Any

from rayscaler.canonical import dumps
from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.reasons import Rejected
from rayscaler.recipes import ComposeRecipe
from rayscaler.refinement.arguments import arguments_question, values_text
from rayscaler.refinement.rephrase import rephrase_question
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.refiner import Refiner, Terms, asked
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS, LINKS, REFINEMENTS, REJECTS, TASKS
from rayscaler.task import Task
from rayscaler.tasks.compose import Composed, compose
from rayscaler.tasks.offered import Offered, asked_values, may_be_sent
from rayscaler.tasks.rephrasing import check_rephrasing, rephrase

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "compose", 5, (ENVIRONMENTS, LINKS), (TASKS, REJECTS), True, "walks",
)  # fmt: skip
MADE_BY = ("mimesis", "numpy", "apsw", "rayscaler.environments", "rayscaler.tasks")

BY_ENVIRONMENT = ByRow(itemgetter("environment_id"))


def run(ctx: Context[ComposeRecipe]) -> None:
    """One environment per shard."""
    shards = ctx.rows(ENVIRONMENTS, per_shard=1)
    arguments = (ctx.recipe, ctx.seed, ctx.store, ctx.input(LINKS))
    if ctx.recipe.refine is None:
        ctx.map(shards, ComposeTasks, *arguments, writes=WRITES, by_row=BY_ENVIRONMENT)
        return
    ctx, terms, at_once = asked(ctx, ctx.recipe.refine, shards)
    written = (*WRITES, REFINEMENTS)
    ctx.map(shards, ComposeWithModel, *arguments, terms, writes=written, at_once=at_once, by_row=BY_ENVIRONMENT)


class ComposeTasks:
    """Makes the tasks of an environment."""

    def __init__(self, recipe: ComposeRecipe, seed: int, store: Store, links: Ref) -> None:
        self.recipe, self.seed = recipe, seed
        self.links = Lookup(store, links, "domain_id")

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows: list[dict[str, Any]] = []
        rejects: list[Rejected] = []
        for row in payload:
            composed = self.composed(EnvironmentSpec.model_validate_json(row["spec"]))
            rows += [task_row(task) for task in composed.tasks]
            rejects += composed.rejects
        return Output({TASKS.name: rows}, len(rows) + len(rejects), rejects)

    def composed(self, spec: EnvironmentSpec, offered: Offered | None = None) -> Composed:
        """The tasks of one environment, with values for arguments where some are offered."""
        links = self.links.all(spec.environment_id)
        return compose(HostedEnvironment(spec), links, self.recipe, seed=self.seed, offered=offered)


class ComposeWithModel(ComposeTasks):
    """The same with a model that thinks of values and rephrases. Called for several environments at once."""

    def __init__(self, recipe: ComposeRecipe, seed: int, store: Store, links: Ref, terms: Terms) -> None:
        super().__init__(recipe, seed, store, links)
        assert recipe.refine is not None
        self.refine, self.lock = recipe.refine, threading.Lock()
        self.refiner = Refiner(recipe.refine, terms)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        made, asked_of, rejects = [], [], []
        for row in payload:
            spec = EnvironmentSpec.model_validate_json(row["spec"])
            offered, told = offered_values(spec, self.refiner) if self.refine.arguments else ({}, [])
            with self.lock:
                composed = self.composed(spec, offered)
            tasks = composed.tasks
            if self.refine.intents:
                tasks, more = rephrased(tasks, [tool.name for tool in spec.tools], self.refiner)
                told += more
            made += [task_row(task) for task in tasks]
            asked_of += told
            rejects += composed.rejects
        rows = {TASKS.name: made, REFINEMENTS.name: asked_of}
        return Output(rows, len(made) + len(rejects), rejects)


def offered_values(spec: EnvironmentSpec, refiner: Refiner) -> tuple[dict[tuple[str, str], Any], list[dict[str, Any]]]:
    """A model's values for arguments of an environment's tools, and the rows of `refinements`."""
    wanted = asked_values(spec)
    tools = [spec.tool(name) for name in wanted]
    found = refiner.ask([
        arguments_question(spec.environment_id, tool, wanted[tool.name], partial(may_be_sent, spec, tool))
        for tool in tools])
    offered: dict[tuple[str, str], Any] = {}
    rows = []
    for tool, refined in zip(tools, found, strict=True):
        values = {a.argument: tuple(a.values) for a in refined.answer.arguments} if refined.answer else {}
        offered |= {(tool.name, parameter): some for parameter, some in values.items()}
        rows.append(refined.standing(values_text(values)).row)
    return offered, rows


def rephrased(tasks: list[Task], tools: list[str], refiner: Refiner) -> tuple[list[Task], list[dict[str, Any]]]:
    """Tasks with a model's words for their openings where they pass, and the rows of `refinements`."""
    found = refiner.ask([rephrase_question(task, partial(check_rephrasing, task, tools=tools)) for task in tasks])
    done, rows = [], []
    for task, refined in zip(tasks, found, strict=True):
        new = task if refined.answer is None else rephrase(task, refined.answer.text, tools).task
        done.append(new)
        rows.append(refined.standing(new.intent.opening).row)
    return done, rows


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
