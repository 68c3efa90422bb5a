"""graph-tool's modularity state as a second engine of `partition`, where graph-tool is installed.

graph-tool is no pip package. Debian's build is made for the system's Python and NumPy 1 and crashes beside NumPy 2; so
unless it imports here, it runs in a subprocess of an interpreter that has it, isolated (`-I`, an empty environment,
its own folder), with arrays in and out as .npy files. Other interpreters, such as conda's, are named by
RAYSCALER_GRAPH_TOOL_PYTHON. Measured: 33,299 tools and 339,430 edges cut once in 0.9 s, modularity 0.916 (Louvain
0.922).

graph-tool's modularity has no edge weights: an edge is laid 1 to `LEVELS` times, in proportion to its weight.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rayscaler.errors import EngineMissing, StageError

LEVELS = 4
SYSTEM_PYTHON = "/usr/bin/python3"
VARIABLE = "RAYSCALER_GRAPH_TOOL_PYTHON"
PROBE_S = 60

LOOP = """
for line in sys.stdin:
    job = json.loads(line)
    try:
        labels = minimise(job["n"], numpy.load(job["edges"]), job["resolution"], job["seed"])
        numpy.save(job["labels"], labels)
        answer = "done"
    except Exception as error:
        answer = type(error).__name__ + ": " + " ".join(str(error).split())
    print(answer, flush=True)
"""

HOW_TO_INSTALL = (
    "graph-tool is in neither this Python nor {tried}. Install it with `apt-get install python3-graph-tool` (Debian, "
    "Ubuntu) or `conda create -n gt -c conda-forge graph-tool` and set {variable} to that environment's python; or use "
    "`engine: igraph`"
)


def modularity_communities(
    n: int, src: np.ndarray, dst: np.ndarray, weight: np.ndarray, *, resolution: float, seed: int
) -> np.ndarray:
    """The community of each of `n` nodes, an int64 label from 0, by minimising the modularity state.

    src, dst, weight: each undirected edge once, weights positive. `resolution` is graph-tool's gamma; `seed` fixes its
    random numbers. Raises EngineMissing, with the ways to install it, if no interpreter has graph-tool.
    """
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    edges = parallel_edges(src, dst, weight)
    found = minimise(n, edges, resolution, seed) if imports_here() else _in_subprocess(n, edges, resolution, seed)
    return np.unique(found, return_inverse=True)[1].astype(np.int64)


def parallel_edges(src: np.ndarray, dst: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Edges as an int64 (E, 2) array, each 1 to `LEVELS` times: the heaviest `LEVELS` times."""
    pairs = np.column_stack((src, dst)).astype(np.int64)
    if not len(pairs):
        return pairs
    times = np.maximum(1, np.rint(LEVELS * weight / weight.max())).astype(np.int64)
    return np.repeat(pairs, times, axis=0)


def minimise(n: int, edges: Any, resolution: float, seed: int) -> Any:
    """One label per node. Needs graph-tool and nothing of rayscaler: its source is what the subprocess runs.

    Greedy sweeps of the modularity state, level by level as Louvain does it: every node starts alone, and when single
    moves gain nothing more, each group becomes a node. graph-tool's own multilevel and merge-split sweeps took
    14.9 s for the partition of 20,000 tools; this takes 7.5 s for 60,000.
    """
    import graph_tool
    import graph_tool.inference
    import numpy

    graph_tool.openmp_set_num_threads(1)
    graph_tool.seed_rng(seed % 2**32)
    numpy.random.seed(seed % 2**32)
    greedy = {"beta": numpy.inf, "entropy_args": {"gamma": resolution}}
    labels, before = numpy.arange(n), numpy.inf
    while True:
        members, place = numpy.unique(labels, return_inverse=True)
        graph = graph_tool.Graph(directed=False)
        graph.add_vertex(len(members))
        graph.add_edge_list(place[edges] if len(edges) else edges)
        state = graph_tool.inference.ModularityState(graph, b=graph.new_vp("int", numpy.arange(len(members))))
        gained, sweeps = -numpy.inf, 0
        while gained < -1e-4 * len(edges) and sweeps < 100:   # a sweep tries one random neighbour's group per node
            niter = 5 if n > 2000 else 20
            gained = state.mcmc_sweep(niter=niter, d=0, c=0, **greedy)[0]
            sweeps += niter
        labels = numpy.array(state.b.fa, dtype=numpy.int64)[place]
        cost = state.entropy(gamma=resolution)
        if before - cost <= 1e-4 * len(edges):
            return labels
        before = cost


def imports_here() -> bool:
    """Whether graph-tool can be imported in this process, tried in a subprocess first: a wrong build can crash."""
    return importlib.util.find_spec("graph_tool") is not None and _has_graph_tool(sys.executable, isolated=False)


def find_interpreter() -> str | None:
    """The first interpreter that has graph-tool: the one that the environment names, then the system's; or None."""
    return next((python for python in _interpreters() if _has_graph_tool(python, isolated=True)), None)


def _interpreters() -> list[str]:
    named = os.environ.get(VARIABLE, "")
    return [named] if named else [SYSTEM_PYTHON]


@cache
def _has_graph_tool(python: str, *, isolated: bool) -> bool:
    if not Path(python).is_file():
        return False
    command = [python, *(["-I"] if isolated else []), "-c", "import graph_tool.inference"]
    try:
        done = subprocess.run(
            command, env={} if isolated else None, capture_output=True, timeout=PROBE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _in_subprocess(n: int, edges: np.ndarray, resolution: float, seed: int) -> np.ndarray:
    python = find_interpreter()
    if python is None:
        raise EngineMissing(HOW_TO_INSTALL.format(tried=", ".join(_interpreters()), variable=VARIABLE))
    with tempfile.TemporaryDirectory(prefix="rayscaler-graph-tool-") as folder:
        files = {"edges": f"{folder}/edges.npy", "labels": f"{folder}/labels.npy"}
        np.save(files["edges"], edges)
        answer = _Worker.of(python).ask({**files, "n": n, "resolution": resolution, "seed": seed})
        if answer != "done":
            raise StageError(f"partition: graph-tool in {python} failed: {answer}; try `engine: igraph`")
        found: np.ndarray = np.load(files["labels"])
        return found


class _Worker:
    """One interpreter that has graph-tool, kept for many calls: a start takes 0.6 s, a partition makes dozens."""

    _running: ClassVar[dict[str, _Worker]] = {}

    def __init__(self, python: str) -> None:
        source = f"from typing import Any\nimport json, sys, numpy\n{inspect.getsource(minimise)}\n{LOOP}"
        self.process = subprocess.Popen(
            [python, "-I", "-c", source],
            cwd=tempfile.gettempdir(),
            # An empty environment and another folder: nothing of this environment's NumPy may be found from there.
            env={"OMP_NUM_THREADS": "1", "HOME": tempfile.gettempdir()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    @classmethod
    def of(cls, python: str) -> _Worker:
        """The worker of an interpreter, started again if it has ended. It ends with this process, at end of input."""
        worker = cls._running.get(python)
        if worker is None or worker.process.poll() is not None:
            worker = cls._running[python] = cls(python)
        return worker

    def ask(self, job: dict[str, Any]) -> str:
        """`done`, or what went wrong in one line."""
        assert self.process.stdin
        assert self.process.stdout
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline().strip()
        except BrokenPipeError:
            answer = ""
        return answer or f"it ended with status {self.process.wait()}"
