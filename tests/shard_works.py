"""Small works for the tests of sharded execution: workers import them by name."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

from rayscaler.reasons import Reason, Rejected
from rayscaler.runtime.shards import Output


class EvenNumbers:
    """Keeps even numbers as rows of `rejects`-shaped tables, leaves odd ones out; notes each call in a folder."""

    def __init__(self, notes: str, fail_at: int | None = None, kill_at: int | None = None) -> None:
        self.notes, self.fail_at, self.kill_at = Path(notes), fail_at, kill_at

    def __call__(self, payload: list[int]) -> Output:
        if self.fail_at in payload:
            raise ValueError(f"number {self.fail_at} is unlucky")
        once = self.notes / "killed"
        if self.kill_at in payload and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (self.notes / f"{payload[0]}-{os.getpid()}").touch()
        rows: list[dict[str, Any]] = [
            {"domain_id": str(n), "src": "a", "field": "b", "dst": "c", "parameter": "d", "score": 1.0, "rule": "even"}
            for n in payload
            if n % 2 == 0
        ]
        odd = [Rejected(str(n), Reason.FILTERED, "odd") for n in payload if n % 2]
        return Output({"links": rows}, len(payload), odd)


class Poison:
    """Doubles numbers; some of them end, hang or overfill the process that works on them, and notes who tried."""

    def __init__(self, notes: str, poison: dict[str, str]) -> None:
        self.notes, self.poison = Path(notes), poison

    def __call__(self, payload: list[int]) -> Output:
        rows = [self._double(number) for number in payload]
        return Output({"links": rows}, len(payload))

    def _double(self, number: int) -> dict[str, Any]:
        poison = self.poison.get(str(number))
        if poison:
            (self.notes / f"{number}-{os.getpid()}").touch()
        if poison == "exit":
            os._exit(3)
        if poison == "segfault":
            ctypes.string_at(0)
        if poison == "hang":   # in C, with the interpreter's lock held
            re.match(r"(a+)+$", "a" * 60 + "b")
        if poison == "hog":
            _hog()
        return {"domain_id": str(2 * number), "src": "a", "field": "b", "dst": "c", "parameter": "d", "score": 1.0,
                "rule": "double"}


def _hog() -> None:
    """Memory until somebody ends it: in the pool Ray's monitor would; here the process itself, at 300 MB."""
    held = []
    while True:
        held.append(bytearray(2**20))
        if len(held) > 300:
            os.kill(os.getpid(), signal.SIGKILL)


def whole(number: int) -> str:
    """How a row of `Poison` is named."""
    return f"number {number}"


class Parts:
    """Sums lists of numbers; a list with a poisonous number in it ends its process."""

    def __init__(self, dead: int) -> None:
        self.dead = dead

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        if any(self.dead in row["numbers"] for row in payload):
            os._exit(4)
        rows = [{"domain_id": row["id"], "src": str(sum(row["numbers"])), "field": "b", "dst": "c", "parameter": "d",
                 "score": 1.0, "rule": "sum"} for row in payload]
        return Output({"links": rows}, sum(len(row["numbers"]) for row in payload))


def numbers_of(row: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The pieces of a row of `Parts`."""
    return [(f"{row['id']}/{n}", {**row, "numbers": [n]}) for n in row["numbers"]]


def without(row: dict[str, Any], dead: set[str]) -> dict[str, Any]:
    """A row of `Parts` without some numbers."""
    return {**row, "numbers": [n for n in row["numbers"] if f"{row['id']}/{n}" not in dead]}


class Sleeper:
    """Works on a shard for ever."""

    def __call__(self, payload: list[int]) -> Output:
        time.sleep(3600)
        return Output({}, len(payload))
