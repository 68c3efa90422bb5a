"""filter: trajectories -> verdicts and their funnel, by the paper's three filters in its order (3.1), then ours."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import chain
from operator import itemgetter
from typing import Any

import msgspec
from pydantic import TypeAdapter

from rayscaler.changes import Identity
from rayscaler.environment import Entity, identity_of
from rayscaler.filters.funnel import funnel_rows
from rayscaler.filters.judge import judge_recorded
from rayscaler.filters.recorded import Played, Wanted, read_played, read_wanted
from rayscaler.recipes import FilterRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS, FUNNEL, REJECTS, TASKS, TRAJECTORIES, VERDICTS
from rayscaler.trajectory import Trajectory, Verdict

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "filter", 4, (TRAJECTORIES, TASKS, ENVIRONMENTS), (VERDICTS, FUNNEL, REJECTS), False, "trajectories",
)  # fmt: skip
MADE_BY = ("msgspec", "rayscaler.filters")

COLUMNS = ("trajectory_id", "trajectory")
"""What is read of a trajectory's row: the others say again what stands in the JSON text."""

PER_SHARD = 512
"""Trajectories judged together: what every shard costs, a call of Ray Data and two files, is felt with fewer."""

_ENTITIES: TypeAdapter[tuple[Entity, ...]] = TypeAdapter(tuple[Entity, ...])


def run(ctx: Context[FilterRecipe]) -> None:
    """One verdict per trajectory; then one worker counts them."""
    arguments = (ctx.recipe, ctx.store, ctx.input(TASKS), ctx.input(ENVIRONMENTS))
    by_trajectory, judged = ByRow(itemgetter("trajectory_id")), (VERDICTS, REJECTS)
    shards = ctx.rows(TRAJECTORIES, per_shard=PER_SHARD, columns=COLUMNS)
    ctx.map(shards, JudgeTrajectories, *arguments, writes=judged, by_row=by_trajectory)
    counted = (ctx.store, ctx.targets[VERDICTS.name], ctx.input(ENVIRONMENTS))
    ctx.map(ctx.payloads([0]), CountVerdicts, *counted, writes=(FUNNEL,))


class JudgeTrajectories:
    """Judges a group of trajectories."""

    def __init__(self, recipe: FilterRecipe, store: Store, tasks: Ref, environments: Ref) -> None:
        self.recipe = recipe
        self.tasks = Lookup(store, tasks, columns=("task_id", "task"))
        self.environments = Lookup(store, environments, columns=("environment_id", "spec"))
        # Trials of one task and tasks of one environment are neighbours.
        self.wanted, self.identity = lru_cache(64)(self._wanted), lru_cache(64)(self._identity)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows = []
        for row in payload:
            played = read_played(row["trajectory"])
            wanted, identity = self.wanted(played.task_id), self.identity(played.environment_id)
            rows.append(verdict_row(played, judge_recorded(played, wanted, identity, self.recipe)))
        return Output({VERDICTS.name: rows}, len(payload))

    def _wanted(self, task_id: str) -> Wanted:
        return read_wanted(self.tasks[task_id]["task"])

    def _identity(self, environment_id: str) -> Identity:
        return read_identity(self.environments[environment_id]["spec"])


class CountVerdicts:
    """Counts all verdicts: in all, by domain, by length, by planted mistake."""

    def __init__(self, store: Store, verdicts: Ref, environments: Ref) -> None:
        self.store, self.verdicts, self.environments = store, verdicts, environments

    def __call__(self, _: int) -> Output:
        columns = ["environment_id", "n_calls", "kept", "stage", "reason", "planted"]
        read = partial(self.store.read_part, self.verdicts, columns=columns)
        parts = ahead(read, self.store.parts(self.verdicts))
        verdicts = chain.from_iterable(part.to_pylist() for part in parts)
        named = self.store.read(self.environments, ["environment_id", "title"]).to_pydict()
        titles = dict(zip(named["environment_id"], named["title"], strict=True))
        rows = funnel_rows(verdicts, titles)
        return Output({FUNNEL.name: rows}, rows[0]["n_in"])


class _Entities(msgspec.Struct):
    """The part of an `EnvironmentSpec` that says what its tables are."""

    entities: msgspec.Raw


def read_identity(spec: str) -> Identity:
    """`EnvironmentSpec.identity` of a stored specification; its tools, nine tenths of the text, are skipped."""
    return identity_of(_ENTITIES.validate_json(bytes(msgspec.json.decode(spec, type=_Entities).entities)))


def verdict_row(played: Played | Trajectory, verdict: Verdict) -> dict[str, Any]:
    """The row of `verdicts`."""
    return {
        "trajectory_id": played.trajectory_id,
        "task_id": played.task_id,
        "environment_id": played.environment_id,
        "n_calls": len(played.steps),
        "kept": verdict.kept,
        "stage": verdict.stage or "",
        "reason": verdict.reason,
        "detail": verdict.detail,
        "planted": played.planted,
    }
