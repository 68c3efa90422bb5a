"""A phase that stands still says what it waits for and ends; when that is mended, the same command goes on."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from rayscaler.errors import StageError
from rayscaler.recipes import Phase
from rayscaler.runtime.fine_tune import fine_tune
from rayscaler.runtime.train_loop import Job
from rayscaler.stages import train
from rayscaler.tables import LOSSES
from train_job import RECIPE, context

ONE_PHASE = RECIPE.model_copy(update={"phases": (Phase(name="general", epochs=4, learning_rate=1e-2),)})


pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_phase_without_room_for_its_workers_says_so_and_ends(ray_here: None, tmp_path: Path):
    ctx = context(tmp_path, ONE_PHASE, stall_timeout_s=6)
    job = Job(
        phase=ONE_PHASE.phases[0], recipe=ONE_PHASE, resources=ctx.resources.model_copy(update={"train_cpus": 64.0}),
        seed=1, n_steps=1, packs=(), steps_per_pack=1, filesystem=ctx.store.place.fs, root=ctx.store.path("models"), start="scratch",
        start_is_ours=False, tokenizer_json="", chat_template="", deepspeed=None,
    )  # fmt: skip
    with pytest.raises(StageError, match=r"no progress for \d+ s \(resources.stall_timeout_s\): train waits for a "
                                         r"worker with 64 CPU; the cluster has [\d.]+ of 4 CPU free, and none of "):
        fine_tune(job)


def workers() -> list[psutil.Process]:
    """The processes that train."""
    return [each for each in psutil.process_iter() if "RayTrainWorker" in " ".join(each.cmdline())]


def freeze_a_worker_after_the_first_checkpoint(models: Path, frozen: list[int]) -> None:
    """It lives and does nothing: what no health check of processes finds."""
    deadline = time.monotonic() + 100
    while not list(models.glob("*/general/state/checkpoint_manager_snapshot.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    for each in workers()[-1:]:
        os.kill(each.pid, signal.SIGSTOP)
        frozen.append(each.pid)


def test_a_worker_that_stands_still_is_named_and_the_next_start_goes_on(ray_here: None, tmp_path: Path):
    undisturbed = context(tmp_path / "whole", ONE_PHASE, train_workers=2)
    train.run(undisturbed)
    ctx, frozen = context(tmp_path / "run", ONE_PHASE, train_workers=2, checkpoint_steps=1, stall_timeout_s=40), []
    models = Path(ctx.store.path("models"))
    freezer = threading.Thread(target=freeze_a_worker_after_the_first_checkpoint, args=(models, frozen))
    freezer.start()
    with pytest.raises(StageError, match=r"train waits for (step \d+|the checkpoint after \d+ steps) of phase general, "
                                         r"worker \d of 2, in work for \d+ s by process \d+ on "):
        train.run(ctx)
    freezer.join(100)
    deadline = time.monotonic() + 30
    while psutil.pid_exists(frozen[0]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(frozen[0]), "the frozen worker outlived its phase"
    train.run(ctx)
    found = [row["loss"] for row in ctx.read(LOSSES).to_pylist()]
    assert found == [row["loss"] for row in undisturbed.read(LOSSES).to_pylist()]
