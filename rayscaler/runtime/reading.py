"""Reading a table of many files: several reads under way at once, few results in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

READERS = 16
"""Reads under way at once: on a bucket each costs a round trip of tens of milliseconds."""

READ_TIMEOUT_S = 1800.0
"""Seconds after which one read is given up: far more than the retries of a bucket take."""


def ahead(work: Callable[[T], R], items: Iterable[T], *, readers: int = READERS) -> Iterator[R]:
    """`work(item)` for each of `items`, in their order, by threads. At most 2 x `readers` results wait in memory."""
    rest = iter(items)
    with ThreadPoolExecutor(readers) as pool:
        waiting = deque(pool.submit(work, item) for item in islice(rest, 2 * readers))
        while waiting:
            yield waiting.popleft().result(timeout=READ_TIMEOUT_S)
            waiting.extend(pool.submit(work, item) for item in islice(rest, 1))
