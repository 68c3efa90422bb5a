"""A thread that waits for what an event loop does, with a deadline that counts from the last sign of life.

What one worker has in flight may rightly take hours in all, so how long a thread may wait is no fixed time: it may wait
as long as something on the loop still ends, and no longer than one of the things may take after the last one ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from concurrent.futures import wait
from typing import Any, TypeVar

from rayscaler.errors import HostError
from rayscaler.runtime.attempts import something_ended

T = TypeVar("T")

LOOK_S = 60.0
"""How often a thread that waits looks whether anything goes on."""


class Loop:
    """An event loop that another thread runs, seen by the threads that wait for it. `what` it does, one by one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, what: str) -> None:
        self.loop, self.what = loop, what
        self._moved = time.monotonic()

    def one_ended(self) -> None:
        """Something of what this worker has in flight is done."""
        self._moved = time.monotonic()
        something_ended()

    def result(self, coroutine: Coroutine[Any, Any, T], limit_s: float) -> T:
        """What it returns or raises. HostError if it goes on and nothing at all has ended for `limit_s`."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        began = time.monotonic()
        while not wait([future], timeout=min(limit_s, LOOK_S)).done:
            silent_s = time.monotonic() - max(began, self._moved)
            if silent_s > limit_s:
                future.cancel()
                raise HostError(f"no {self.what} of this worker ended for {silent_s:.0f} s; one may take {limit_s:g} s")
        return future.result(timeout=0)
