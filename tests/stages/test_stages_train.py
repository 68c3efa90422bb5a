"""Two phases on two workers, one of them killed, or the whole job: the losses of a plain loop, and models that load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from rayscaler.recipes import Phase, TrainRecipe
from rayscaler.runtime.context import Context
from rayscaler.stages import train
from rayscaler.tables import CHECKPOINTS, LOSSES, PACKS, REJECTS
from rayscaler.training.packing import Row
from rayscaler.training.schedule import learning_rate
from rayscaler.training.tokenizer import load_tokenizer
from train_job import RECIPE, TOKENIZER, an_example, context

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

def losses_of_a_plain_loop(ctx: Context[TrainRecipe], start: str, phase: Phase) -> list[float]:
    """The same rows without Ray, one after another in one process."""
    import torch

    from rayscaler.runtime.engines import TorchEngine
    from rayscaler.runtime.models import load_model

    vocabulary = len(load_tokenizer(TOKENIZER["tokenizer_json"]))
    model = load_model(start, ctx.recipe, vocabulary=vocabulary, seed=ctx.seed, attention="sdpa")
    engine = TorchEngine(model, ctx.recipe, device=torch.device("cpu"), world=1)
    packs = [row for row in ctx.read(PACKS).to_pylist() if row["phase"] == phase.name]
    losses = []
    for step in range(n_steps := packs[-1]["step"] + 1):
        rows = [row for row in packs if row["step"] == step]
        scale = 1 / rows[0]["step_supervised"]
        total = 0.0
        for row in rows:
            packed = Row(row["input_ids"], row["labels"], row["position_ids"])
            total += engine.accumulate([packed], scale, last=row is rows[-1])
        engine.update(learning_rate(step, steps=n_steps, peak=phase.learning_rate, warmup=ctx.recipe.warmup))
        losses.append(total * scale)
    return losses


def kill_a_worker_after_the_first_checkpoint(dashboard: str, models: Path, killed: list[int]) -> None:
    """As soon as a checkpoint is registered, one of the training workers is killed."""
    from ray.util.state import list_actors

    deadline = time.monotonic() + 200
    while not list(models.glob("*/general/state/checkpoint_manager_snapshot.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    alive = [("class_name", "=", "RayTrainWorker"), ("state", "=", "ALIVE")]
    pids: list[int] = []
    while not pids and time.monotonic() < deadline:      # the workers of a phase that has just ended are gone
        pids = [actor.pid for actor in list_actors(address=dashboard, filters=alive)]
    if pids:
        os.kill(pids[-1], signal.SIGKILL)
        killed.append(pids[-1])


@pytest.fixture(scope="module")
def trained(
    ray_here: None, ray_dashboard: str, tmp_path_factory: pytest.TempPathFactory
) -> Context[TrainRecipe]:
    ctx = context(tmp_path_factory.mktemp("train"), RECIPE, train_workers=2, checkpoint_steps=1)
    killed: list[int] = []
    arguments = (ray_dashboard, Path(ctx.store.path("models")), killed)
    killer = threading.Thread(target=kill_a_worker_after_the_first_checkpoint, args=arguments)
    killer.start()
    train.run(ctx)
    killer.join()
    assert killed
    return ctx


def test_two_workers_of_which_one_was_killed_have_the_losses_of_a_plain_loop(trained: Context[TrainRecipe]):
    losses = trained.read(LOSSES).to_pylist()
    starts = ["scratch", trained.store.path(trained.read(CHECKPOINTS).to_pylist()[0]["folder"])]
    for phase, start in zip(RECIPE.phases, starts, strict=True):
        found = [row["loss"] for row in losses if row["phase"] == phase.name]
        assert found == pytest.approx(losses_of_a_plain_loop(trained, start, phase), rel=1e-4)
    general = [row["loss"] for row in losses if row["phase"] == "general"]
    assert general[-1] < general[0]


def test_every_example_is_trained_on_or_left_out_by_name(trained: Context[TrainRecipe]):
    rejects = trained.read(REJECTS).to_pylist()
    assert [(row["key"], row["reason"]) for row in rejects] == [("t07", "too_long")]
    assert rejects[0]["detail"] == "100 tokens, a packed row holds 64"
    checkpoints = trained.read(CHECKPOINTS).to_pylist()
    assert [(row["phase"], row["start"], row["n_examples"]) for row in checkpoints] == [
        ("general", "scratch", 23), ("vertical", "general", 11),
    ]  # fmt: skip
    packs = trained.read(PACKS).to_pylist()
    tokens = sum(len(row["input_ids"]) for row in packs if row["phase"] == "general")
    assert tokens == 4 * sum(an_example(n)["n_tokens"] for n in range(24) if n != 7)


def test_the_models_open_with_transformers_and_bring_their_chat_template(trained: Context[TrainRecipe]):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for row in trained.read(CHECKPOINTS).to_pylist():
        folder = trained.store.path(row["folder"])
        assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() == row["n_parameters"]
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert "<|im_start|>user\nhi<|im_end|>" in tokenizer.apply_chat_template(
            [{"role": "user", "content": "hi"}], tokenize=False
        )


def test_training_leaves_a_log_and_no_training_state(trained: Context[TrainRecipe]):
    folder = Path(trained.store.path("models", "fp", "general"))
    assert sorted(path.name for path in folder.iterdir()) == ["logs", "model", "trained.json"]
    assert list((folder / "logs" / "tensorboard").glob("events.*"))


def start_job(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(Path(__file__).parents[1] / "train_job.py"), str(folder)]
    return subprocess.Popen(command, env={**os.environ, "RAY_ADDRESS": "local"}, start_new_session=True)


def kill_with_all_that_it_started(process: subprocess.Popen[bytes]) -> int:
    """SIGKILL to the driver, Ray's own processes and the training workers; how many there were."""
    everyone = [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]
    for each in everyone:
        with suppress(psutil.NoSuchProcess):
            each.kill()
    process.wait()
    return len(everyone)


