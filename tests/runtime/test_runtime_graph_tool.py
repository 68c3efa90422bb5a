"""graph-tool as an engine, for real: in a subprocess, and in this process where it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rayscaler.errors import EngineMissing, StageError
from rayscaler.graph.communities import Undirected, modularity
from rayscaler.graph.louvain import louvain
from rayscaler.runtime import graph_tool
from rayscaler.runtime.graph_tool import find_interpreter, imports_here, modularity_communities, parallel_edges


@pytest.fixture
def installed() -> str:
    if imports_here():
        return sys.executable
    python = find_interpreter()
    if python is None:
        pytest.skip("needs graph-tool: apt-get install python3-graph-tool, or conda-forge")
    return python


def two_cliques() -> Undirected:
    cliques = [(i, j) for block in (range(6), range(6, 12)) for i in block for j in block if i < j]
    pairs = np.array([*cliques, (5, 6)])
    return Undirected(pairs[:, 0], pairs[:, 1], np.ones(len(pairs)))


def planted(rng: np.random.Generator, *, groups: int, size: int, inside: float, outside: float) -> Undirected:
    n = groups * size
    low, high = np.triu_indices(n, k=1)
    chance = np.where(low // size == high // size, inside, outside)
    kept = rng.random(len(low)) < chance
    return Undirected(low[kept], high[kept], rng.uniform(0.5, 1.0, size=int(kept.sum())))


@pytest.mark.graph_tool
def test_two_cliques_joined_by_an_edge_are_two_communities(installed):
    labels = modularity_communities(12, *two_cliques(), resolution=1.0, seed=3)
    assert len(set(labels[:6])) == len(set(labels[6:])) == 1
    assert labels[0] != labels[6]
    assert labels.dtype == np.int64


@pytest.mark.graph_tool
def test_modularity_of_a_planted_partition_is_near_louvains_and_the_seed_fixes_it(installed):
    graph = planted(np.random.default_rng(1), groups=8, size=20, inside=0.4, outside=0.02)
    ours = modularity_communities(160, *graph, resolution=1.0, seed=5)
    again = modularity_communities(160, *graph, resolution=1.0, seed=5)
    theirs = louvain(160, *graph, resolution=1.0, seed=5)
    assert ours.tolist() == again.tolist()
    assert modularity(graph, ours) == pytest.approx(modularity(graph, theirs), rel=0.03)


@pytest.mark.graph_tool
def test_a_larger_resolution_gives_more_communities_and_lone_nodes_stay_alone(installed):
    graph = planted(np.random.default_rng(2), groups=4, size=20, inside=0.5, outside=0.05)
    coarse = modularity_communities(81, *graph, resolution=0.5, seed=5)
    fine = modularity_communities(81, *graph, resolution=4.0, seed=5)
    assert len(set(coarse.tolist())) < len(set(fine.tolist()))
    assert modularity_communities(0, *two_cliques(), resolution=1.0, seed=1).tolist() == []


@pytest.mark.graph_tool
def test_the_function_that_runs_there_also_runs_in_the_process_that_has_it(installed, tmp_path: Path):
    """What a Python with graph-tool does when it imports this module's function itself, the direct path."""
    edges = parallel_edges(*two_cliques())
    np.save(tmp_path / "edges.npy", edges)
    source = Path(graph_tool.__file__).read_text()
    start = source.index("def minimise(")
    function = source[start : source.index("\ndef imports_here(")]
    script = f"from typing import Any\nimport numpy\n{function}\n" + (
        "print(len(set(minimise(12, numpy.load('edges.npy'), 1.0, 3).tolist())))"
    )
    done = subprocess.run(
        [installed, "-I", "-c", script], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2"


def test_an_edge_is_laid_as_often_as_its_weight_says():
    edges = parallel_edges(np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([1.0, 0.5, 0.01]))
    assert edges.tolist() == [[0, 1]] * 4 + [[1, 2]] * 2 + [[2, 3]]
    assert parallel_edges(np.zeros(0), np.zeros(0), np.zeros(0)).shape == (0, 2)


def test_without_graph_tool_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(graph_tool.VARIABLE, "/nowhere/python")
    monkeypatch.setattr(graph_tool, "imports_here", lambda: False)
    with pytest.raises(EngineMissing, match=r"/nowhere/python.*apt-get install python3-graph-tool.*conda-forge"):
        modularity_communities(12, *two_cliques(), resolution=1.0, seed=3)


@pytest.mark.graph_tool
def test_a_failure_over_there_is_told_and_the_next_call_works(installed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graph_tool, "imports_here", lambda: False)
    bad = np.array([["a", "b"]])
    with monkeypatch.context() as patch:
        patch.setattr(graph_tool, "parallel_edges", lambda *_: bad)
        with pytest.raises(StageError, match=r"graph-tool in .* failed: \w+Error: .*; try `engine: igraph`"):
            modularity_communities(2, *two_cliques(), resolution=1.0, seed=3)
    assert len(set(modularity_communities(12, *two_cliques(), resolution=1.0, seed=3))) == 2


def test_an_interpreter_that_dies_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\ncase "$*" in *minimise*) exit 9;; esac\n')
    python.chmod(0o755)
    monkeypatch.setenv(graph_tool.VARIABLE, str(python))
    monkeypatch.setattr(graph_tool, "imports_here", lambda: False)
    with pytest.raises(StageError, match=r"failed: it ended with status 9; try `engine: igraph`"):
        modularity_communities(12, *two_cliques(), resolution=1.0, seed=3)
