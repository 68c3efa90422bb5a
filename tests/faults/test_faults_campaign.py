"""A sample of the campaign: in every stage something is killed, and the tables are those of an undisturbed run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("RAYSCALER_FAULT_SEED", "0"))
ENOUGH_S = 120
"""No further trial is begun after so long: a busy machine tries fewer stages instead of failing."""

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(900, func_only=True)]


def test_every_stage_survives_a_fault_with_the_same_tables(smoke_run: Path, tmp_path: Path):
    out = tmp_path / "trials.jsonl"
    command = [sys.executable, str(ROOT / "jobs" / "bench.py"), "faults", "--quick", "--first", str(SEED),
               "--limit-s", str(ENOUGH_S), "--out", str(out), "--against", str(smoke_run)]
    environment = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=840, cwd=tmp_path,
                          env={**environment, "RAY_worker_niceness": "0"})
    trials = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    assert [trial for trial in trials if trial["wrong"]] == []
    assert trials, done.stderr[-2000:]
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
