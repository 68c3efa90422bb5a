"""evaluate: models on held-out tasks and benchmarks -> episodes (paper section 4). `score` grades them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from rayscaler.errors import ConfigError
from rayscaler.evaluation.adapters import chosen, open_benchmark
from rayscaler.evaluation.benchmark import Benchmark, SimulatedUser
from rayscaler.folders import folder_digest
from rayscaler.recipes import Agent, Endpoint
from rayscaler.recipes_evaluate import EvaluatedBenchmark, EvaluatedModel, EvaluateRecipe
from rayscaler.rollouts.play import play
from rayscaler.runtime.agents import agent_of
from rayscaler.runtime.cluster import pool_size
from rayscaler.runtime.context import Context
from rayscaler.runtime.conversations import JOURNAL, Kept, Terms, collect_seldom, shards_at_once, share
from rayscaler.runtime.episodes import Episodes, episode_kept, recipe_of, scripted_kept
from rayscaler.runtime.heldout import CALLS, HELDOUT, TaskSet, is_vertical
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.openai_chat import check_endpoint
from rayscaler.runtime.playing import Bounds
from rayscaler.runtime.shards import ByRow, Output, Shard
from rayscaler.runtime.store import Ref, Store
from rayscaler.table import Table
from rayscaler.tables import CHECKPOINTS, ENVIRONMENTS, EPISODES, EVALUATION_CALLS, REJECTS, TASKS
from rayscaler.task import Task

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "evaluate", 3, (TASKS, ENVIRONMENTS, CHECKPOINTS), (EPISODES, EVALUATION_CALLS, REJECTS), True, "items",
)  # fmt: skip
MADE_BY = ("mimesis", "numpy", "apsw", "rayscaler.environments", "rayscaler.rollouts", "rayscaler.evaluation")

PER_SHARD = 16
"""Items per shard: neighbouring tasks share an environment."""


def key_of(row: dict[str, str]) -> str:
    """How `rejects` names an item that one model could not play: `qwen:tau-bench:retail-7`."""
    return f"{row['model']}:{row['kind']}:{row['item']}"


def reads(recipe: EvaluateRecipe) -> tuple[Table, ...]:
    """The tables that this recipe needs: those of the run's tasks and of its checkpoints only where they are used."""
    own = (TASKS, ENVIRONMENTS) if recipe.heldout else ()
    return (*own, *((CHECKPOINTS,) if any(model.phase for model in recipe.models) else ()))


def content_of(recipe: EvaluateRecipe, base: Path) -> dict[str, str]:
    """What the fingerprint sees of the benchmarks' data and of models that are folders."""
    folders = {f"benchmark {b.name}": base / b.path for b in recipe.benchmarks}
    folders |= {f"model {m.name}": base / m.folder for m in recipe.models if m.folder}
    missing = next((f"{name}: no folder {folder}" for name, folder in folders.items() if not folder.is_dir()), None)
    if missing:
        raise ConfigError(f"evaluate: {missing}")
    return {name: folder_digest(folder) for name, folder in folders.items()}


class Given(NamedTuple):
    """What a worker must know to play one model. All of it pickles: the data of benchmarks travels in it."""

    model: str
    agent: Agent
    recipe: EvaluateRecipe
    seed: int
    store: Store
    refs: dict[str, Ref]
    benchmarks: dict[str, Benchmark]
    terms: Terms


def run(ctx: Context[EvaluateRecipe]) -> None:
    """One model after another, each on everything; a checkpoint is served while it plays."""
    benchmarks = {b.name: open_benchmark(b.name, ctx.base / b.path) for b in ctx.recipe.benchmarks}
    _check(ctx.recipe, benchmarks)
    work = [(model, payload) for model in ctx.recipe.models for payload in _payloads(ctx, model, benchmarks)]
    shards = ctx.payloads([payload for _, payload in work])
    for model in ctx.recipe.models:
        own = [shard for shard, (whose, _) in zip(shards, work, strict=True) if whose is model]
        _play(ctx, model, own, benchmarks, keep=shards)


