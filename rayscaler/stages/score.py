"""score: episodes -> grades and scores with intervals. Needs no model: stored episodes can be graded at any time."""

from __future__ import annotations

from functools import partial
from typing import Any

from rayscaler.evaluation.adapters import open_benchmark
from rayscaler.evaluation.benchmark import Benchmark
from rayscaler.recipes_evaluate import ScoreRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.grading import Graders, grade_row, score_rows
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.table import Table
from rayscaler.tables import ENVIRONMENTS, EPISODES, GRADES, REJECTS, SCORES, TASKS

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "score", 4, (EPISODES, REJECTS, TASKS, ENVIRONMENTS), (SCORES, GRADES), True, "episodes",
)  # fmt: skip
MADE_BY = ("msgspec", "numpy", "rayscaler.filters", "rayscaler.evaluation")

ABOUT = ["episode_id", "model", "benchmark", "version", "subset", "item_id", "group", "labels", "n_gold", "trial",
         "error_type"]
"""Columns of `episodes` that scores are counted by."""


def reads(recipe: ScoreRecipe) -> tuple[Table, ...]:
    """`rejects` are those of `evaluate`. The run's tasks are needed only where held-out tasks were played."""
    return (EPISODES, REJECTS, TASKS, ENVIRONMENTS) if recipe.heldout else (EPISODES, REJECTS)


def run(ctx: Context[ScoreRecipe]) -> None:
    """One grade per episode; then one worker counts them."""
    benchmarks = {b.name: open_benchmark(b.name, ctx.base / b.path) for b in ctx.recipe.benchmarks}
    refs = {name: ctx.inputs[name] for name in (TASKS.name, ENVIRONMENTS.name) if name in ctx.inputs}
    given = (benchmarks, ctx.recipe, ctx.store, refs, ctx.seed)
    ctx.map(ctx.rows(EPISODES, per_shard=64), GradeEpisodes, *given, writes=(GRADES,))
    counted = (ctx.store, ctx.input(EPISODES), ctx.input(REJECTS), ctx.targets[GRADES.name], ctx.seed)
    ctx.map(ctx.payloads([0]), CountGrades, *counted, writes=(SCORES,))


class GradeEpisodes:
    """Grades a group of episodes."""

    def __init__(self, benchmarks: dict[str, Benchmark], recipe: ScoreRecipe, store: Store, refs: dict[str, Ref],
                 seed: int) -> None:
        self.graders = Graders(benchmarks, recipe.filter, store, refs, seed, gold=recipe.gold)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        return Output({GRADES.name: [grade_row(row, self.graders.grade(row)) for row in payload]}, len(payload))


class CountGrades:
    """Counts all grades."""

    def __init__(self, store: Store, episodes: Ref, rejects: Ref, grades: Ref, seed: int) -> None:
        self.store, self.episodes, self.rejects, self.grades, self.seed = store, episodes, rejects, grades, seed

    def __call__(self, _: int) -> Output:
        grades = Lookup(self.store, self.grades, columns=("episode_id", "reward", "parts", "uncovered"))
        read = partial(self.store.read_part, self.episodes, columns=ABOUT)
        episodes = (row for part in ahead(read, self.store.parts(self.episodes)) for row in part.to_pylist())
        rejects = self.store.read(self.rejects).to_pylist()
        rows = score_rows(episodes, grades, rejects=rejects, seed=self.seed)
        return Output({SCORES.name: rows}, self.store.n_rows(self.episodes))
