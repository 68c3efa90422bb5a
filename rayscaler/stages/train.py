"""train: examples -> packed rows -> one model per phase, general first, then on the verticals (paper section 3.2)."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from rayscaler.errors import ConfigError, TableNotFound
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import TrainRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.fine_tune import STATE, fine_tune
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.shards import Output, Rows
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.train_loop import MODEL, Job, Trained
from rayscaler.stages.train_packs import STEPS_PER_PART, Planned, make_packs
from rayscaler.tables import CHECKPOINTS, EXAMPLES, LOSSES, PACKS, REJECTS, TOKENIZERS
from rayscaler.training.tokenizer import load_tokenizer

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "train", 2, (EXAMPLES, TOKENIZERS), (CHECKPOINTS, LOSSES, PACKS, REJECTS), True, "examples",
)  # fmt: skip
MADE_BY = ("torch", "transformers", "peft", "deepspeed")


def run(ctx: Context[TrainRecipe]) -> None:
    """Plan all phases from lengths alone, pack their rows, then train one phase after another."""
    planned, n_examples = make_packs(ctx, _texts(ctx) if ctx.recipe.rename_ids else None)
    losses: Rows = []
    checkpoints: Rows = []
    before = ctx.recipe.model
    for plan in planned:
        start = {"": before, "model": ctx.recipe.model}.get(plan.phase.start, plan.phase.start)
        trained = _train(ctx, plan, start)
        losses += trained.losses
        checkpoints.append(_checkpoint(_folder(ctx, plan), plan, trained, start))
        before = plan.phase.name
    output = Output({CHECKPOINTS.name: checkpoints, LOSSES.name: losses}, n_examples, _too_long(ctx))
    ctx.map(ctx.payloads([before]), Finished, output, writes=(CHECKPOINTS, LOSSES, REJECTS))


def _texts(ctx: Context[TrainRecipe]) -> dict[int, str]:
    """The text of every token of the run's tokenizer."""
    tokenizer = load_tokenizer(ctx.read(TOKENIZERS, ["tokenizer_json"]).to_pylist()[0]["tokenizer_json"])
    return {token: str(tokenizer.decode([token])) for token in range(len(tokenizer))}


class Finished:
    """Writes the rows that training left."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def __call__(self, _: str) -> Output:
        return self.output


def _train(ctx: Context[TrainRecipe], plan: Planned, start: str) -> Trained:
    """Train one phase, or take it as it is where an earlier try ended it."""
    folder = _folder(ctx, plan)
    try:
        trained = Trained(**json.loads(ctx.store.read_bytes(folder, "trained.json")))
    except TableNotFound:
        trained = fine_tune(_job(ctx, plan, start))
        ctx.store.write_json(trained._asdict(), folder, "trained.json")
    ctx.store.delete_folder(folder, STATE)
    return trained


def _job(ctx: Context[TrainRecipe], plan: Planned, start: str) -> Job:
    tokenizer = ctx.read(TOKENIZERS).to_pylist()[0]
    before = next((phase for phase in ctx.recipe.phases if phase.name == start), None)
    return Job(
        phase=plan.phase,
        recipe=ctx.recipe,
        resources=ctx.resources,
        seed=ctx.seed,
        n_steps=plan.n_steps,
        packs=_packs(ctx.store, ctx.targets[PACKS.name], plan.phase.name),
        steps_per_pack=STEPS_PER_PART,
        filesystem=ctx.store.place.fs,
        root=ctx.store.path(_folder(ctx, plan)),
        start=f"{ctx.store.path(_models(ctx), start)}/{MODEL}" if before else start,
        start_is_ours=before is not None,
        tokenizer_json=tokenizer["tokenizer_json"],
        chat_template=tokenizer["chat_template"],
        deepspeed=_deepspeed(ctx),
    )


def _models(ctx: Context[TrainRecipe]) -> str:
    return f"models/{ctx.targets[CHECKPOINTS.name].fingerprint}"


def _folder(ctx: Context[TrainRecipe], plan: Planned) -> str:
    return f"{_models(ctx)}/{plan.phase.name}"


def _packs(store: Store, packs: Ref, phase: str) -> tuple[str, ...]:
    """The files of one phase, in the order of its steps: parts are numbered as they were planned."""
    parts = store.parts(packs)
    of = {part: store.read_part(packs, part, ["phase"]).column(0)[0].as_py() for part in parts}
    return tuple(store.path(packs.folder, part) for part in parts if of[part] == phase)


def _deepspeed(ctx: Context[TrainRecipe]) -> dict[str, Any] | None:
    if not ctx.resources.deepspeed:
        return None
    path = Path(ctx.base) / ctx.resources.deepspeed
    try:
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"resources.deepspeed: expected DeepSpeed's JSON at {path}: {error}") from None
    return settings


def _checkpoint(folder: str, plan: Planned, trained: Trained, start: str) -> dict[str, Any]:
    return {
        "phase": plan.phase.name,
        "folder": f"{folder}/{MODEL}",
        "start": start,
        "n_examples": plan.n_examples,
        "n_steps": len(trained.losses),
        "n_tokens": sum(row["n_tokens"] for row in trained.losses),
        "n_supervised": sum(row["n_supervised"] for row in trained.losses),
        "first_loss": trained.losses[0]["loss"] if trained.losses else None,
        "last_loss": trained.losses[-1]["loss"] if trained.losses else None,
        "n_parameters": trained.n_parameters,
        "content": trained.content,
    }


def _too_long(ctx: Context[TrainRecipe]) -> list[Rejected]:
    """The examples that no packed row holds."""
    ref, most = ctx.input(EXAMPLES), ctx.recipe.max_tokens
    found = []
    for rows in ahead(partial(ctx.store.read_part, ref, columns=["trajectory_id", "n_tokens"]), ctx.store.parts(ref)):
        for row in rows.filter(pc.field("n_tokens") > most).to_pylist():
            detail = f"{row['n_tokens']} tokens, a packed row holds {most}"
            found.append(Rejected(row["trajectory_id"], Reason.TOO_LONG, detail))
    return found
