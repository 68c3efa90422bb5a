"""Two phases on two workers, one of them killed: the losses of a plain loop, and models that others load."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rayscaler.recipes import Phase, Shape, TrainRecipe
from rayscaler.resources import Resources
from rayscaler.runtime.context import Context
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages import train
from rayscaler.table import to_arrow
from rayscaler.tables import CHECKPOINTS, EXAMPLES, LOSSES, PACKS, REJECTS, TOKENIZERS
from rayscaler.training.packing import Row
from rayscaler.training.schedule import learning_rate
from rayscaler.training.tokenizer import CHAT_TEMPLATE, load_tokenizer, train_bpe

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]

TOKENIZER = {"name": "bpe", "tokenizer_json": train_bpe(["a few words"], 300), "chat_template": CHAT_TEMPLATE}
SHAPE = Shape(layers=2, hidden=32, heads=4, kv_heads=2, head_dim=8, mlp=64)
RECIPE = TrainRecipe(
    shape=SHAPE, max_tokens=64, batch=3, precision="fp32", gradient_checkpointing=False,
    phases=(
        Phase(name="general", epochs=4, learning_rate=1e-2),
        Phase(name="vertical", examples="verticals", epochs=1, learning_rate=1e-3),
    ),
)  # fmt: skip


def an_example(number: int) -> dict[str, Any]:
    """Random tokens; number 7 is longer than a packed row."""
    rng = np.random.default_rng(number)
    length = 100 if number == 7 else int(rng.integers(10, 60))
    ids, mask = rng.integers(0, 256, length).tolist(), [0, *rng.integers(0, 2, length - 2).tolist(), 1]
    return {
        "trajectory_id": f"t{number:02}", "task_id": "k", "environment_id": "e", "phase": 1 + number % 2,
        "messages": "[]", "tools": "[]", "input_ids": ids, "loss_mask": mask, "n_tokens": length,
        "n_supervised": sum(mask),
    }  # fmt: skip


def context(folder: Path, recipe: TrainRecipe, **resources: Any) -> Context[TrainRecipe]:
    store = Store(str(folder / "run"))
    refs = {table.name: Ref(table, "fp") for table in (EXAMPLES, TOKENIZERS, CHECKPOINTS, LOSSES, PACKS, REJECTS)}
    store.write_part(refs["examples"], "part-00000-a.parquet", to_arrow(EXAMPLES, [an_example(n) for n in range(24)]))
    store.write_part(refs["tokenizers"], "part-00000-a.parquet", to_arrow(TOKENIZERS, [TOKENIZER]))
    return Context(
        stage="train", recipe=recipe, seed=5, store=store, inputs=refs, targets=refs,
        resources=Resources(train_cpus=0.5, **resources), base=folder, progress=lambda done, total: None,
    )  # fmt: skip


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
            total += engine.accumulate(packed, scale, last=row is rows[-1])
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
    pids = [actor.pid for actor in list_actors(address=dashboard, filters=alive)]
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


def test_deepspeed_zero_2_has_the_losses_of_a_plain_loop(ray_here: None, tmp_path: Path):
    pytest.importorskip("deepspeed")
    recipe = RECIPE.model_copy(update={"phases": (Phase(name="general", epochs=1, learning_rate=1e-3),)})
    (tmp_path / "zero2.json").write_text('{"zero_optimization": {"stage": 2}}')
    ctx = context(tmp_path, recipe, train_workers=2, deepspeed="zero2.json")
    train.run(ctx)
    found = [row["loss"] for row in ctx.read(LOSSES).to_pylist()]
    assert found == pytest.approx(losses_of_a_plain_loop(ctx, "scratch", recipe.phases[0]), rel=1e-3)
