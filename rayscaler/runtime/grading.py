"""Grading recorded episodes: the right grader for each, and the rows that scores are counted from."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from operator import itemgetter
from typing import Any, Protocol

from rayscaler.canonical import dumps
from rayscaler.evaluation.benchmark import Benchmark, Grade, Item
from rayscaler.evaluation.scores import Graded, Unplayed, scores
from rayscaler.recipes import FilterRecipe, ScriptedAgent
from rayscaler.runtime.heldout import CALLS, HELDOUT, TaskSet, grade_task
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS, TASKS
from rayscaler.task import Task
from rayscaler.trajectory import ErrorType, Trajectory

Row = Mapping[str, Any]


class Graders:
    """Grades rows of `episodes`.

    refs: the run's tables of tasks and environments, if held-out tasks were played. seed: the run's, from which `gold`
    plays the history of single calls again.
    """

    def __init__(
        self, benchmarks: Mapping[str, Benchmark], recipe: FilterRecipe, store: Store, refs: Mapping[str, Ref],
        seed: int, *, gold: ScriptedAgent,
    ) -> None:  # fmt: skip
        self.benchmarks, self.recipe = benchmarks, recipe
        self._items = {b.name: {item.item_id: item for item in b.items()} for b in benchmarks.values()}
        if TASKS.name in refs:
            self.tasks = Lookup(store, refs[TASKS.name], columns=("task_id", "task"))
            self.hosts = Hosts(store, refs[ENVIRONMENTS.name])
            self.set = TaskSet("", (), seed, gold)
        self._calls = lru_cache(64)(self._calls_of)

    def grade(self, row: Row) -> Grade | None:
        """The grade of an episode; None if the machinery broke it."""
        if row["error_type"] == ErrorType.INFRASTRUCTURE:
            return None
        trajectory = Trajectory.model_validate_json(row["trajectory"])
        if row["benchmark"] == HELDOUT:
            task = self._task(row["item_id"])
            return grade_task(trajectory, task, self.hosts[task.environment_id].spec.identity, self.recipe)
        if row["benchmark"] == CALLS:
            items, calls = self._calls(row["group"])
            return calls.grade(items[row["item_id"]], trajectory)
        benchmark = self.benchmarks[row["benchmark"]]
        return benchmark.grade(self._items[row["benchmark"]][row["item_id"]], trajectory)

    def _task(self, name: str) -> Task:
        return Task.model_validate_json(self.tasks[name]["task"])

    def _calls_of(self, task_id: str) -> tuple[dict[str, Item], Benchmark]:
        task = self._task(task_id)
        calls = self.set.calls(task, self.hosts[task.environment_id])
        return {item.item_id: item for item in calls.found}, calls


def grade_row(row: Row, grade: Grade | None) -> dict[str, Any]:
    """The row of `grades` of an episode."""
    if grade is None:
        grade, reward = Grade(0.0, {}, detail=json.loads(row["trajectory"])["error_detail"]), None
    else:
        reward = grade.reward
    return {
        "episode_id": row["episode_id"], "reward": reward, "parts": dumps(grade.parts),
        "uncovered": list(grade.uncovered), "detail": grade.detail[:2000],
    }  # fmt: skip


PLACE = ("model", "benchmark", "subset", "item_id", "group")


class Grades(Protocol):
    """Rows of `grades` by episode: a dict, or a `Lookup`."""

    def __getitem__(self, episode_id: str, /) -> Row:
        """The grade of one episode."""
        ...


def score_rows(
    episodes: Iterable[Row], grades: Grades, *, rejects: Iterable[Row] = (), seed: int
) -> list[dict[str, Any]]:
    """The rows of `scores`. grades: the rows of `grades` by episode. rejects: what `evaluate` could not play.

    Rows are taken one by one; some 700 bytes of each are held.
    """
    versions: dict[str, str] = {}
    parts_of = lru_cache(2**12)(json.loads)   # a few patterns, shared by all

    def graded(row: Row) -> Graded:
        versions[row["benchmark"]] = row["version"]
        grade = grades[row["episode_id"]]
        model, benchmark, subset, item_id, group = map(sys.intern, itemgetter(*PLACE)(row))
        return Graded(
            model, benchmark, subset, item_id, group, row["trial"], grade["reward"], parts_of(grade["parts"]),
            _interned(grade["uncovered"]), row["n_gold"], _interned(row["labels"]),
            row["error_type"] == ErrorType.USER,
        )  # fmt: skip

    unplayed = [Unplayed(*row["key"].split(":", 2)) for row in rejects]
    found = scores(map(graded, episodes), unplayed=unplayed, seed=seed)
    return [{**score._asdict(), "version": versions.get(score.benchmark, "")} for score in found]


def _interned(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(sys.intern, words))
