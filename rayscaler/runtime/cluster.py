"""Joining a Ray cluster, or starting a small one.

The same job runs everywhere: inside `ray job submit` and beside `ray start --head` it joins the cluster that is there;
with none it starts Ray in this machine and ends it with the process. `RAY_ADDRESS=local` always starts a new one.

Ray's token authentication must be told to every process alike (head, workers, driver, command line), so it is never
left to Ray's default: `RAY_AUTH_MODE` is `disabled` unless the environment says otherwise. Ray started here listens on
loopback without a dashboard.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rayscaler.errors import StageError
from rayscaler.resources import Resources
from rayscaler.runtime.memory import give_back
from rayscaler.runtime.versions import alive_nodes, check_nodes

log = logging.getLogger(__name__)

SPARE_CPUS = 2
"""Logical CPUs beyond the cores: an actor pool on all CPUs starves the tasks that feed it, which hangs."""


def set_environment() -> None:
    """Environment variables that Ray reads at import and that all of its processes must agree on."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_task_oom_retries", "3")   # Ray's own default is to try a task for ever
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    os.environ.setdefault("RAY_process_group_cleanup_enabled", "true")  # a killed worker's own processes end with it
    os.environ.setdefault("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "60")  # 5 s killed it again and again at load 10
    os.environ.setdefault("RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S", "30")


@contextmanager
def connected(resources: Resources) -> Iterator[None]:
    """Ray, for the time of the block: joined if there is a cluster, else started here and ended afterwards.

    From here on this process returns the memory that it frees (`memory.give_back`).
    """
    set_environment()
    give_back()
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        _start_or_join(resources)
        yield
    finally:
        ray.shutdown()


def _start_or_join(resources: Resources) -> None:
    import ray

    address = os.environ.get("RAY_ADDRESS", "auto")
    if address != "local":
        try:
            _init(address=address)
        except ConnectionError as error:
            if address != "auto":
                raise StageError(f"no Ray cluster answers at RAY_ADDRESS={address}: {error}") from error
        except RuntimeError as error:
            if "Version mismatch" not in str(error):
                raise
            raise StageError(f"this driver does not fit the cluster: {_mismatch(str(error))}") from error
        else:
            log.info("joined the Ray cluster at %s", ray.get_runtime_context().gcs_address)
            check_nodes(alive_nodes())
            return
    _init(
        address="local",
        num_cpus=resources.local_cpus or usable_cores() + SPARE_CPUS,
        object_store_memory=resources.object_store_mb * 2**20,
        include_dashboard=False,
    )
    log.info("started Ray here with %d logical CPUs", int(_cluster_cpus()))


def _init(**arguments: Any) -> None:
    """`ray.init` without the lines that its C++ core writes to the terminal; failures come as exceptions."""
    import ray

    sys.stderr.flush()
    terminal = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            ray.init(logging_level=logging.ERROR, log_to_driver=False, **arguments)
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def _mismatch(text: str) -> str:
    """Ray's words, which take six lines, in one."""
    return " ".join(text.split()).removeprefix("Version mismatch: ")


def warn_of_local_disk(uri: str) -> None:
    """Say so if a run lies on a local path while Ray has several nodes: each of them must see it."""
    nodes = len(alive_nodes())
    if nodes > 1 and "://" not in uri:
        log.warning("Ray has %d nodes and the run is at %s: every node must see that path (or use s3://)", nodes, uri)


def silence_ray_data() -> None:
    """Keep Ray Data's plans and warnings off the terminal; they stay in Ray's own log files."""
    import ray.data

    ray.data.DataContext.get_current()
    for handler in logging.getLogger("ray.data").handlers:
        if type(handler).__name__ in ("PlainRayHandler", "StreamHandler"):
            handler.setLevel(logging.CRITICAL)


def pool_size(resources: Resources, *, gpus: float = 0.0) -> int:
    """The largest actor pool that leaves one logical CPU for the tasks around it, each worker with `gpus` GPUs.

    Counts what the cluster has, or may grow to. Raises StageError if workers ask for GPUs and there are too few.
    """
    cpus = max(_cluster_cpus(), float(resources.grow_to_cpus))
    fitting = max(1, int((cpus - 1) // resources.worker_cpus))
    if gpus:
        there = max(_cluster_gpus(), float(resources.grow_to_gpus))
        fitting = min(fitting, int(there // gpus))
        if fitting == 0:
            raise StageError(f"resources.worker_gpus asks for {gpus:g} GPUs per worker, the cluster has {there:g}")
    if resources.workers:
        return min(resources.workers, fitting)
    return min(fitting, max(1, int(cpus) - SPARE_CPUS)) if _is_local() and not resources.grow_to_cpus else fitting


def _is_local() -> bool:
    """Whether Ray was started here with logical CPUs to spare, so that the cores are fewer."""
    return len(alive_nodes()) == 1 and _cluster_cpus() > usable_cores()


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and a container's quota where there is one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, int(quota) // int(period)))


def _cluster_cpus() -> float:
    import ray

    return float(ray.cluster_resources().get("CPU", 1))  # type: ignore[no-untyped-call]


def _cluster_gpus() -> float:
    import ray

    return float(ray.cluster_resources().get("GPU", 0))  # type: ignore[no-untyped-call]
