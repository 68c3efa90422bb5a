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
from rayscaler.recipes import Phase, TrainRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.fine_tune import fine_tune
from rayscaler.runtime.train_loop import Job
from rayscaler.stages import train
from rayscaler.tables import LOSSES
from train_job import RECIPE, context

ONE_PHASE = RECIPE.model_copy(update={"phases": (Phase(name="general", epochs=4, learning_rate=1e-2),)})


pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900, func_only=True)]


def test_a_phase_without_room_for_its_workers_says_so_and_ends(ray_here: None, tmp_path: Path):
    ctx = context(tmp_path, ONE_PHASE, stall_timeout_s=6)
    job = Job(
        phase=ONE_PHASE.phases[0], recipe=ONE_PHASE, resources=ctx.resources.model_copy(update={"train_cpus": 64.0}),
        seed=1, n_steps=1, packs=(), steps_per_pack=1, filesystem=ctx.store.place.fs, root=ctx.store.path("models"),
        start="scratch", start_is_ours=False, tokenizer_json="", chat_template="", deepspeed=None,
    )  # fmt: skip
    with pytest.raises(StageError, match=r"no progress for \d+ s \(resources.stall_timeout_s\): train waits for a "
                                         r"worker with 64 CPU; the cluster has [\d.]+ of 4 CPU free, and none of "):
        fine_tune(job)


def signal_after_the_first_checkpoint(models: Path, title: str, which: signal.Signals, hit: list[int]) -> None:
    """One process with `title` in its name gets a signal as soon as a checkpoint is registered."""
    deadline = time.monotonic() + 100
    while not list(models.glob("*/general/state/checkpoint_manager_snapshot.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    everyone = psutil.process_iter(["cmdline"])
    for pid in [each.pid for each in everyone if title in " ".join(each.info["cmdline"] or [])][-1:]:
        os.kill(pid, which)
        hit.append(pid)


def signalled(ctx: Context[TrainRecipe], title: str, which: signal.Signals) -> tuple[threading.Thread, list[int]]:
    """The thread that gives the signal while a phase of `ctx` trains, and what it will have hit."""
    hit: list[int] = []
    arguments = (Path(ctx.store.path("models")), title, which, hit)
    thread = threading.Thread(target=signal_after_the_first_checkpoint, args=arguments)
    thread.start()
    return thread, hit


def losses(ctx: Context[TrainRecipe]) -> list[float]:
    return [row["loss"] for row in ctx.read(LOSSES).to_pylist()]


@pytest.fixture(scope="module")
def undisturbed(ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    ctx = context(tmp_path_factory.mktemp("whole"), ONE_PHASE, train_workers=2)
    train.run(ctx)
    return losses(ctx)


@pytest.mark.by_hand
def test_a_worker_that_stands_still_is_named_and_the_next_start_goes_on(undisturbed: list[float], tmp_path: Path):
    ctx = context(tmp_path, ONE_PHASE, train_workers=2, checkpoint_steps=1, stall_timeout_s=40)
    freezer, frozen = signalled(ctx, "RayTrainWorker", signal.SIGSTOP)
    with pytest.raises(StageError, match=r"train waits for (step \d+|the checkpoint after \d+ steps) of phase general, "
                                         r"worker \d of 2, in work for \d+ s by process \d+ on "):
        train.run(ctx)
    freezer.join(100)
    deadline = time.monotonic() + 60
    while psutil.pid_exists(frozen[0]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not psutil.pid_exists(frozen[0]), "the frozen worker outlived its phase"
    train.run(ctx)
    assert losses(ctx) == pytest.approx(undisturbed, rel=1e-5)


@pytest.mark.by_hand
def test_a_phase_whose_leader_is_killed_goes_on_by_itself(undisturbed: list[float], tmp_path: Path):
    ctx = context(tmp_path, ONE_PHASE, train_workers=2, checkpoint_steps=1)
    killer, killed = signalled(ctx, "ray::_lead", signal.SIGKILL)
    train.run(ctx)
    killer.join(100)
    assert killed
    assert losses(ctx) == pytest.approx(undisturbed, rel=1e-5)
