"""A real Ray cluster of several raylets on this machine, and the ways in which parts of it are ended.

`ray.cluster_utils.Cluster` starts a head and worker nodes as processes of their own. They share the machine's disk,
memory and address: what a lost network does is not tried here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

NODES, CPUS = 2, 2
"""Worker nodes, and the logical CPUs of each."""

NOTICE_S = 3
"""Seconds between a spot machine's notice and its end."""

POOL = "Map("
"""Part of the title of every worker of a stage's pool."""


class Hit(NamedTuple):
    """What was ended, in words."""

    what: str


class FaultCluster:
    """A head without CPUs for tasks, and NODES worker nodes; whoever is ended is replaced by `mend`."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))   # short: Ray's sockets have a length limit
        self._cluster: Any = None

    def __enter__(self) -> Self:
        from ray.cluster_utils import Cluster

        head = {"num_cpus": 0, "include_dashboard": False, "object_store_memory": 200 * 2**20,
                "temp_dir": str(self.folder)}
        self._cluster = Cluster(initialize_head=True, head_node_args=head, shutdown_at_exit=False)
        self.mend()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:
        self._cluster.shutdown()
        end_all(str(self.folder))
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def address(self) -> str:
        """Where drivers join."""
        return str(self._cluster.address)

    def mend(self) -> None:
        """As many nodes as at the start."""
        while len(self._cluster.worker_nodes) < NODES:
            self._cluster.add_node(num_cpus=CPUS, object_store_memory=200 * 2**20)

    def has_pool(self) -> bool:
        """Whether a stage's pool has a worker."""
        return bool(self._workers(POOL))

    # --- faults ---

    def worker(self, rng: np.random.Generator) -> Hit:
        """SIGKILL for any process that works for Ray, idle ones included."""
        return _kill(rng, self._workers(""))

    def actor(self, rng: np.random.Generator) -> Hit:
        """SIGKILL for one worker of the stage's pool, or for any if there is none yet."""
        return _kill(rng, self._workers(POOL) or self._workers(""))

    def raylet(self, rng: np.random.Generator) -> Hit:
        """SIGKILL for a node's raylet: all its workers, its object store and its copies go with it."""
        node = self._node(rng)
        self._cluster.remove_node(node, allow_graceful=False)
        return Hit(f"node {node.node_id[:8]}")

    def spot(self, rng: np.random.Generator) -> Hit:
        """A notice that the machine will be taken, and its end NOTICE_S later."""
        node = self._node(rng)
        command = [str(Path(sys.executable).with_name("ray")), "drain-node", "--address", self.address, "--node-id",
                   node.node_id, "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot",
                   "--deadline-remaining-seconds", str(NOTICE_S)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise RuntimeError(f"ray drain-node: {done.stderr[-500:]}")
        time.sleep(NOTICE_S)
        self._cluster.remove_node(node, allow_graceful=False)
        return Hit(f"node {node.node_id[:8]} after {NOTICE_S} s of notice")

    def _node(self, rng: np.random.Generator) -> Any:
        nodes = sorted(self._cluster.worker_nodes, key=lambda node: str(node.node_id))
        return nodes[int(rng.integers(len(nodes)))]

    def _workers(self, title: str) -> list[tuple[int, str]]:
        """Worker processes of the nodes with `title` in theirs, in the order of their ids."""
        raylets = {process.process.pid for node in self._cluster.worker_nodes
                   for process in node.all_processes.get("raylet", [])}
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
                name = (folder / "cmdline").read_bytes().rstrip(b"\0").decode(errors="replace")
            except OSError:
                continue
            if parent in raylets and name.startswith("ray::") and title in name and "Agent" not in name:
                found.append((int(folder.name), name))
        return sorted(found)


def _kill(rng: np.random.Generator, processes: list[tuple[int, str]]) -> Hit:
    if not processes:
        return Hit("nothing: there was no worker yet")
    pid, name = processes[int(rng.integers(len(processes)))]
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return Hit(f"nothing: {name} had just ended")
    return Hit(name)


def end_all(mark: str) -> None:
    """SIGKILL for every process with `mark` in its command line: what a cluster leaves."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "cmdline").read_bytes() and int(folder.name) != os.getpid():
                os.kill(int(folder.name), signal.SIGKILL)
        except OSError:
            continue
