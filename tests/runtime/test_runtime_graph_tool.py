"""graph-tool as an engine, for real: in a subprocess, and in this process where it imports."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rayscaler.errors import EngineMissing, StageError
from rayscaler.graph.communities import Part, Undirected, modularity
from rayscaler.graph.louvain import louvain
from rayscaler.runtime import graph_tool
from rayscaler.runtime.graph_tool import (
    find_interpreter,
    imports_here,
    laid_edges,
    modularity_communities,
    side_by_side,
)


@pytest.fixture
def installed() -> str:
    if imports_here():
        return sys.executable
    python = find_interpreter()
    if python is None:
        pytest.skip("needs graph-tool: apt-get install python3-graph-tool, or conda-forge")
    return python


def cut(n: int, graph: Undirected, *, resolution: float = 1.0, seed: int = 3) -> np.ndarray:
    return modularity_communities([Part(n, graph, resolution, seed)])[0]


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
    labels = cut(12, two_cliques())
    assert len(set(labels[:6])) == len(set(labels[6:])) == 1
    assert labels[0] != labels[6]
    assert labels.dtype == np.int64


@pytest.mark.graph_tool
def test_modularity_of_a_planted_partition_is_near_louvains_and_the_seed_fixes_it(installed):
    graph = planted(np.random.default_rng(1), groups=8, size=20, inside=0.4, outside=0.02)
    ours, again = cut(160, graph, seed=5), cut(160, graph, seed=5)
    theirs = louvain(160, *graph, resolution=1.0, seed=5)
    assert ours.tolist() == again.tolist()
    assert modularity(graph, ours) == pytest.approx(modularity(graph, theirs), rel=0.03)


@pytest.mark.graph_tool
def test_a_larger_resolution_gives_more_communities_and_lone_nodes_stay_alone(installed):
    graph = planted(np.random.default_rng(2), groups=4, size=20, inside=0.5, outside=0.05)
    coarse, fine = cut(81, graph, resolution=0.5, seed=5), cut(81, graph, resolution=4.0, seed=5)
    assert len(set(coarse.tolist())) < len(set(fine.tolist()))
    assert (coarse == coarse[80]).sum() == (fine == fine[80]).sum() == 1


@pytest.mark.graph_tool
def test_parts_cut_side_by_side_are_cut_as_well_as_each_alone(installed):
    """Parts of unlike size and number, with and without edges, at two resolutions."""
    rng = np.random.default_rng(4)
    graphs = [planted(rng, groups=groups, size=12, inside=0.6, outside=0.03) for groups in (2, 3, 4, 5, 6, 7)]
    parts = [Part(groups * 12, graph, 1.0, 9) for groups, graph in zip((2, 3, 4, 5, 6, 7), graphs, strict=True)]
    nothing = Part(3, Undirected(*(np.zeros(0, dtype=np.int64),) * 3), 1.0, 9)
    found = modularity_communities([*parts, nothing, parts[0]._replace(resolution=8.0)])
    for part, labels in zip(parts, found, strict=False):
        assert len(labels) == part.n
        alone = modularity(part.edges, cut(part.n, part.edges, seed=9))
        assert modularity(part.edges, labels) == pytest.approx(alone, abs=0.02)
    assert found[6].tolist() == [0, 1, 2]
    assert len(set(found[7])) > len(set(found[0])) == 2
    assert modularity_communities([]) == []


def test_each_part_is_laid_with_as_many_edges_as_the_others():
    small = Part(3, Undirected(np.array([0, 1]), np.array([1, 2]), np.array([0.5, 0.5])), 1.0, 0)
    large = Part(4, Undirected(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([1.0, 1.0, 1.0])), 1.0, 0)
    assert side_by_side([small, large]).tolist() == [
        *[[0, 1]] * 3, *[[1, 2]] * 3, *[[3, 4]] * 2, *[[3, 5]] * 2, *[[4, 5]] * 2]


def test_an_edge_is_laid_as_often_as_its_weight_says_and_what_rounding_cuts_off_is_carried_on():
    chain = Part(4, Undirected(np.array([0, 1, 2]), np.array([1, 2, 3]), np.array([1.0, 0.25, 0.75])), 1.0, 0)
    assert laid_edges(chain, 8).tolist() == [[0, 1]] * 4 + [[1, 2]] + [[2, 3]] * 3
    many = Part(2, Undirected(np.zeros(10, int), np.ones(10, int), np.full(10, 0.3)), 1.0, 0)
    assert len(laid_edges(many, 7)) == 7


@pytest.mark.graph_tool
def test_the_function_that_runs_there_also_runs_in_the_process_that_has_it(installed, tmp_path: Path):
    """What a Python with graph-tool does when it imports this module's function itself, the direct path."""
    np.save(tmp_path / "edges.npy", side_by_side([Part(12, two_cliques(), 1.0, 3)]))
    script = f"from typing import Any\nimport numpy\n{inspect.getsource(graph_tool.minimise)}\n" + (
        "print(len(set(minimise(12, numpy.load('edges.npy'), 1.0, 3).tolist())))"
    )
    done = subprocess.run(
        [installed, "-I", "-c", script], cwd=tmp_path, env={}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "2"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a program that takes an interpreter's place."""

    def make(script: str) -> Path:
        python = tmp_path / "python"
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
        monkeypatch.setenv(graph_tool.VARIABLE, str(python))
        monkeypatch.setattr(graph_tool, "imports_here", lambda: False)
        return python

    return make


def test_without_graph_tool_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, stand_in):
    python = stand_in("exit 1")                                     # as a Python ends that lacks a module
    with pytest.raises(EngineMissing, match=rf"{python}.*apt-get install python3-graph-tool.*conda-forge"):
        cut(12, two_cliques())
    monkeypatch.setenv(graph_tool.VARIABLE, "/nowhere/python")
    with pytest.raises(EngineMissing, match="/nowhere/python"):
        cut(12, two_cliques())


