"""The first half of `train`: from the lengths of all examples to packed rows of tokens, in the order of training.

Per example the driver holds 12 bytes while it plans (its row, its tokens, its place in an epoch's order), and with each
epoch that is planned 4 more: examples go to the workers as numbers of rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from rayscaler.recipes import Phase, TrainRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.mapped import gathered, mapped_rows
from rayscaler.runtime.numbered import Parts, rows_at
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.shards import Output, Rows
from rayscaler.runtime.store import Ref, Store
from rayscaler.seeds import rng
from rayscaler.tables import EXAMPLES, PACKS
from rayscaler.training.packing import join
from rayscaler.training.plan import Lengths, Plan, Step, plan_phase, steps_of
from rayscaler.training.renaming import Renamer

STEPS_PER_PART = 64
"""Optimiser steps in one file of packed rows."""

_STEP = pa.struct([("number", pa.int64()), ("epoch", pa.int32()), ("rows", pa.list_(pa.list_(pa.uint32())))])
"""A `Step` in Arrow: 4 bytes per example, where Python's own numbers take 40."""


class Planned(NamedTuple):
    """What is known of a phase before it is trained."""

    phase: Phase
    n_examples: int
    n_steps: int


def make_packs(ctx: Context[TrainRecipe], texts: dict[int, str] | None) -> tuple[list[Planned], int]:
    """Plan all phases and pack their rows; the phases, and how many examples the table has.

    texts: of the tokenizer's tokens, where generated ids are to be renamed.
    """
    planned, payloads, parts = _planned(ctx)
    shards = ctx.payloads(payloads, _named(ctx, payloads))
    ctx.map(shards, MakePacks, ctx.store, ctx.input(EXAMPLES), parts, texts, ctx.seed, writes=(PACKS,))
    return planned, sum(length for _, length in parts)


def _planned(ctx: Context[TrainRecipe]) -> tuple[list[Planned], list[Any], Parts]:
    """The phases, what a worker is to pack, shard by shard, and the parts of `examples`."""
    lengths, parts = _read_lengths(ctx)
    plans = [plan_phase(phase, lengths, ctx.recipe) for phase in ctx.recipe.phases]
    planned, payloads = [], []
    for plan in plans:
        own = list(_payloads(plan, ctx.recipe, ctx.seed))
        planned.append(Planned(plan.phase, len(plan.rows_M), sum(len(payload["steps"]) for payload in own)))
        payloads += own
    return planned, payloads, parts


def _read_lengths(ctx: Context[TrainRecipe]) -> tuple[Lengths, Parts]:
    phases, tokens = [np.zeros(0, np.int8)], [np.zeros(0, np.int32)]
    for rows in _parts(ctx, "phase", "n_tokens"):
        phases.append(rows["phase"].to_numpy().astype(np.int8))
        tokens.append(rows["n_tokens"].to_numpy().astype(np.int32))
    names = ctx.store.parts(ctx.input(EXAMPLES))
    return Lengths(np.concatenate(phases), np.concatenate(tokens)), list(zip(names, map(len, tokens[1:]), strict=True))


def _parts(ctx: Context[TrainRecipe], *columns: str) -> Iterator[pa.Table]:
    ref = ctx.input(EXAMPLES)
    return ahead(partial(ctx.store.read_part, ref, columns=list(columns)), ctx.store.parts(ref))


def _payloads(plan: Plan, recipe: TrainRecipe, seed: int) -> Iterator[dict[str, Any]]:
    steps = steps_of(plan, recipe, seed=seed)
    while some := list(islice(steps, STEPS_PER_PART)):
        yield {"phase": plan.phase.name, "steps": pa.array([step._asdict() for step in some], _STEP)}


def _named(ctx: Context[TrainRecipe], payloads: list[Any]) -> Iterator[Any]:
    """The payloads with the examples' ids for their numbers: files of rows are called by what is in them."""
    ids = mapped_rows(ctx.store, ctx.input(EXAMPLES), ["trajectory_id"]).column(0)
    for payload in payloads:
        keys = iter(gathered(ids, _numbers(payload["steps"]).to_numpy()).to_pylist())
        steps = [(step.number, step.epoch, [list(islice(keys, len(row))) for row in step.rows])
                 for step in _unpacked(payload["steps"])]
        yield {"phase": payload["phase"], "steps": steps}


def _numbers(steps: pa.StructArray) -> pa.Array:
    """The rows of all examples of these steps, one after another."""
    return steps.field("rows").flatten().flatten()


def _unpacked(steps: pa.StructArray) -> list[Step]:
    return [Step(**step) for step in steps.to_pylist()]


class MakePacks:
    """Gathers the examples of some steps into packed rows. texts: of the tokens, where ids are to be renamed."""

    def __init__(self, store: Store, examples: Ref, parts: Parts, texts: dict[int, str] | None, seed: int) -> None:
        self.store, self.examples, self.parts = store, examples, parts
        self.seed, self.renamer = seed, Renamer(texts) if texts else None

    def __call__(self, payload: dict[str, Any]) -> Output:
        columns = ["trajectory_id", "input_ids", "loss_mask", "n_supervised"]
        numbers_N = _numbers(payload["steps"]).to_numpy()
        found = rows_at(self.store, self.examples, self.parts, numbers_N, columns)
        examples = (row for batch in found.to_batches(max_chunksize=64) for row in batch.to_pylist())
        rows = [row for step in _unpacked(payload["steps"]) for row in self._rows(payload["phase"], step, examples)]
        return Output({PACKS.name: rows}, len(payload["steps"]))

    def _rows(self, phase: str, step: Step, examples: Iterator[dict[str, Any]]) -> Rows:
        """The packed rows of one step, whose examples are the next of `examples`."""
        found = [list(islice(examples, len(row))) for row in step.rows]
        supervised = sum(example["n_supervised"] for row in found for example in row)
        rows = []
        for slot, members in enumerate(found):
            row = join([(self._input_ids(example, step.epoch), example["loss_mask"]) for example in members])
            place = {"phase": phase, "step": step.number, "slot": slot, "epoch": step.epoch}
            tokens = {"input_ids": row.input_ids_T, "labels": row.labels_T, "position_ids": row.position_ids_T}
            # 4 bytes per number until the part is written: as a list of Python's own it would be 40.
            arrays = {name: np.array(ids, np.int32) for name, ids in tokens.items()}
            rows.append({**place, **arrays, "step_supervised": supervised})
        return rows

    def _input_ids(self, example: dict[str, Any], epoch: int) -> list[int]:
        ids: list[int] = example["input_ids"]
        if self.renamer is None:
            return ids
        return self.renamer(ids, rng(self.seed, "ids", example["trajectory_id"], epoch))
