"""Memory that is free goes back to the system.

A worker's memory grew with the number of shards that it had done, not with what it held: on 100,000 trajectories
`filter` held 170 MiB and occupied 590. Arrow's default allocator, mimalloc, keeps what it once had for each of many
reading threads; jemalloc, which `rayscaler` chooses when it is imported, returns it. And glibc gives each thread an
arena of its own, and learns from large blocks to keep them too, until it is told not to.
"""

from __future__ import annotations

import ctypes
import os

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Parameters of glibc's `mallopt` (malloc.h)."""

ARENAS = 2
LARGE = 2**20
"""Blocks of a MiB and more are mapped one by one and go back when they are freed. Smaller would cost page faults."""


def give_back() -> None:
    """Make this process's allocator return what is freed. For the whole process; does nothing where it is not glibc's.

    What the environment says of it (`MALLOC_…`) is left as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is None or any(name.startswith("MALLOC_") for name in os.environ):
        return
    for parameter, value in ((M_ARENA_MAX, ARENAS), (M_MMAP_THRESHOLD, LARGE), (M_TRIM_THRESHOLD, LARGE)):
        mallopt(parameter, value)
