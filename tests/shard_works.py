"""Small works for the tests of sharded execution: workers import them by name."""

from __future__ import annotations

import os
import signal
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
