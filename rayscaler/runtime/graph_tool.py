"""graph-tool's modularity state as a second engine of `partition`, where graph-tool is installed.

graph-tool is no pip package. Debian's build is made for the system's Python and NumPy 1 and crashes beside NumPy 2; so
unless it imports here, it runs in a subprocess of an interpreter that has it, isolated (`-I`, an empty environment,
its own folder), with arrays in and out as .npy files. Other interpreters, such as conda's, are named by
RAYSCALER_GRAPH_TOOL_PYTHON.

graph-tool's modularity has no edge weights: an edge is laid a whole number of times, in proportion to its weight. Its
sweeps are fast and its graphs slow to set up (4 ms), so parts that are cut at once are laid side by side in one graph.
With `k` parts of equally many laid edges, `k` times the resolution in the one graph is the resolution in each part.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from rayscaler.errors import EngineMissing, StageError
from rayscaler.graph.communities import Part

COPIES = 2
"""How often an edge of mean weight is laid, in the part of a graph that has the most edges."""

SYSTEM_PYTHON = "/usr/bin/python3"
VARIABLE = "RAYSCALER_GRAPH_TOOL_PYTHON"

START_S = 120
"""Seconds within which an interpreter must have imported graph-tool; it takes 1 to 2 on an idle machine."""

ANSWER_S, ANSWER_S_PER_EDGE = 120, 1e-3
"""Seconds within which a graph must be cut, and more for each laid edge; it takes about 3 microseconds an edge."""

LOOP = """
print("ready", flush=True)
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


def modularity_communities(parts: Sequence[Part]) -> list[np.ndarray]:
    """The community of each node of each part, int64 labels from 0, by minimising the modularity state.

    A part's resolution is graph-tool's gamma. Parts of one resolution and of about as many edges share a graph and the
    seed of the first of them. Raises EngineMissing, with the ways to install it, if no interpreter has graph-tool, and
    StageError with what it said if it fails or does not answer in time.
    """
    found = [np.arange(part.n) for part in parts]
    together: dict[tuple[float, int], list[int]] = {}
    for number, part in enumerate(parts):
        if len(part.edges.src_E):
            together.setdefault((part.resolution, len(part.edges.src_E).bit_length()), []).append(number)
    for (resolution, _), numbers in together.items():
        some = [parts[number] for number in numbers]
        labels = _minimised(sum(p.n for p in some), side_by_side(some), resolution * len(some), some[0].seed)
        for number, labels_M in zip(numbers, np.split(labels, np.cumsum([p.n for p in some])[:-1]), strict=True):
            found[number] = np.unique(labels_M, return_inverse=True)[1].astype(np.int64)
    return found


def side_by_side(parts: Sequence[Part]) -> np.ndarray:
    """The laid edges of all parts in one graph, an int64 (E, 2) array: equally many of each part."""
    total = COPIES * max(len(part.edges.src_E) for part in parts)
    starts = np.cumsum([0, *(part.n for part in parts)])
    return np.concatenate([start + laid_edges(part, total) for start, part in zip(starts, parts, strict=False)])


def laid_edges(part: Part, total: int) -> np.ndarray:
    """`total` edges as an int64 (E, 2) array: each edge as often as its weight says, what rounding cuts off carried on
    to the next edge, so that the sum over any run of edges is right to one.
    """
    src_E, dst_E, weight_E = part.edges
    upto = np.cumsum(weight_E)
    times_E = np.diff(np.rint(upto * (total / upto[-1])).astype(np.int64), prepend=0)
    return np.repeat(np.column_stack((src_E, dst_E)).astype(np.int64), times_E, axis=0)


