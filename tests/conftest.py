"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from cluster_process import ClusterProcess

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real API pools and benchmarks beside the checkout; they are not part of the project."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip(f"needs the API pools at {path}, which are not part of the project")
    return path


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[ClusterProcess]:
    """One small Ray cluster, shared by all tests and by the processes that they start."""
    from cluster_process import start_cluster

    with start_cluster() as cluster:
        os.environ["RAY_ADDRESS"] = cluster.address
        yield cluster
        del os.environ["RAY_ADDRESS"]


@pytest.fixture(scope="session")
def ray_dashboard(ray_cluster: ClusterProcess) -> str:
    """Where the shared cluster takes jobs."""
    return ray_cluster.dashboard


@pytest.fixture(scope="session")
def ray_here(ray_cluster: ClusterProcess) -> Iterator[None]:
    """This process joined to the shared cluster."""
    import ray

    ray.init(address=ray_cluster.address, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def smoke_run(ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of `configs/smoke.yaml`, through all stages on real specifications."""
    from rayscaler import pipeline
    from rayscaler.config import load_config

    run = tmp_path_factory.mktemp("smoke") / "run"
    pipeline.run(load_config(ROOT / "configs" / "smoke.yaml"), str(run))
    return run
