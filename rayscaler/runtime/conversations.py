"""A worker's conversations with models: one event loop, hundreds of them in flight, each one kept as soon as it ends.

Every shard of a stage waits in a thread of its own while the worker's one loop plays its conversations together with
those of the other shards, so a slow conversation holds up its own shard only. A conversation that ended is written to
the run's journal at once: when the worker dies, whoever plays its shards again takes from there what is done.

A conversation takes one of the worker's seats when its environment and its state are there, and leaves it with its last
reply: a seat stands for a model call that may be in flight, so nothing else is done on it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple

from rayscaler.canonical import digest, dumps
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.errors import EnvironmentSpecError, RayscalerError, ToolCodeError
from rayscaler.recipes import Endpoint, RolloutRecipe
from rayscaler.resources import Resources
from rayscaler.rollouts.chat import Chat
from rayscaler.rollouts.play import Recorded, play_with, trajectory_id, unplayed
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.metrics import conversation
from rayscaler.runtime.openai_chat import CallLimits, EndpointChat, Server
from rayscaler.runtime.store import Store
from rayscaler.runtime.waiting import Loop
from rayscaler.task import Task
from rayscaler.trajectory import ErrorType, Trajectory

log = logging.getLogger(__name__)

JOURNAL = "journal"
"""Folder of a run that holds the conversations of unfinished stages."""

OF_ONE_ENVIRONMENT = (EnvironmentSpecError, ToolCodeError)
"""Errors of rayscaler's own that say something of one environment, not of the run."""

SEATS_FILLED = 3
"""Conversations of the shards in work, per seat: of a shard that is nearly done, few still sit."""

COLLECT_AFTER = (50_000, 20, 100)
"""Thresholds of Python's garbage collector in a worker, in place of its own (700, 10, 10)."""

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


class Play(NamedTuple):
    """One conversation: `play` plays it, `broken` records that it could not be played."""

    play: Callable[[], Coroutine[Any, Any, Kept]]
    broken: Callable[[Exception], Kept]


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
        self._preparing = asyncio.Lock()
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
        plays = [Play(partial(self._one, task, trial), partial(self._broken, task, trial)) for task, trial in trials]
        return self.together(shard, names, plays)

    def together(self, shard: str, names: Sequence[str], plays: Sequence[Play]) -> list[Kept]:
        """Conversations of this loop, all at once; their records in order. Those of the journal are not played.

        One that raises is recorded as a failure of the infrastructure and the others go on. What is wrong with the run
        itself (its disk, its tables) is raised.
        """
        return self._waiting.result(self._all(shard, names, plays, self.journal.ended(shard)), self._longest_s)

    def close(self) -> None:
        """End the connections and the loop."""
        for server in self._servers.values():
            self._waiting.result(server.close(), CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _all(self, shard: str, names: Sequence[str], plays: Sequence[Play], ended: dict[str, Kept]) -> list[Kept]:
        async def one(name: str, play: Play) -> Kept:
            return ended.get(name) or await self._kept(shard, name, play)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(name, play)) for name, play in zip(names, plays, strict=True)]
        except ExceptionGroup as errors:    # the others are cancelled
            raise errors.exceptions[0] from errors
        return [await task for task in tasks]

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[None]:
        """One of the conversations in flight, for the time of the block; waits until there is room."""
        async with self._seats:
            with conversation("rollout"):
                yield

    async def _kept(self, shard: str, name: str, play: Play) -> Kept:
        try:
            kept = await play.play()
        except Exception as error:  # the boundary of one conversation: it is recorded, and the others go on
            if isinstance(error, RayscalerError) and not isinstance(error, OF_ONE_ENVIRONMENT):
                raise
            log.exception("conversation %s could not be played", name)
            kept = play.broken(error)
        # Files are written in threads: a bucket that is slow to answer must not hold up every other conversation.
        await asyncio.to_thread(self.journal.keep, shard, name, kept)
        self._waiting.one_ended()
        return kept

    async def _one(self, task: Task, trial: int) -> Kept:
        environment = await self._prepared(task)
        async with self.seat():
            recorded = await play_with(self._chat, task, environment, self.recipe, trial=trial, seed=self.seed)
        return self._kept_of(recorded)

    def _broken(self, task: Task, trial: int, error: Exception) -> Kept:
        return self._kept_of(unplayed(task, self.recipe, error, trial=trial, seed=self.seed))

    def _kept_of(self, recorded: Recorded) -> Kept:
        return Kept(trajectory_row(recorded.trajectory), model_call_rows(recorded, self.recipe))

    async def _prepared(self, task: Task) -> HostedEnvironment:
        """The task's environment with the task's state made, one at a time: between two, the loop looks after others.

        A state takes tens of milliseconds of pure Python. In a thread it would hold up the loop longer, at each of its
        system calls.
        """
        assert self.hosts is not None, "tasks are played where there are environments"
        async with self._preparing:
            environment = self.hosts.get(task.environment_id)
            if environment is None:
                environment = await asyncio.to_thread(self.hosts.__getitem__, task.environment_id)
            with suppress(Exception):   # the conversation meets it again, and records it
                environment.start_of(task.seed)
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


def collect_seldom() -> None:
    """Let this process look for garbage in circles less often, and never among what it has now (libraries, the job).

    With 500 conversations in flight Python's own settings take 15% of the CPU time and stop the loop for up to 0.28 s
    at once; these take 1%, and 0.1 s.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def shards_at_once(limits: CallLimits, n_endpoints: int, n_conversations: int) -> int:
    """Shards of so many conversations that a worker needs in work, so that none of its seats stays empty."""
    return 2 + SEATS_FILLED * n_endpoints * limits.in_flight // n_conversations


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
