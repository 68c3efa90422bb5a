"""The adapters by the name under which a configuration asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

from rayscaler.errors import ConfigError
from rayscaler.evaluation.acebench import AceBench
from rayscaler.evaluation.benchmark import Benchmark, Item
from rayscaler.evaluation.bfcl import Bfcl
from rayscaler.evaluation.tau2_bench import Tau2Bench
from rayscaler.evaluation.tau_bench import TauBench

Open = Callable[[Path], Benchmark]
"""Reads a benchmark from its data folder. Raises ConfigError naming the file that is missing."""

ADAPTERS: dict[str, Open] = {
    "acebench": AceBench,
    "acebench-text": partial(AceBench, form="text"),
    "bfcl": Bfcl,
    TauBench.name: TauBench,
    Tau2Bench.name: Tau2Bench,
}
"""Name in `evaluate.benchmarks` -> adapter."""


def open_benchmark(name: str, folder: Path) -> Benchmark:
    """The benchmark `name`, read from `folder`. ConfigError if there is no such adapter or folder."""
    if name not in ADAPTERS:
        raise ConfigError(f"evaluate.benchmarks: there is no adapter {name!r}; there are {', '.join(sorted(ADAPTERS))}")
    if not folder.is_dir():
        raise ConfigError(f"evaluate.benchmarks.{name}.path: no folder {folder}")
    return ADAPTERS[name](folder)


def chosen(
    items: Sequence[Item], *, subsets: Sequence[str] = (), ids: Sequence[str] = (), limit: int = 0
) -> list[Item]:
    """Items whose subset and id match one of the globs (none: all), at most `limit` of each subset, in their order."""
    counts: dict[str, int] = {}
    found = []
    for item in items:
        if subsets and not any(fnmatch(item.subset, glob) for glob in subsets):
            continue
        if ids and not any(fnmatch(item.item_id, glob) for glob in ids):
            continue
        counts[item.subset] = counts.get(item.subset, 0) + 1
        if not limit or counts[item.subset] <= limit:
            found.append(item)
    return found
