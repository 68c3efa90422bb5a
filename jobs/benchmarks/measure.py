"""Clocks and scales: repeated times, the machine's sgemm rate, memory of all processes, Markdown tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

MIB = 2**20

LIMIT_S = 4 * 3600.0
"""Longest time of one measurement in a process of its own."""


class Timed(NamedTuple):
    """Seconds of each repeat, the peak of memory in MiB, and the machine's load before each repeat."""

    seconds: list[float]
    rss_mb: float
    loads: list[float]

    @property
    def median_s(self) -> float:
        """The median repeat."""
        return median(self.seconds)

    def cells(self) -> list[str]:
        """Median and all repeats, memory and load for a table."""
        every = " ".join(f"{s:.2f}" for s in self.seconds)
        return [f"{self.median_s:.2f}", every, f"{self.rss_mb:,.0f}", " ".join(f"{load:.1f}" for load in self.loads)]


def prepare_ray() -> None:
    """Before Ray starts: a cluster of its own, and workers of the same priority as what they are measured against.

    Ray runs workers at nice 15 by default: beside other work they would be measured at a fraction of the machine.
    """
    os.environ.setdefault("RAY_ADDRESS", "local")
    os.environ.setdefault("RAY_worker_niceness", "0")


def joined(parts: Sequence[Timed]) -> Timed:
    """Repeats that were taken one by one, between those of others."""
    return Timed(
        [s for p in parts for s in p.seconds], max(p.rss_mb for p in parts), [load for p in parts for load in p.loads]
    )


def timed(work: Callable[[], object]) -> Timed:
    """One run of `work`: its time, and the peak of resident memory over this process and all its descendants."""
    load = os.getloadavg()[0]
    with peak_rss() as peak:
        began = time.perf_counter()
        work()
        seconds = time.perf_counter() - began
    return Timed([seconds], peak[0] / MIB, [load])


def alone(module: str, arguments: Sequence[str], n_threads: int) -> Timed:
    """A module of this package in a process of its own, which prints its `seconds` and `rss_mb` as JSON."""
    load = os.getloadavg()[0]
    told = told_by(module, arguments, n_threads)
    return Timed([told["seconds"]], told["rss_mb"], [load])


def told_by(module: str, arguments: Sequence[str], n_threads: int) -> dict[str, float]:
    """The JSON that a module of this package prints in a process of its own."""
    jobs = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": str(jobs.parent), "OMP_NUM_THREADS": str(n_threads)}
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=jobs, env=environment,
                          timeout=LIMIT_S)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def sgemm_rate(n_threads: int, *, dimension: int, side: int = 2048, seconds: float = 1.5) -> float:
    """FLOP/s of this machine's single-precision product of the shape that tiles have; the median over `seconds`."""
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(0)
    a_PD, b_PD = (rng.standard_normal((side, dimension), np.float32) for _ in range(2))
    out, found = np.empty((side, side), np.float32), []
    with threadpool_limits(n_threads, user_api="blas"):
        np.matmul(a_PD, b_PD.T, out=out)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            np.matmul(a_PD, b_PD.T, out=out)
            found.append(time.perf_counter() - began)
    return 2 * side * side * dimension / median(found)


def own_peak_mb() -> float:
    """The largest resident memory of this process so far, in MiB. (`ru_maxrss` would count its parent's too.)"""
    return _status_kb("VmHWM") / 1024


def peak_rss(every_s: float = 0.1) -> AbstractContextManager[list[float]]:
    """The largest sum of resident memory seen, in bytes, as a list of one. Shared pages count once per process."""
    return _peak(_rss, every_s)


def peak_held() -> AbstractContextManager[list[float]]:
    """The largest anonymous memory of this process seen, in bytes, as a list of one: without pages of files."""
    return _peak(_held, every_s=0.02)


@contextmanager
def _peak(measure: Callable[[], int], every_s: float) -> Iterator[list[float]]:
    peak, stop = [float(measure())], threading.Event()

    def watch() -> None:
        while not stop.wait(every_s):
            peak[0] = max(peak[0], float(measure()))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join(10)


def _held() -> int:
    return _status_kb("RssAnon") * 1024


def _status_kb(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def _rss() -> int:
    """Resident bytes of this process and all its descendants, Ray's included."""
    parents, pages = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            pages[int(folder.name)] = int((folder / "statm").read_text().split()[1])
        except (OSError, ValueError, IndexError):   # it has just ended
            continue
    family, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return sum(pages.get(pid, 0) for pid in family) * os.sysconf("SC_PAGE_SIZE")


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table for the terminal and for the documentation."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
