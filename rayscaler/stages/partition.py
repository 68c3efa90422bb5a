"""partition: the tool graph -> domains (paper section 2.1: Louvain communities)."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rayscaler.graph.coherence import coherence_rows
from rayscaler.graph.communities import Engine, modularity, partition, undirected
from rayscaler.graph.domains import build_domains
from rayscaler.graph.louvain import louvain_each
from rayscaler.recipes import PartitionRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.graph_tool import modularity_communities, start
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import read_matrix
from rayscaler.tables import COHERENCE, DOMAINS, EDGES, EMBEDDINGS, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "partition", 3, (EDGES, EMBEDDINGS, TOOLS), (DOMAINS, COHERENCE, REJECTS), True, "tools",
)  # fmt: skip
MADE_BY = ("igraph", "numpy", "rayscaler.graph")

ENGINES: dict[str, Engine] = {"igraph": louvain_each, "graph-tool": modularity_communities}


def run(ctx: Context[PartitionRecipe]) -> None:
    """One worker sees the whole graph: communities are a global property."""
    arguments = (ctx.recipe, ctx.seed, ctx.store, ctx.inputs)
    ctx.map(ctx.payloads([0]), Partition, *arguments, writes=WRITES)


class Partition:
    """Finds, sizes and names the communities."""

    def __init__(self, recipe: PartitionRecipe, seed: int, store: Store, inputs: dict[str, Ref]) -> None:
        self.recipe, self.seed, self.store, self.inputs = recipe, seed, store, inputs

    def __call__(self, _: int) -> Output:
        if self.recipe.engine == "graph-tool":
            start()
        ids, vectors_ND = read_matrix(self.store, self.inputs[EMBEDDINGS.name], column="tool_id")
        pairs = read_pairs(self.store, self.inputs[EDGES.name], ids)
        labels = partition(len(ids), *pairs, self.recipe, ENGINES[self.recipe.engine], self.seed)
        tools = named_tools(self.store.read(self.inputs[TOOLS.name], list(NAMING)), ids)
        domains = build_domains(tools, labels, vectors_ND, self.recipe)
        held = modularity(undirected(*pairs), labels_of(domains.groups, len(ids)))
        rows = {DOMAINS.name: domains.rows, COHERENCE.name: coherence_rows(domains.coherence, domains.rows, held)}
        return Output(rows, len(ids), domains.rejects)


def read_pairs(store: Store, edges: Ref, ids: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, destination (numbers in `ids`, int32) and similarity of every edge: 12 bytes each, names part by part."""
    found: list[list[np.ndarray]] = [[np.zeros(0, np.int32)], [np.zeros(0, np.int32)], [np.zeros(0, np.float32)]]
    read = partial(store.read_part, edges, columns=["src", "dst", "similarity"])
    for part in ahead(read, store.parts(edges), readers=2):
        for end, numbers in zip(("src", "dst"), found, strict=False):
            numbers.append(pc.index_in(part[end], value_set=ids).to_numpy())
        found[2].append(part["similarity"].to_numpy())
    src, dst, similarity = (np.concatenate(arrays) for arrays in found)
    return src, dst, similarity


NAMING = ("tool_id", "name", "vendor", "api", "api_title", "method", "path", "resources", "format")
"""The columns of `tools` that domains are named by. The schemas are 98% of the table and would be read for nothing."""


def named_tools(tools: pa.Table, ids: pa.ChunkedArray) -> list[ToolSpec]:
    """The tools that have a vector, in the order of their vectors, by name alone: without arguments and answers."""
    found = tools.take(pc.index_in(ids, value_set=tools["tool_id"]))
    return [ToolSpec(parameters={}, **row) for row in found.to_pylist()]


def labels_of(groups: list[list[int]], n: int) -> np.ndarray:
    """One label per tool: its group's number; each tool without a group has a label of its own."""
    labels_N = np.arange(len(groups), len(groups) + n)
    for number, group in enumerate(groups):
        labels_N[group] = number
    return labels_N
