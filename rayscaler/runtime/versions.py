"""Driver and workers must be of one make: what unpickles, reads and computes otherwise there is refused at the start.

Compared are the versions of Python (its minor version: bytecode and pickles), ray, pyarrow and rayscaler, and when a
run joins a cluster also rayscaler's code, since two checkouts have the same version. Every node that is there is asked
then; a node that comes later is asked by the first worker on it, for its versions alone: whoever edits the code while a
run goes on is not stopped.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import socket
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import rayscaler
from rayscaler.errors import StageError

log = logging.getLogger(__name__)

PACKAGES = ("ray", "pyarrow")

ANSWER_S = 120.0
"""How long the nodes may take to say what they run: the first process on a node may have to unpack an environment."""

TRIES = 2
"""How often a node is asked again whose process was killed before it answered."""


class Versions(NamedTuple):
    """What one process runs. `node` says where, in words. `code`: a digest of rayscaler's, empty where not compared."""

    node: str
    python: str
    rayscaler: str
    ray: str
    pyarrow: str
    code: str = ""


def these_versions() -> Versions:
    """What this process runs."""
    python = ".".join(platform.python_version_tuple()[:2])
    return Versions(socket.gethostname(), python, rayscaler.__version__, *map(_version_of, PACKAGES))


def skew(driver: Versions, worker: Versions) -> None:
    """StageError if the two differ, naming the node, what it runs, what the driver runs, and what to do."""
    differing = [name for name in Versions._fields[1:] if getattr(driver, name) != getattr(worker, name)]
    if differing:
        there = ", ".join(f"{name} {getattr(worker, name)}" for name in differing)
        here = ", ".join(f"{name} {getattr(driver, name)}" for name in differing)
        raise StageError(
            f"node {worker.node} runs {there}; the driver on {driver.node} runs {here}. They must be the same: start "
            "driver and nodes from one image (cluster/Dockerfile), or install what constraints.txt says on both"
        )


def alive_nodes() -> dict[str, str]:
    """Addresses of the cluster's nodes by their ids."""
    import ray

    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    return {node["NodeID"]: node["NodeManagerAddress"] for node in nodes if node["Alive"]}


def check_nodes(nodes: dict[str, str]) -> None:
    """Ask `nodes`, addresses by ids. Raises StageError for the first that differs or does not answer.

    One that leaves the cluster meanwhile, as a spot machine may at any time, is not waited for.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    driver = these_versions()._replace(code=code_of(Path(rayscaler.__file__).parent))
    asked: dict[Any, str] = {}
    for node in nodes:
        where = NodeAffinitySchedulingStrategy(node, soft=False)
        options = {"num_cpus": 0, "max_retries": TRIES, "scheduling_strategy": where}
        asked[ray.remote(_probe()).options(**options).remote()] = node
    ready, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_S)
    still = alive_nodes()
    for node in (asked[answer] for answer in silent if asked[answer] in still):
        raise StageError(
            f"node {nodes[node]} did not say within {ANSWER_S:g} s what it runs; see its Ray logs, or remove it"
        )
    for answer in ready:
        where_from = nodes[asked[answer]]
        try:
            found = ray.get(answer, timeout=ANSWER_S)
        except (ray.exceptions.TaskUnschedulableError, ray.exceptions.NodeDiedError):
            log.warning("node %s leaves the cluster; what it runs is not asked", where_from)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise StageError(f"node {where_from} cannot say what it runs: {reason}") from error
        else:
            skew(driver, Versions(where_from, *found))


def _probe() -> Callable[[], tuple[str, ...]]:
    """A function that travels by value: it must run where rayscaler is another one, or is not installed."""

    def probe() -> tuple[str, ...]:
        import importlib
        import platform
        from pathlib import Path

        def of(name: str) -> str:
            try:
                return str(importlib.import_module(name).__version__)
            except ImportError:
                return "not installed"

        python = ".".join(platform.python_version_tuple()[:2])
        try:
            module = importlib.import_module("rayscaler.runtime.versions")
            code = module.code_of(Path(str(module.__file__)).parents[1])
        except (ImportError, AttributeError):
            code = "another"
        return python, of("rayscaler"), of("ray"), of("pyarrow"), code

    return probe


def code_of(package: Path) -> str:
    """A digest of the code in a package's folder."""
    whole = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        whole.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()[:8]


def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
