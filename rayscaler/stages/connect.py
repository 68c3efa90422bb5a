"""connect: vectors -> the nearest tools of each tool (paper eq. 1), tile by tile of the upper triangle."""

from __future__ import annotations

from typing import Any

import numpy as np

from rayscaler.graph.edges import Nearest, Tile, merge_nearest, nearest_in_tile, ranks, tiles
from rayscaler.recipes import ConnectRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.embed import matrix
from rayscaler.tables import CANDIDATES, EDGES, EMBEDDINGS

NAME, VERSION, READS, WRITES, SEEDED, UNIT = "connect", 1, (EMBEDDINGS,), (EDGES, CANDIDATES), False, "tools"


def run(ctx: Context[ConnectRecipe]) -> None:
    """Tiles first; then, block by block, the best k over all tiles that saw the block."""
    ids = ctx.read(EMBEDDINGS, ["tool_id"])
    grid = list(tiles(ids.num_rows, ctx.recipe.block))
    vectors = ctx.input(EMBEDDINGS)
    found = ctx.payloads([list(tile) for tile in grid])
    ctx.map(found, SearchTile, ctx.recipe, ctx.store, vectors, writes=(CANDIDATES,))
    parts = {tile: shard.name for tile, shard in zip(grid, found, strict=True)}
    blocks = [
        {"start": tile.a, "stop": tile.a_end, "parts": [name for t, name in parts.items() if tile.row in t[:2]]}
        for tile in grid
        if tile.same
    ]
    ctx.map(ctx.payloads(blocks), MergeBlock, ctx.recipe, ctx.store, vectors, ctx.targets[CANDIDATES.name],
            writes=(EDGES,))  # fmt: skip


class SearchTile:
    """Multiplies one tile."""

    def __init__(self, recipe: ConnectRecipe, store: Store, vectors: Ref) -> None:
        self.recipe = recipe
        self.vectors_ND = matrix(store.read(vectors, ["vector"])["vector"])

    def __call__(self, payload: list[int]) -> Output:
        tile = Tile(*payload)
        nearest = nearest_in_tile(
            self.vectors_ND[tile.a : tile.a_end],
            self.vectors_ND[tile.b : tile.b_end],
            tau=self.recipe.tau,
            k=self.recipe.k,
            same=tile.same,
            a_start=tile.a,
            b_start=tile.b,
        )
        columns = zip(*(array.tolist() for array in nearest), strict=True)
        rows = [{"tile": tile.name, "src": s, "dst": d, "similarity": c} for s, d, c in columns]
        return Output({CANDIDATES.name: rows}, 1)


class MergeBlock:
    """Merges what all tiles found for one block of tools."""

    def __init__(self, recipe: ConnectRecipe, store: Store, vectors: Ref, candidates: Ref) -> None:
        self.recipe, self.store, self.candidates = recipe, store, candidates
        self.ids = store.read(vectors, ["tool_id"])["tool_id"].to_pylist()

    def __call__(self, payload: dict[str, Any]) -> Output:
        merged = merge_nearest((self._found(name, payload) for name in payload["parts"]), k=self.recipe.k)
        columns = zip(*(array.tolist() for array in (*merged, ranks(merged.src_E))), strict=True)
        rows = [
            {"src": self.ids[s], "dst": self.ids[d], "similarity": c, "rank": rank} for s, d, c, rank in columns
        ]
        return Output({EDGES.name: rows}, payload["stop"] - payload["start"])

    def _found(self, part: str, payload: dict[str, Any]) -> Nearest:
        table = self.store.read_part(self.candidates, part, ["src", "dst", "similarity"])
        src_E = table["src"].to_numpy()
        inside = (src_E >= payload["start"]) & (src_E < payload["stop"])
        return Nearest(*(np.asarray(table[name].to_numpy())[inside] for name in ("src", "dst", "similarity")))
