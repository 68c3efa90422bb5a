"""Two phases on two dozen examples of random tokens. `python tests/train_job.py FOLDER` trains them, in a Ray of its
own where RAY_ADDRESS is `local`: a job that can be killed whole."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from rayscaler.recipes import Phase, Shape, TrainRecipe
from rayscaler.resources import Resources
from rayscaler.runtime.context import Context
from rayscaler.runtime.store import Ref, Store
from rayscaler.table import to_arrow
from rayscaler.tables import CHECKPOINTS, EXAMPLES, LOSSES, PACKS, REJECTS, TOKENIZERS
from rayscaler.training.tokenizer import CHAT_TEMPLATE, train_bpe

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


def main() -> None:
    """Train in the folder that the command line names."""
    from rayscaler.runtime.cluster import connected
    from rayscaler.stages import train

    ctx = context(Path(sys.argv[1]), RECIPE, train_workers=2, checkpoint_steps=1)
    with connected(ctx.resources):
        train.run(ctx)


if __name__ == "__main__":
    main()
