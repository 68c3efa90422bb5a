"""A run that is killed in the middle of every stage ends with the tables of an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rayscaler.config import load_config
from rayscaler.pipeline import Step, steps
from rayscaler.runs import open_run
from rayscaler.runtime.store import Store

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(420)]

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "smoke.yaml"


def start(run: Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "jobs" / "run.py"), "--config", str(CONFIG), "--run", str(run)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=os.environ
    )


def begun(store: Store, step: Step) -> bool:
    """Whether the stage has written a part of any of its tables and is not whole yet."""
    return any(store.parts(ref) for ref in step.targets.values())


def kill_inside(store: Store, step: Step, run: Path) -> bool:
    """Start the run and kill it as soon as the stage has written something; whether it was still unfinished."""
    process = start(run)
    deadline = time.monotonic() + 120
    while not begun(store, step):
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline, f"{step.stage.NAME} did not begin"
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return store.record(step.targets[step.stage.WRITES[0].name]) is None


def test_killed_in_every_stage_and_started_again_gives_the_same_tables(smoke_run: Path, tmp_path: Path):
    run = tmp_path / "run"
    store = Store(str(run))
    unfinished = [step.stage.NAME for step in steps(load_config(CONFIG)) if kill_inside(store, step, run)]
    assert len(unfinished) == 10, f"killed too late in all but {unfinished}"
    last = start(run)
    output, _ = last.communicate(timeout=200)
    assert last.returncode == 0, output
    killed, whole = open_run(str(run)), open_run(str(smoke_run))
    assert [r.table for r in killed.tables()] == [r.table for r in whole.tables()]
    for record in whole.tables():
        name = record.table.split("@")[0]
        assert killed.table(name).equals(whole.table(name)), name
    assert killed.rejects().equals(whole.rejects())
    leftovers = [path.name for path in run.rglob("*.tmp")]
    assert leftovers == []


@contextmanager
def heeded(which: signal.Signals) -> Iterator[None]:
    """Processes that start inside heed the signal, though a shell that started this one with `&` made it ignored."""
    before = signal.signal(which, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(which, before)


def test_ctrl_c_stops_with_a_word_and_leaves_whole_tables_whole(ray_cluster: object, tmp_path: Path):
    run = tmp_path / "run"
    store, first, second = Store(str(run)), *steps(load_config(CONFIG))[:2]
    command = [str(Path(sys.executable).with_name("rayscaler")), "run", str(CONFIG), "--run", str(run)]
    with heeded(signal.SIGINT):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, env=os.environ
        )
    deadline = time.monotonic() + 120
    while not begun(store, second) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "Tables that are whole stay whole" in output
    assert "Traceback" not in output
    assert all(store.record(ref) is not None for ref in first.targets.values())
    assert any(store.record(ref) is None for ref in second.targets.values())
