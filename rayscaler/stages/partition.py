"""partition: the tool graph -> domains (paper section 2.1: Louvain communities)."""

from __future__ import annotations

import numpy as np

from rayscaler.graph.communities import Engine, partition
from rayscaler.graph.domains import build_domains
from rayscaler.graph.louvain import louvain
from rayscaler.recipes import PartitionRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.graph_tool import modularity_communities
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.embed import matrix
from rayscaler.tables import DOMAINS, EDGES, EMBEDDINGS, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "partition", 1, (EDGES, EMBEDDINGS, TOOLS), (DOMAINS, REJECTS), True, "tools",
)  # fmt: skip

ENGINES: dict[str, Engine] = {"igraph": louvain, "graph-tool": modularity_communities}


def run(ctx: Context[PartitionRecipe]) -> None:
    """One worker sees the whole graph: communities are a global property."""
    arguments = (ctx.recipe, ctx.seed, ctx.store, ctx.inputs)
    ctx.map(ctx.payloads([0]), Partition, *arguments, writes=(DOMAINS, REJECTS))


class Partition:
    """Finds, sizes and names the communities."""

    def __init__(self, recipe: PartitionRecipe, seed: int, store: Store, inputs: dict[str, Ref]) -> None:
        self.recipe, self.seed, self.store, self.inputs = recipe, seed, store, inputs

    def __call__(self, _: int) -> Output:
        embeddings = self.store.read(self.inputs[EMBEDDINGS.name])
        ids = embeddings["tool_id"].to_pylist()
        vectors_ND = matrix(embeddings["vector"])
        place = {tool_id: number for number, tool_id in enumerate(ids)}
        edges = self.store.read(self.inputs[EDGES.name])
        src, dst = (np.array([place[t] for t in edges[end].to_pylist()], np.int64) for end in ("src", "dst"))
        engine = ENGINES[self.recipe.engine]
        labels = partition(len(ids), src, dst, edges["similarity"].to_numpy(), self.recipe, engine, self.seed)
        domains = build_domains(self._tools(place), labels, vectors_ND, self.recipe)
        return Output({DOMAINS.name: domains.rows}, len(ids), domains.rejects)

    def _tools(self, place: dict[str, int]) -> list[ToolSpec]:
        """The tools that have a vector, in the order of their vectors."""
        rows = (row for row in self.store.read(self.inputs[TOOLS.name]).to_pylist() if row["tool_id"] in place)
        return sorted((ToolSpec.from_row(row) for row in rows), key=lambda tool: place[tool.tool_id])
