"""`bench.py graph`, its last part: 60,000 tools into domains by either engine, each in a process of its own.

    python -m benchmarks.partition ENGINE GRAPH.npz LABELS.npy    ->  {"seconds": 4.1, "rss_mb": 402.0}

The first call is what counts: it includes the start of graph-tool's interpreter. The tool graph is that of a finished
run (a seeded sample of its tools), or planted: groups of tools, near to one another, with some neighbours elsewhere.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.measure import MIB, Timed, alone, joined, markdown, peak_rss
from rayscaler.graph.communities import LEFT_OVER, modularity, partition, undirected
from rayscaler.recipes import PartitionRecipe

ENGINES = ("igraph", "graph-tool")
HEAD = ["tool graph", "engine", "median s", "all s", "peak MiB", "load", "domains", "largest", "left", "modularity"]
GROUP, NEAR = 26, 15


class Pairs(NamedTuple):
    """Nearest rows of `n` tools, as `edges` has them."""

    n: int
    src_E: np.ndarray
    dst_E: np.ndarray
    similarity_E: np.ndarray


def planted(n: int, seed: int) -> Pairs:
    """Each tool near 12 of its group of GROUP tools and, less so, 3 others."""
    rng = np.random.default_rng([seed, n])
    src_E = np.repeat(np.arange(n), NEAR)
    inside = src_E // GROUP * GROUP + rng.integers(0, GROUP, n * NEAR)
    away = np.tile(np.arange(NEAR) >= NEAR - 3, n)
    dst_E = np.where(away, rng.integers(0, n, n * NEAR), np.minimum(inside, n - 1))
    near = np.where(away, rng.uniform(0.6, 0.75, n * NEAR), rng.uniform(0.65, 1.0, n * NEAR))
    return Pairs(n, src_E, dst_E, near)


def of_run(folder: str, n: int, seed: int) -> Pairs:
    """The edges among `n` tools of a finished run, drawn by seed; all of them if it has no more."""
    import pyarrow.compute as pc

    from rayscaler.runs import open_run

    run = open_run(folder)
    edges, ids = run.table("edges"), run.table("embeddings")["tool_id"]
    ends = [pc.index_in(edges[end], value_set=ids).to_numpy() for end in ("src", "dst")]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(ids))[:n])
    place_N = np.full(len(ids), -1)
    place_N[chosen] = np.arange(len(chosen))
    kept = (place_N[ends[0]] >= 0) & (place_N[ends[1]] >= 0)
    return Pairs(len(chosen), place_N[ends[0]][kept], place_N[ends[1]][kept], edges["similarity"].to_numpy()[kept])


def table(graphs: dict[str, Pairs], repeats: int, folder: Path) -> str:
    """Both engines on every graph, in turns."""
    rows = []
    for name, pairs in graphs.items():
        file, out = folder / "graph.npz", folder / "labels.npy"
        np.savez(file, n=pairs.n, src=pairs.src_E, dst=pairs.dst_E, similarity=pairs.similarity_E)
        found: dict[str, list[Timed]] = {engine: [] for engine in ENGINES if engine == "igraph" or has_graph_tool()}
        quality = {}
        for _ in range(repeats):
            for engine, times in found.items():
                times.append(alone("partition", [engine, str(file), str(out)], 1))
                quality[engine] = _quality(pairs, np.load(out))
        rows += [[name, engine, *joined(times).cells(), *quality[engine]] for engine, times in found.items()]
    return markdown(HEAD, rows)


def _quality(pairs: Pairs, labels_N: np.ndarray) -> list[str]:
    """Number of domains, the largest, tools left over, and modularity with each of those a domain of its own."""
    over = labels_N == LEFT_OVER
    whole = labels_N.copy()
    whole[over] = labels_N.max() + 1 + np.arange(over.sum())
    held = modularity(undirected(*pairs[1:]), whole)
    return [f"{labels_N.max() + 1:,}", str(np.bincount(labels_N[~over]).max()), f"{over.sum():,}", f"{held:.3f}"]


def main(engine: str, file: str, out: str) -> None:
    """One partition, from cold; prints one line of JSON."""
    from rayscaler.stages.partition import ENGINES as BY_NAME

    graph = np.load(file)
    arrays = [graph[name] for name in ("src", "dst", "similarity")]
    with peak_rss() as peak:   # of graph-tool's interpreter too
        began = time.perf_counter()
        labels_N = partition(int(graph["n"]), undirected(*arrays), PartitionRecipe(), BY_NAME[engine], 7)
        seconds = time.perf_counter() - began
    np.save(out, labels_N)
    print(json.dumps({"seconds": seconds, "rss_mb": peak[0] / MIB}))


def has_graph_tool() -> bool:
    """Whether the second engine can be measured here."""
    from rayscaler.runtime.graph_tool import find_interpreter, imports_here

    return imports_here() or find_interpreter() is not None


if __name__ == "__main__":
    main(*sys.argv[1:])
