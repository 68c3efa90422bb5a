"""The same job everywhere: `ray job submit` to a running cluster, and Ray started here when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "jobs"))

from run import with_resources

from rayscaler.config import load_config
from rayscaler.errors import ConfigError, StageError
from rayscaler.resources import Resources
from rayscaler.runs import open_run
from rayscaler.runtime.cluster import pool_size

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[1]


def submitted_when_ready(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Ray takes jobs only once its job agent is up, some time after `ray start` returns on a busy machine."""
    deadline = time.monotonic() + 90
    while True:
        done = subprocess.run(
            command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
        )
        if "No available agent" not in done.stderr or time.monotonic() > deadline:
            return done
        time.sleep(2)


def test_a_submitted_job_makes_the_same_tables(smoke_run: Path, ray_dashboard: str, tmp_path: Path):
    run = tmp_path / "run"
    command = [
        str(Path(sys.executable).with_name("ray")), "job", "submit", "--working-dir", ".", "--",
        sys.executable, "jobs/run.py", "--config", "configs/smoke.yaml", "--run", str(run),
    ]  # fmt: skip
    environment = {**os.environ, "RAY_API_SERVER_ADDRESS": ray_dashboard}
    environment.pop("RAY_ADDRESS", None)
    done = submitted_when_ready(command, environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "joined the Ray cluster" in done.stdout + done.stderr
    submitted, here = open_run(str(run)), open_run(str(smoke_run))
    assert {r.table: r.content for r in submitted.tables()} == {r.table: r.content for r in here.tables()}


def test_without_a_cluster_ray_is_started_here_and_ends_with_the_run(tmp_path: Path):
    command = [
        sys.executable, "jobs/run.py", "--config", "configs/smoke.yaml", "--run", str(tmp_path), "--until", "ingest",
    ]  # fmt: skip
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    done = subprocess.run(
        command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "started Ray here" in done.stdout + done.stderr
    assert open_run(str(tmp_path)).table("tools").num_rows > 90


def test_a_configuration_that_is_not_there_ends_the_job_with_one_clear_line(tmp_path: Path):
    command = [sys.executable, "jobs/run.py", "--config", str(tmp_path / "none.yaml")]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "no such configuration file" in done.stderr
    assert "Traceback" not in done.stderr


def test_resources_of_the_place_go_over_those_of_the_configuration():
    config = with_resources(load_config(ROOT / "configs" / "smoke.yaml"), ["grow_to_cpus=112", "worker_cpus=0.5"])
    assert (config.resources.grow_to_cpus, config.resources.worker_cpus) == (112, 0.5)
    for change in ("grow_to_cpu=1", "grow_to_cpus=many", "grow_to_cpus"):
        with pytest.raises(ConfigError, match="--resources"):
            with_resources(config, [change])


def test_a_pool_asks_for_what_the_cluster_may_grow_to(ray_here: None):
    """The cluster of the tests has 4 CPUs and no GPU."""
    assert pool_size(Resources()) <= 3
    assert pool_size(Resources(grow_to_cpus=33)) == 32
    assert pool_size(Resources(grow_to_cpus=33, workers=8)) == 8
    assert pool_size(Resources(grow_to_cpus=33, grow_to_gpus=4), gpus=0.5) == 8
    with pytest.raises(StageError, match="the cluster has 0"):
        pool_size(Resources(), gpus=1)
