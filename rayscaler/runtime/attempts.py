"""Who is at which shard, and how often a shard's worker died: marks in the key-value store of Ray's head.

A worker marks a shard before it begins and after it ended. A mark that is there already means that the worker before
died in the middle, and the shard may be why. A mark takes a third of a millisecond. Marks live as long as one pass over
a stage's shards, and are read again only where a worker died or a run stalls.

    rayscaler/<pass>/work/<shard>     ["shard part-00…", node, host, 4711, 1763750000.1, 0]    while it is in work
    rayscaler/<pass>/done/<shard>     the shard's tally, for whoever gets the shard again with others of a dead worker
    rayscaler/<pass>/pulse/<process>  things that have ended inside its shards, for shards that take long
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from typing import Any, NamedTuple

from rayscaler.runtime.versions import alive_nodes

SPACE = "rayscaler"

PULSE_S = 5.0
"""Shortest time between two pulses of a process."""


class Mark(NamedTuple):
    """What is in work: where, since when (seconds since 1970), and how many workers died at it before."""

    what: str
    node: str
    host: str
    pid: int
    since: float
    deaths: int = 0


class Begun(NamedTuple):
    """What a worker learns when it takes a shard up: how often it went wrong, and its tally if it is done already."""

    deaths: int = 0
    overdue: bool = False
    tally: str = ""


class Attempts:
    """The marks of one pass. Pickles; works in the driver and in every worker that Ray started."""

    def __init__(self, *, limit_s: float = 0.0) -> None:
        """limit_s: a worker that was at a shard for so long counts as one that hung; 0: never."""
        self.limit_s = limit_s
        self._pass = uuid.uuid4().hex

    def begin(self, shard: str) -> Begun:
        """Mark a shard as in work here. The death of a whole node is nobody's fault and is not counted."""
        tally = self.done(shard)
        what = f"shard {shard}"
        if tally or not self._put("work", shard, _mark(what), overwrite=False):
            return Begun(tally=tally)
        before = Mark(*json.loads(self._get("work", shard) or _mark(what)))
        node_lives = before.node in alive_nodes()
        overdue = bool(self.limit_s) and node_lives and time.time() - before.since >= self.limit_s
        deaths = before.deaths + node_lives
        self._put("work", shard, _mark(what, deaths))
        return Begun(deaths, overdue)

    def at(self, worker: str, what: str) -> None:
        """Mark what a worker is at that has no shards: a step of a training."""
        self._put("work", worker, _mark(what))

    def end(self, shard: str, tally: str) -> None:
        """The shard is done."""
        self._put("done", shard, tally)
        self.leave(shard)

    def leave(self, shard: str) -> None:
        """The shard is no longer in work here, whether done or not."""
        _kv()._internal_kv_del(self._key("work", shard), namespace=SPACE)

    def done(self, shard: str) -> str:
        """The tally of a shard that is done; empty if it is not. A dead worker's shards come back all together."""
        return (self._get("done", shard) or b"").decode()

    def in_work(self) -> list[Mark]:
        """What is in work now, oldest first. What was in work on a node that is gone is not."""
        marks = [Mark(*json.loads(text)) for text in self._all("work")]
        alive = alive_nodes()
        return sorted((mark for mark in marks if mark.node in alive), key=lambda mark: (mark.since, mark.what))

    def pulse(self, n_ended: int) -> None:
        """Say that inside this process's shards something goes on."""
        self._put("pulse", f"{socket.gethostname()}-{os.getpid()}", str(n_ended))

    def pulses(self) -> list[bytes]:
        """What all processes said last, in the order of their names."""
        return self._all("pulse")

    def forget(self) -> None:
        """Remove all marks of the pass."""
        _kv()._internal_kv_del(f"{SPACE}/{self._pass}/", del_by_prefix=True, namespace=SPACE)

    def _key(self, kind: str, name: str) -> str:
        return f"{SPACE}/{self._pass}/{kind}/{name}"

    def _put(self, kind: str, name: str, value: str, *, overwrite: bool = True) -> bool:
        """Whether there was a value before."""
        return bool(_kv()._internal_kv_put(self._key(kind, name), value, overwrite=overwrite, namespace=SPACE))

    def _get(self, kind: str, name: str) -> bytes | None:
        found: bytes | None = _kv()._internal_kv_get(self._key(kind, name), namespace=SPACE)
        return found

    def _all(self, kind: str) -> list[bytes]:
        keys = sorted(_kv()._internal_kv_list(self._key(kind, ""), namespace=SPACE))
        found = [_kv()._internal_kv_get(key, namespace=SPACE) for key in keys]
        return [value for value in found if value is not None]


class _Pulse:
    """What ended in this process, told to the marks every few seconds."""

    def __init__(self) -> None:
        self.attempts: Attempts | None = None
        self.told_s, self.n_ended = 0.0, 0
        self.lock = threading.Lock()

    def beat(self) -> None:
        with self.lock:
            self.n_ended += 1
            if self.attempts is None or time.monotonic() - self.told_s < PULSE_S:
                return
            self.told_s = time.monotonic()
        self.attempts.pulse(self.n_ended)


_pulse = _Pulse()


def work_under(attempts: Attempts) -> None:
    """From now on, what ends in this process belongs to this pass."""
    _pulse.attempts = attempts


def something_ended() -> None:
    """Inside a shard that takes long, something went on: a conversation ended. Costs nothing outside of Ray."""
    _pulse.beat()


def _mark(what: str, deaths: int = 0) -> str:
    import ray

    node = ray.get_runtime_context().get_node_id()
    return json.dumps(Mark(what, node, socket.gethostname(), os.getpid(), round(time.time(), 3), deaths))


def _kv() -> Any:
    from ray.experimental import internal_kv

    return internal_kv
