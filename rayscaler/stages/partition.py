"""partition: the tool graph -> domains (paper section 2.1: Louvain communities)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rayscaler.graph.coherence import coherence_rows
from rayscaler.graph.communities import Engine, Undirected, modularity, partition, undirected
from rayscaler.graph.domains import build_domains
from rayscaler.graph.louvain import louvain_each
from rayscaler.recipes import PartitionRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.graph_tool import modularity_communities, start
from rayscaler.runtime.mapped import mapped_array, mapped_rows, mapped_vectors
from rayscaler.runtime.reading import ahead, together
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import COHERENCE, DOMAINS, EDGES, EMBEDDINGS, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "partition", 4, (EDGES, EMBEDDINGS, TOOLS), (DOMAINS, COHERENCE, REJECTS), True, "tools",
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
        vectors, edges = (self.inputs[table.name] for table in (EMBEDDINGS, EDGES))
        ids = mapped_rows(self.store, vectors, ["tool_id"])["tool_id"]
        graph = Undirected(*map(mapped_array, undirected(*read_pairs(self.store, edges, ids))))
        labels = partition(len(ids), graph, self.recipe, ENGINES[self.recipe.engine], self.seed)
        tools = NamedTools(self.store, self.inputs[TOOLS.name], ids)
        domains = build_domains(tools, labels, mapped_vectors(self.store, vectors), self.recipe)
        held = modularity(graph, labels_of(domains.groups, len(ids)))
        rows = {DOMAINS.name: domains.rows, COHERENCE.name: coherence_rows(domains.coherence, domains.rows, held)}
        return Output(rows, len(ids), domains.rejects)


NAMED_TOGETHER = 2**16
"""Edges whose ends are looked up together: a lookup begins with all ids."""


def read_pairs(store: Store, edges: Ref, ids: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Source, destination (numbers in `ids`, int32) and similarity of every edge: 12 bytes each, names part by part."""
    n_edges, begun = store.n_rows(edges), 0
    src_E, dst_E, similarity_E = (np.empty(n_edges, kind) for kind in (np.int32, np.int32, np.float32))
    read = partial(store.read_part, edges, columns=["src", "dst", "similarity"])
    for rows in together(ahead(read, store.parts(edges), readers=2), lambda table: len(table) / NAMED_TOGETHER):
        there = slice(begun, begun + len(rows))
        src_E[there], dst_E[there] = (pc.index_in(rows[end], value_set=ids).to_numpy() for end in ("src", "dst"))
        similarity_E[there] = rows["similarity"].to_numpy()
        begun += len(rows)
    return src_E, dst_E, similarity_E


NAMING = ("tool_id", "name", "vendor", "api", "api_title", "method", "path", "resources", "format")
"""The columns of `tools` that domains are named by. The schemas are 98% of the table and would be read for nothing."""


class NamedTools(Sequence[ToolSpec]):
    """The tools that have a vector, in the order of `ids`, by name alone: without arguments and answers.

    Each is made when it is asked for, out of a mapped file: as Python objects they were the largest thing in memory.
    """

    def __init__(self, store: Store, tools: Ref, ids: pa.ChunkedArray) -> None:
        rows = mapped_rows(store, tools, list(NAMING))
        self.columns = {name: rows[name] for name in NAMING}
        self.row_N = pc.index_in(ids, value_set=rows["tool_id"]).to_numpy()

    def __len__(self) -> int:
        return len(self.row_N)

    def __getitem__(self, number: Any) -> Any:
        row = int(self.row_N[number])
        return ToolSpec(parameters={}, **{name: column[row].as_py() for name, column in self.columns.items()})


def labels_of(groups: list[list[int]], n: int) -> np.ndarray:
    """One label per tool: its group's number; each tool without a group has a label of its own."""
    labels_N = np.arange(len(groups), len(groups) + n)
    for number, group in enumerate(groups):
        labels_N[group] = number
    return labels_N
