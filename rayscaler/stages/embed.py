"""embed: tools -> one vector each (paper section 2.1). Each distinct phrase of the pool is embedded once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from rayscaler.graph.phrases import distinct_phrases, phrases_of, rarity, tool_vector
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import EmbedRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.embedding import Embedder
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import EMBEDDINGS, PHRASES, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = "embed", 1, (TOOLS,), (EMBEDDINGS, PHRASES, REJECTS), False, "tools"


def run(ctx: Context[EmbedRecipe]) -> None:
    """First the phrases, by models in actors; then each tool's weighted mean of its phrases."""
    phrases = distinct_phrases(_tools(ctx.store, ctx.input(TOOLS)))
    texts = [phrases[start : start + 512] for start in range(0, len(phrases), 512)]
    ctx.map(ctx.payloads(texts), EmbedPhrases, ctx.recipe.model, ctx.resources.worker_gpus > 0, writes=(PHRASES,))
    weights = rarity(_tools(ctx.store, ctx.input(TOOLS)))
    arguments = (ctx.recipe, ctx.store, ctx.targets[PHRASES.name], weights)
    ctx.map(ctx.rows(TOOLS, per_shard=512), AverageTools, *arguments, writes=(EMBEDDINGS, REJECTS))


def _tools(store: Store, ref: Ref) -> Iterator[ToolSpec]:
    """Tools part by part: a pool of 100,000 is never in memory at once."""
    for part in store.parts(ref):
        for row in store.read_part(ref, part).to_pylist():
            yield ToolSpec.from_row(row)


class EmbedPhrases:
    """A model on one worker."""

    def __init__(self, model: str, on_gpu: bool) -> None:
        self.embedder = Embedder(model, device="cuda" if on_gpu else "cpu")

    def __call__(self, payload: list[str]) -> Output:
        vectors_ND = self.embedder(payload)
        rows = [{"phrase": p, "vector": v} for p, v in zip(payload, vectors_ND, strict=True)]
        return Output({PHRASES.name: rows}, len(payload))


class AverageTools:
    """Weighted means of phrase vectors."""

    def __init__(self, recipe: EmbedRecipe, store: Store, phrases: Ref, weights: dict[str, float]) -> None:
        self.recipe, self.weights = recipe, weights
        table = store.read(phrases)
        self.vectors = dict(zip(table["phrase"].to_pylist(), matrix(table["vector"]), strict=True))

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows, rejects = [], []
        for row in payload:
            vector = tool_vector(phrases_of(ToolSpec.from_row(row)), self.vectors, self.weights, self.recipe)
            if vector is None:
                rejects.append(Rejected(row["tool_id"], Reason.NO_TEXT, "neither parameters nor nouns nor a name"))
            else:
                rows.append({"tool_id": row["tool_id"], "vector": vector})
        return Output({EMBEDDINGS.name: rows}, len(payload), rejects)


def matrix(column: pa.ChunkedArray) -> np.ndarray:
    """A column of vectors as one array, shape (N, D) float32."""
    width = column.type.list_size
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(flat).reshape(-1, width) if flat else np.zeros((0, width), np.float32)
