"""Reading a table of many files: several reads under way at once, few results in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import pyarrow as pa

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


def together(tables: Iterable[pa.Table], size: Callable[[pa.Table], float]) -> Iterator[pa.Table]:
    """The same rows in order, in tables whose sizes add up to 1 or more, but for the last one."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        if sum(map(size, held)) >= 1:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