def _check(recipe: EvaluateRecipe, benchmarks: dict[str, Benchmark]) -> None:
    """Raise ConfigError for what cannot be played, before anything is."""
    scripted = [m.name for m in recipe.models if m.agent is not None and not isinstance(m.agent, Endpoint)]
    if scripted and benchmarks:
        raise ConfigError(f"evaluate.models.{scripted[0]}: the scripted agent knows the run's own tasks only, and "
                          f"{', '.join(benchmarks)} is asked for; give it a configuration of its own")
    for choice in recipe.benchmarks:
        simulated = any(isinstance(item.user, SimulatedUser) for item in _items(choice, benchmarks[choice.name]))
        if simulated and not isinstance(recipe.user, Endpoint):
            raise ConfigError(f"evaluate.user: {choice.name} has a simulated user; name the model that plays it")


def _items(choice: EvaluatedBenchmark, benchmark: Benchmark) -> list[Any]:
    return chosen(benchmark.items(), subsets=choice.subsets, ids=choice.ids, limit=choice.limit)


def _payloads(ctx: Context[EvaluateRecipe], model: EvaluatedModel, benchmarks: dict[str, Benchmark]) -> list[Any]:
    kinds: list[tuple[str, list[str]]] = []
    if ctx.recipe.heldout:
        tasks = _heldout_tasks(ctx)
        kinds.append((HELDOUT, tasks))
        if ctx.recipe.heldout.calls and (model.agent is None or isinstance(model.agent, Endpoint)):
            kinds.append((CALLS, tasks))
    for choice in ctx.recipe.benchmarks:
        kinds.append((choice.name, [item.item_id for item in _items(choice, benchmarks[choice.name])]))
    return [
        [{"model": model.name, "kind": kind, "item": name} for name in names[start : start + PER_SHARD]]
        for kind, names in kinds
        for start in range(0, len(names), PER_SHARD)
    ]


def _heldout_tasks(ctx: Context[EvaluateRecipe]) -> list[str]:
    """The held-out tasks by environment, then id: those of one environment are played by one worker."""
    heldout = ctx.recipe.heldout
    assert heldout
    rows = ctx.read(TASKS, ["environment_id", "task_id", "split"]).to_pylist()
    named = ctx.read(ENVIRONMENTS, ["environment_id", "title"]).to_pylist()
    titles = {row["environment_id"]: row["title"] for row in named}
    chosen_tasks = []
    for split, vertical in product(heldout.splits, (False, True)):
        own = [row for row in rows if row["split"] == split
               and is_vertical(titles[row["environment_id"]], heldout.verticals) == vertical]
        chosen_tasks += sorted(own, key=lambda row: row["task_id"])[: heldout.limit or None]
    return [row["task_id"] for row in sorted(chosen_tasks, key=_place)]


def _place(task: dict[str, Any]) -> tuple[str, str, str]:
    return task["split"], task["environment_id"], task["task_id"]


def _play(
    ctx: Context[EvaluateRecipe], model: EvaluatedModel, shards: list[Shard], benchmarks: dict[str, Benchmark], *,
    keep: list[Shard],
) -> None:  # fmt: skip
    done = set(ctx.store.parts(ctx.targets[EPISODES.name]))
    if all(shard.name in done for shard in shards):
        return
    n_workers = max(1, min(pool_size(ctx.resources), len(shards), ctx.resources.model_calls))
    journal = f"{ctx.targets[EPISODES.name].fingerprint}-{model.name}"
    terms = Terms(share(ctx.resources, n_workers), journal)
    refs = {name: ctx.inputs[name] for name in (TASKS.name, ENVIRONMENTS.name) if name in ctx.inputs}
    with agent_of(model, ctx) as agent:
        waits = isinstance(agent, Endpoint) or isinstance(ctx.recipe.user, Endpoint)
        at_once = shards_at_once(terms.limits, 1, PER_SHARD * ctx.recipe.trials) if waits else 1
        for side, who in (("agent", agent), ("user", ctx.recipe.user)):
            if isinstance(who, Endpoint):
                check_endpoint(f"{model.name}.{side}", who)
        given = Given(model.name, agent, ctx.recipe, ctx.seed, ctx.store, refs, benchmarks, terms)
        limited = ctx._replace(resources=ctx.resources.model_copy(update={"workers": n_workers}))
        limited.map(shards, PlayEpisodes, given, writes=WRITES, at_once=at_once, keep=keep, by_row=ByRow(key_of))
    ctx.store.delete_folder(JOURNAL, journal)