def minimise(n: int, edges: Any, resolution: float, seed: int) -> Any:
    """One label per node. Needs graph-tool and nothing of rayscaler: its source is what the subprocess runs.

    Greedy sweeps of the modularity state, level by level as Louvain does it: every node starts alone, and when single
    moves gain nothing more, each group becomes a node. (graph-tool's own multilevel and merge-split sweeps took twice
    as long for a third of the graph.)
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


def start() -> None:
    """Start the interpreter without waiting for it, so that it imports graph-tool while the caller reads its tables."""
    if not imports_here():
        for python in _interpreters()[:1]:
            if Path(python).is_file():
                _Worker.of(python)


@cache
def imports_here() -> bool:
    """Whether graph-tool can be imported in this process, tried in a subprocess first: a wrong build can crash."""
    if importlib.util.find_spec("graph_tool") is None:
        return False
    command = [sys.executable, "-c", "import graph_tool.inference"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=START_S, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def find_interpreter() -> str | None:
    """The first interpreter that has graph-tool: the one that the environment names, else the system's; or None.

    It is left running for the cuts to come.
    """
    return next((p for p in _interpreters() if Path(p).is_file() and _Worker.of(p).is_ready()), None)


def _interpreters() -> list[str]:
    named = os.environ.get(VARIABLE, "")
    return [named] if named else [SYSTEM_PYTHON]


def _minimised(n: int, edges: np.ndarray, resolution: float, seed: int) -> np.ndarray:
    if imports_here():
        return np.asarray(minimise(n, edges, resolution, seed))
    python = find_interpreter()
    if python is None:
        raise EngineMissing(HOW_TO_INSTALL.format(tried=", ".join(_interpreters()), variable=VARIABLE))
    with tempfile.TemporaryDirectory(prefix="rayscaler-graph-tool-") as folder:
        files = {"edges": f"{folder}/edges.npy", "labels": f"{folder}/labels.npy"}
        np.save(files["edges"], edges)
        job = {**files, "n": n, "resolution": resolution, "seed": seed}
        answer = _Worker.of(python).ask(job, ANSWER_S + ANSWER_S_PER_EDGE * len(edges))
        if answer != "done":
            raise StageError(f"partition: graph-tool in {python} failed: {answer}; try `engine: igraph`")
        found: np.ndarray = np.load(files["labels"])
        return found


KILL_S = 60.0
"""How long the kernel may take to end a process."""


class _Worker:
    """One interpreter that has graph-tool, kept for many calls: it takes seconds to start, a partition makes dozens."""

    _running: ClassVar[dict[str, _Worker]] = {}

    def __init__(self, python: str) -> None:
        imports = "from typing import Any\nimport json, sys, numpy, graph_tool.inference"
        self.told = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")   # noqa: SIM115 (lives with it)
        self.ready = False
        self.process = subprocess.Popen(
            [python, "-I", "-c", f"{imports}\n{inspect.getsource(minimise)}\n{LOOP}"],
            cwd=tempfile.gettempdir(),
            # An empty environment and another folder: nothing of this environment's NumPy may be found from there.
            env={"OMP_NUM_THREADS": "1", "HOME": tempfile.gettempdir()},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.told,
            text=True,
        )

    @classmethod
    def of(cls, python: str) -> _Worker:
        """The worker of an interpreter, started again if it has ended. It ends with this process, at end of input."""
        worker = cls._running.get(python)
        if worker is None or worker.process.poll() is not None:
            worker = cls._running[python] = cls(python)
        return worker

    def is_ready(self) -> bool:
        """Whether it has imported graph-tool; waits for that."""
        self.ready = self.ready or self._line(START_S) == "ready"
        return self.ready

    def ask(self, job: dict[str, Any], limit_s: float) -> str:
        """`done`, or what went wrong in one line."""
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass   # it has ended: there will be no line
        return self._line(limit_s)

    def _line(self, limit_s: float) -> str:
        """The next line that it prints, or how it ended and the last that it said. It is killed at the limit."""
        assert self.process.stdout
        late = threading.Event()

        def end() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(limit_s, end)
        timer.start()
        try:
            line = self.process.stdout.readline().strip()
        finally:
            timer.cancel()
        if line:
            return line
        self.process.kill()
        status = self.process.wait(KILL_S)
        how = f"no answer in {limit_s:.1f} s" if late.is_set() else f"it ended with status {status}"
        self.told.seek(0)
        said = " ".join(self.told.read()[-500:].split())
        return f"{how}, saying: {said}" if said else how