def test_a_job_that_was_killed_whole_goes_on_with_the_losses_of_an_undisturbed_one(tmp_path: Path):
    models = tmp_path / "run" / "models" / "fp"
    job, deadline = start_job(tmp_path), time.monotonic() + 200
    while not (models / "general" / "state" / "checkpoint_manager_snapshot.json").exists():
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert kill_with_all_that_it_started(job) > 4             # driver, gcs, raylet, two workers …
    assert not (models / "general" / "trained.json").exists(), "killed too late"
    assert start_job(tmp_path).wait(timeout=250) == 0
    ctx = context(tmp_path, RECIPE)
    assert [path.name for path in (models / "general" / "logs").glob("steps-from-[!0]*")], "it began anew"
    losses = ctx.read(LOSSES).to_pylist()
    starts = ["scratch", ctx.store.path(ctx.read(CHECKPOINTS).to_pylist()[0]["folder"])]
    for phase, start in zip(RECIPE.phases, starts, strict=True):
        found = [row["loss"] for row in losses if row["phase"] == phase.name]
        assert found == pytest.approx(losses_of_a_plain_loop(ctx, start, phase), rel=1e-4)


def test_a_phase_without_epochs_writes_down_what_it_starts_from(ray_here: None, tmp_path: Path):
    from transformers import AutoModelForCausalLM

    phases = (
        Phase(name="base", epochs=0), Phase(name="general", epochs=1, learning_rate=1e-2),
        Phase(name="alone", start="model", epochs=0),
    )  # fmt: skip
    ctx = context(tmp_path, RECIPE.model_copy(update={"phases": phases}), train_rows=2)
    train.run(ctx)
    rows = {row["phase"]: row for row in ctx.read(CHECKPOINTS).to_pylist()}
    assert [(row["start"], row["n_steps"], row["first_loss"]) for row in (rows["base"], rows["alone"])] == [
        ("scratch", 0, None), ("scratch", 0, None),
    ]  # fmt: skip
    assert rows["base"]["content"] == rows["alone"]["content"] != rows["general"]["content"]
    assert AutoModelForCausalLM.from_pretrained(ctx.store.path(rows["base"]["folder"])).config.eos_token_id is not None
    found = [row["loss"] for row in ctx.read(LOSSES).to_pylist()]
    start = ctx.store.path(rows["base"]["folder"])
    assert found == pytest.approx(losses_of_a_plain_loop(ctx, start, phases[1]), rel=1e-4)


def test_deepspeed_in_bfloat16_leaves_the_float32_weights_of_its_optimiser(ray_here: None, tmp_path: Path):
    pytest.importorskip("deepspeed")
    import torch
    from safetensors.torch import load_file

    phases = (Phase(name="general", epochs=1, learning_rate=1e-3),)
    recipe = RECIPE.model_copy(update={"phases": phases, "precision": "bf16"})
    (tmp_path / "zero2.json").write_text('{"zero_optimization": {"stage": 2}}')
    ctx = context(tmp_path, recipe, train_workers=2, deepspeed="zero2.json")
    train.run(ctx)
    folder = Path(ctx.store.path(ctx.read(CHECKPOINTS).to_pylist()[0]["folder"]))
    weights = load_file(folder / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert any(not torch.equal(w, w.to(torch.bfloat16).float()) for w in weights.values()), "rounded to bfloat16"


def test_deepspeed_zero_2_has_the_losses_of_a_plain_loop(ray_here: None, tmp_path: Path):
    pytest.importorskip("deepspeed")
    recipe = RECIPE.model_copy(update={"phases": (Phase(name="general", epochs=1, learning_rate=1e-3),)})
    (tmp_path / "zero2.json").write_text('{"zero_optimization": {"stage": 2}}')
    ctx = context(tmp_path, recipe, train_workers=2, deepspeed="zero2.json")
    train.run(ctx)
    found = [row["loss"] for row in ctx.read(LOSSES).to_pylist()]
    assert found == pytest.approx(losses_of_a_plain_loop(ctx, "scratch", recipe.phases[0]), rel=1e-3)