class PlayEpisodes:
    """One worker with one model. Where a model plays, it is called for several groups at once, from as many threads:
    what they look up, they look up one after another.
    """

    def __init__(self, given: Given) -> None:
        self.given, self.looks_up = given, threading.Lock()
        recipe = given.recipe
        limits = Bounds(recipe.max_turns, recipe.max_calls, recipe.max_retries)
        self.recipe = recipe_of(given.agent, recipe.user, trials=recipe.trials, limits=limits)
        if TASKS.name in given.refs:
            self.tasks = Lookup(given.store, given.refs[TASKS.name], columns=("task_id", "task"))
            self.hosts = Hosts(given.store, given.refs[ENVIRONMENTS.name])
            assert recipe.heldout
            version = f"tasks {given.refs[TASKS.name].fingerprint}"
            self.set = TaskSet(version, recipe.heldout.verticals, given.seed, recipe.heldout.gold)
        self.items = {b.name: {item.item_id: item for item in b.items()} for b in given.benchmarks.values()}
        self.episodes = None
        if self.recipe.endpoints:
            collect_seldom()
            hosts = self.hosts if TASKS.name in given.refs else None
            self.episodes = Episodes(self.recipe, given.seed, hosts, given.store, given.terms)

    def __call__(self, payload: list[dict[str, str]]) -> Output:
        played = list(self._played(payload[0]["kind"], [row["item"] for row in payload]))
        rows = {
            EPISODES.name: [kept.row for kept in played],
            EVALUATION_CALLS.name: [row for kept in played for row in kept.model_calls],
        }
        return Output(rows, len(payload))

    def _played(self, kind: str, names: list[str]) -> Iterable[Kept]:
        if kind == HELDOUT:
            with self.looks_up:
                tasks = [self._task(name) for name in names]
                titles = [self.hosts[task.environment_id].spec.title for task in tasks]
            return self._tasks(tasks, titles)
        assert self.episodes is not None
        if kind == CALLS:
            with self.looks_up:
                sets = [self.set.calls(task, self.hosts[task.environment_id]) for task in map(self._task, names)]
            whole = sets[0]._replace(found=[item for one in sets for item in one.found])
            return self.episodes.play_items(self.given.model, whole, whole.found, trials=1)
        benchmark, items = self.given.benchmarks[kind], [self.items[kind][name] for name in names]
        return self.episodes.play_items(self.given.model, benchmark, items, trials=self.given.recipe.trials)

    def _task(self, name: str) -> Task:
        return Task.model_validate_json(self.tasks[name]["task"])

    def _tasks(self, tasks: list[Task], titles: list[str]) -> Iterable[Kept]:
        named = [pair for pair in zip(tasks, titles, strict=True) for _ in range(self.recipe.trials)]
        each, about = [task for task, _ in named], [self.set.about(self.given.model, *pair) for pair in named]
        if self.episodes is not None:
            return map(episode_kept, self.episodes.play(tasks), about)
        trials = [trial for _ in tasks for trial in range(self.recipe.trials)]
        return [
            scripted_kept(play(t, self.hosts[t.environment_id], self.recipe, trial=n, seed=self.given.seed), said)
            for t, n, said in zip(each, trials, about, strict=True)
        ]
