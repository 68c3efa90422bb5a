"""A run in which one stage is to be made again, and what its driver is started with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from rayscaler.config import load_config
from rayscaler.pipeline import steps
from rayscaler.runtime.store import Store

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs" / "smoke.yaml"


def without(whole: Path, run: Path, stage: str) -> Path:
    """A copy of a whole run without the tables of `stage` and of those after it."""
    shutil.copytree(whole, run)
    every = steps(load_config(CONFIG))
    names = [step.stage.NAME for step in every]
    for step in every[names.index(stage) :]:
        for ref in step.targets.values():
            shutil.rmtree(run / ref.folder, ignore_errors=True)
    return run


def contents(run: Path, stage: str) -> dict[str, str]:
    """A digest of each table that `stage` made."""
    step = next(step for step in steps(load_config(CONFIG)) if stage == step.stage.NAME)
    records = {name: Store(str(run)).record(ref) for name, ref in step.targets.items()}
    return {name: record.content if record else "not whole" for name, record in records.items()}


def driver(run: Path, until: str, address: str, *before: str, resources: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    """The job; `before` stands before its command: `ip netns exec NAME`."""
    command = [*before, sys.executable, str(ROOT / "jobs" / "run.py"), "--config", str(CONFIG), "--run", str(run),
               "--until", until, "--resources", *resources]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=run,
                            start_new_session=True, env={**os.environ, "RAY_ADDRESS": address})
