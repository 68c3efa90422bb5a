"""A run that stands still says what it waits for, and ends with an error when it has waited long enough.

Ray Data's own guard counts blocks, and a block may hold hundreds of shards; it says nothing while it waits, and names
operators when it gives up. This one looks at the marks of the shards (`attempts.py`) from inside Ray Data's loop:
progress is a shard that ended, another one that began, or something that ended inside one. Training has steps instead
of shards (`fine_tune.py`), and is watched from the driver.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rayscaler.errors import StageError
from rayscaler.resources import Resources
from rayscaler.runtime.attempts import Attempts, Mark

log = logging.getLogger(__name__)

NEVER = -1
"""Ray Data's word for no limit: its own guard counts blocks, of which one may hold hundreds of shards."""

QUIET_S = 15.0
"""How long a stage may be silent before the marks are looked at."""


class Watch:
    """Watches one pass over a stage's shards."""

    def __init__(self, stage: str, asks: dict[str, float], attempts: Attempts, limit_s: float) -> None:
        """asks: what each worker asks of Ray, `{"CPU": 1.0}`. limit_s: longest time without progress."""
        self.stage, self.asks, self.attempts, self.limit_s = stage, asks, attempts, limit_s
        self._moved = self._looked = time.monotonic()
        self._said = QUIET_S
        self._state: Any = None

    def progressed(self) -> None:
        """Something ended."""
        self._moved, self._said = time.monotonic(), QUIET_S

    def check(self) -> None:
        """Say what a silent stage waits for, twice as seldom each time; StageError once it is silent for too long."""
        now = time.monotonic()
        if now - max(self._looked, self._moved) < min(QUIET_S, self.limit_s / 4):
            return
        self._looked = now
        marks = self.attempts.in_work()
        state = (marks, self.attempts.pulses())
        if state != self._state:
            self._state = state
            self.progressed()
            return
        silent_s = now - self._moved
        waits = waits_for(self.stage, self.asks, marks)
        if silent_s >= self.limit_s:
            raise StageError(f"no progress for {silent_s:.0f} s (resources.stall_timeout_s): {waits}")
        if silent_s >= self._said:
            log.warning("no progress for %.0f s: %s", silent_s, waits)
            self._said *= 2


def waits_for(stage: str, asks: dict[str, float], marks: list[Mark]) -> str:
    """In words, what a stage waits for: the oldest of what is in work, else room for a worker."""
    if marks:
        oldest, more = marks[0], len(marks) - 1
        where = f"process {oldest.pid} on {oldest.host}, node {oldest.node[:8]}"
        others = f", and {more} more" if more else ""
        since_s = time.time() - oldest.since
        return f"{stage} waits for {oldest.what}, in work for {since_s:.0f} s by {where}{others}"
    import ray

    total = ray.cluster_resources()  # type: ignore[no-untyped-call]
    free = ray.available_resources()  # type: ignore[no-untyped-call]
    wanted = " and ".join(f"{amount:g} {name}" for name, amount in asks.items())
    room = ", ".join(f"{free.get(name, 0.0):g} of {total.get(name, 0.0):g} {name} free" for name in asks)
    return f"{stage} waits for a worker with {wanted}; the cluster has {room}{_why(asks, free)}"


def _why(asks: dict[str, float], free: dict[str, float]) -> str:
    """Whether there is room after all, or no node that could ever have any."""
    import ray

    nodes = [n["Resources"] for n in ray.nodes() if n["Alive"]]  # type: ignore[no-untyped-call]
    if all(free.get(name, 0.0) >= amount for name, amount in asks.items()):
        return ": its process is starting"
    if any(all(node.get(name, 0.0) >= amount for name, amount in asks.items()) for node in nodes):
        return ""
    return (f", and none of the {len(nodes)} nodes that are there is large enough for one: an autoscaler must bring "
            "one, or ask for less (resources)")


class StallCheck:
    """What Ray Data calls at each step of its loop. It makes one of these for itself, hence `_watching`."""

    def before_execution_starts(self, _executor: Any) -> None:
        """Nothing to prepare."""

    def on_execution_step(self, _executor: Any) -> None:
        """What is raised here ends the execution and reaches who reads its rows."""
        if _watching:
            _watching[-1].check()

    def after_execution_succeeds(self, _executor: Any) -> None:
        """Nothing to do."""

    def after_execution_fails(self, _executor: Any, _error: Exception) -> None:
        """Nothing to do."""


_watching: list[Watch] = []


@contextmanager
def watched(watch: Watch) -> Iterator[Watch]:
    """The watch that Ray Data's loop asks, for the time of the block."""
    _watching.append(watch)
    try:
        yield watch
    finally:
        _watching.remove(watch)


def patience_s(resources: Resources, *, waits: bool) -> float:
    """How long a pass may go without progress; where conversations wait for models, as long as one may take."""
    return max(resources.stall_timeout_s, resources.conversation_timeout_s if waits else 0.0)
