"""Works of real stages in which one thing ends, hangs or overfills its process: workers import them by name."""

from __future__ import annotations

import os
import time
from typing import Any

from rayscaler.runtime.shards import Output
from rayscaler.stages.compose import ComposeTasks
from rayscaler.stages.embed import AverageTools
from rayscaler.stages.evaluate import PlayEpisodes
from rayscaler.stages.filter import JudgeTrajectories
from rayscaler.stages.ingest import ReadSpecs
from rayscaler.stages.materialize import Materialize
from rayscaler.stages.rollout import PlayScripted

BOMB_FILE, BOMB_TITLE = "bomb.json", "tasks"


def dies(row_number: str) -> bool:
    """About one row in six, whichever order they come in."""
    return int(row_number[-2:], 16) % 6 == 0


def dies_played(task_id: str) -> bool:
    """About every second task: few are held out."""
    return int(task_id[-1], 16) < 8


class PoisonSpecs(ReadSpecs):
    """A specification that ends its parser."""

    def __call__(self, payload: list[list[Any]]) -> Output:
        if any(BOMB_FILE in str(item) for item in payload):
            os._exit(7)
        return super().__call__(payload)


class PoisonVectors(AverageTools):
    """A tool that never gets its vector."""

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        if any(row["tool_id"].endswith("colors.get") for row in payload):
            time.sleep(3600)
        return super().__call__(payload)


class PoisonTools(Materialize):
    """A tool that ends the compiler, in any domain."""

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        if any(tool_id.endswith("CreateCase") for row in payload for tool_id in row["tool_ids"]):
            os._exit(7)
        return super().__call__(payload)


class PoisonEnvironments(ComposeTasks):
    """An environment that fills the memory of who makes its tasks."""

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        if any(row["title"] == BOMB_TITLE for row in payload):
            held = []
            for _ in range(600):
                held.append(bytearray(2**20))
            os.abort()   # in the pool no limit holds it; alone in a process it does not come to this line
        return super().__call__(payload)


class PoisonTasks(PlayScripted):
    """Conversations that end their process."""

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        if any(dies(row["task_id"]) for row in payload):
            os._exit(7)
        return super().__call__(payload)


class PoisonTrajectories(JudgeTrajectories):
    """Trajectories that end their judge."""

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        if any(dies(row["trajectory_id"]) for row in payload):
            os._exit(7)
        return super().__call__(payload)


class PoisonEpisodes(PlayEpisodes):
    """Held-out tasks that end whoever plays them."""

    def __call__(self, payload: list[dict[str, str]]) -> Output:
        if any(dies_played(row["item"]) for row in payload):
            os._exit(7)
        return super().__call__(payload)
