"""A cluster that is at nothing grows when a stage asks for workers, and is at nothing again when they are idle."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from faults.stage_again import contents, without

ROOT = Path(__file__).parents[2]
STAGE = "compose"

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(600, func_only=True)]


def test_workers_come_from_zero_and_go_after_idleness(smoke_run: Path, tmp_path: Path):
    if importlib.util.find_spec("ray.autoscaler._private.fake_multi_node.node_provider") is None:
        pytest.skip("this Ray has no fake node provider")
    run = without(smoke_run, tmp_path / "run", STAGE)
    kept = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "faults" / "autoscale.py"), str(run), STAGE], check=False,
        capture_output=True, text=True, timeout=560, cwd=tmp_path,
        env={**kept, "PYTHONPATH": paths, "RAY_worker_niceness": "0"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    nodes = json.loads(done.stdout.splitlines()[-1])
    assert (nodes["before"], nodes["after"]) == (0, 0)
    assert nodes["most"] >= 1
    assert contents(run, STAGE) == contents(smoke_run, STAGE)
