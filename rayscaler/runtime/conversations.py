"""A worker's conversations with models: one event loop, hundreds of them in flight, each one kept as soon as it ends.

Every shard of a stage waits in a thread of its own while the worker's one loop plays its conversations together with
those of the other shards, so a slow conversation holds up its own shard only. A conversation that ended is written to
the run's journal at once: when the worker dies, whoever plays its shards again takes from there what is done.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple

from rayscaler.canonical import digest, dumps
from rayscaler.environment import Environment
from rayscaler.recipes import Endpoint, RolloutRecipe
from rayscaler.resources import Resources
from rayscaler.rollouts.chat import Chat
from rayscaler.rollouts.play import Recorded, play_with, trajectory_id
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.metrics import conversation
from rayscaler.runtime.openai_chat import CallLimits, EndpointChat, Server
from rayscaler.runtime.store import Store
from rayscaler.runtime.waiting import Loop
from rayscaler.task import Task
from rayscaler.trajectory import ErrorType, Trajectory

JOURNAL = "journal"
"""Folder of a run that holds the conversations of unfinished stages."""

CLOSE_S = 30.0
"""How long the connections to a server may take to end."""


class Terms(NamedTuple):
    """On which terms one worker plays: its limits per endpoint, and the name of the journal."""

    limits: CallLimits
    journal: str


class Kept(NamedTuple):
    """A conversation as it is stored: its row of `trajectories`, and its rows of `model_calls`."""

    row: dict[str, Any]
    model_calls: list[dict[str, Any]]


Play = Callable[[], Coroutine[Any, Any, Kept]]
"""Plays one conversation."""


class Journal:
    """Conversations that have ended, one file each, in a folder per shard. `name` tells the journals of a run apart.

    Failures of the infrastructure are not kept: a run that goes on later plays them again.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name

    def ended(self, shard: str) -> dict[str, Kept]:
        """The conversations of a shard that have ended, here or in another worker, by name."""
        folder = (JOURNAL, self._name, shard)
        return {name.removesuffix(".json"): Kept(**json.loads(self._store.read_bytes(*folder, name)))
                for name in self._store.names(*folder)}

    def keep(self, shard: str, name: str, kept: Kept) -> None:
        """Write one that has ended."""
        if kept.row["error_type"] != ErrorType.INFRASTRUCTURE:
            self._store.write_bytes(json.dumps(kept._asdict()).encode(), JOURNAL, self._name, shard, f"{name}.json")


class Conversations:
    """Plays tasks between the sides of a recipe of which at least one is a model. Called from many threads.

    Raises ConfigError if a server's key is not set.
    """

    def __init__(self, recipe: RolloutRecipe, seed: int, hosts: Hosts | None, store: Store, terms: Terms) -> None:
        self.recipe, self.seed, self.hosts, limits = recipe, seed, hosts, terms.limits
        self.journal = Journal(store, terms.journal)
        self._hosting = asyncio.Lock()
        self._servers = {_place(endpoint): Server(endpoint, limits) for endpoint in recipe.endpoints.values()}
        self._seats = asyncio.Semaphore(limits.in_flight * len(self._servers))
        self._loop, self._longest_s = asyncio.new_event_loop(), limits.conversation_s
        self._waiting = Loop(self._loop, "conversation")
        threading.Thread(target=self._loop.run_forever, daemon=True, name="conversations").start()

    def play(self, tasks: Sequence[Task]) -> list[Kept]:
        """Every trial of every task, in order; one record each, whatever goes wrong."""
        shard = digest([task.task_id for task in tasks], length=16)
        trials = [(task, trial) for task in tasks for trial in range(self.recipe.trials)]
        names = [trajectory_id(task, self.recipe, trial) for task, trial in trials]
        return self.together(shard, names, [partial(self._one, task, trial) for task, trial in trials])

    def together(self, shard: str, names: Sequence[str], plays: Sequence[Play]) -> list[Kept]:
        """Conversations of this loop, all at once; their records in order. Those of the journal are not played."""
        return self._waiting.result(self._all(shard, names, plays, self.journal.ended(shard)), self._longest_s)

    def close(self) -> None:
        """End the connections and the loop."""
        for server in self._servers.values():
            self._waiting.result(server.close(), CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _all(self, shard: str, names: Sequence[str], plays: Sequence[Play], ended: dict[str, Kept]) -> list[Kept]:
        async def one(name: str, play: Play) -> Kept:
            return ended.get(name) or await self._kept(shard, name, play)

        return await asyncio.gather(*(one(name, play) for name, play in zip(names, plays, strict=True)))

    async def _kept(self, shard: str, name: str, play: Play) -> Kept:
        async with self._seats:
            with conversation("rollout"):
                kept = await play()
            # Files are written in threads: a bucket that is slow to answer must not hold up every other conversation.
            await asyncio.to_thread(self.journal.keep, shard, name, kept)
            self._waiting.one_ended()
            return kept

    async def _one(self, task: Task, trial: int) -> Kept:
        environment = await self._hosted(task.environment_id)
        recorded = await play_with(self._chat, task, environment, self.recipe, trial=trial, seed=self.seed)
        return Kept(trajectory_row(recorded.trajectory), model_call_rows(recorded, self.recipe))

    async def _hosted(self, environment_id: str) -> Environment:
        assert self.hosts is not None, "tasks are played where there are environments"
        environment = self.hosts.get(environment_id)
        if environment is None:
            async with self._hosting:
                environment = await asyncio.to_thread(self.hosts.__getitem__, environment_id)
        return environment

    def _chat(self, endpoint: Endpoint) -> Chat:
        return EndpointChat(endpoint, self._servers[_place(endpoint)])


def _place(endpoint: Endpoint) -> tuple[str, str]:
    """What makes two sides share a server's connections and its limit."""
    return endpoint.base_url, endpoint.api_key_env


def share(resources: Resources, n_workers: int) -> CallLimits:
    """One worker's part of the limits. `n_workers` is at most `resources.model_calls`."""
    return CallLimits(
        in_flight=resources.model_calls // n_workers,
        timeout_s=resources.call_timeout_s,
        retries=resources.call_retries,
        longest_wait_s=resources.call_wait_s,
        conversation_s=resources.conversation_timeout_s,
    )


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
        "agent": trajectory.agent,
        "user": trajectory.user,
        "seed": trajectory.seed,
        "planted": trajectory.planted,
        "trajectory": dumps(trajectory),
    }


def model_call_rows(recorded: Recorded, recipe: RolloutRecipe) -> list[dict[str, Any]]:
    """The rows of `model_calls` for one conversation."""
    rows = []
    for number, call in enumerate(recorded.model_calls):
        endpoint, used = recipe.endpoints[call.side], call.usage
        cost = used.prompt_tokens * endpoint.prompt_price + used.completion_tokens * endpoint.completion_price
        rows.append({
            "trajectory_id": recorded.trajectory.trajectory_id, "number": number, "side": call.side,
            "model": endpoint.model, "seed": call.sampling.seed, "cost": cost / 1e6, "malformed": call.malformed,
            **used._asdict(),
        })
    return rows