@pytest.mark.graph_tool
def test_a_failure_over_there_is_told_and_the_next_call_works(installed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(graph_tool, "imports_here", lambda: False)
    bad = np.array([["a", "b"]])
    with monkeypatch.context() as patch:
        patch.setattr(graph_tool, "side_by_side", lambda *_: bad)
        with pytest.raises(StageError, match=r"graph-tool in .* failed: \w+Error: .*; try `engine: igraph`"):
            cut(2, two_cliques())
    assert len(set(cut(12, two_cliques()))) == 2


def test_an_interpreter_that_dies_is_told_with_its_last_words(stand_in):
    stand_in("echo ready; read job; echo 'terminate called' >&2; exit 9")
    with pytest.raises(StageError, match=r"failed: it ended with status 9, saying: terminate called; try `engine: i"):
        cut(12, two_cliques())


def test_an_interpreter_that_does_not_answer_is_ended_at_the_limit(stand_in, monkeypatch: pytest.MonkeyPatch):
    stand_in("echo ready; read job; exec sleep 60")
    monkeypatch.setattr(graph_tool, "ANSWER_S", 0.3)
    with pytest.raises(StageError, match=r"failed: no answer in 0.4 s"):
        cut(12, two_cliques())
    stand_in("exec sleep 60")
    monkeypatch.setattr(graph_tool, "START_S", 0.3)
    with pytest.raises(EngineMissing):
        cut(12, two_cliques())


def test_starting_early_starts_the_interpreter_that_then_answers(stand_in, tmp_path: Path):
    stand_in(f"echo x >> {tmp_path}/starts; echo ready; read job; exit 3")
    graph_tool.start()
    with pytest.raises(StageError, match="status 3"):
        cut(12, two_cliques())
    assert (tmp_path / "starts").read_text() == "x\n"
