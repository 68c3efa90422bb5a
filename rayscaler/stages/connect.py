"""connect: vectors -> the nearest tools of each tool (paper eq. 1), tile by tile of the upper triangle.

A searching worker's memory does not grow with the pool: it holds at most `tiles.HELD_MB` of vectors (or the two blocks
of a tile) and one panel, and each tile's candidates are written as soon as it is multiplied. A merging worker has the
ids of all tools in a mapped file. On disk there are at most 12 bytes x k x tools x (blocks + 1) / 2 of candidates
before compression.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from rayscaler.graph.edges import Nearest, Tile, merge_nearest, nearest_in_tile, pairs_in_tile, ranks, tiles
from rayscaler.recipes import ConnectRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.mapped import gathered, mapped_rows
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import VectorRows, part_lengths, screen_on, set_blas_threads
from rayscaler.tables import CANDIDATES, EDGES, EMBEDDINGS

NAME, VERSION, READS, WRITES, SEEDED, UNIT = "connect", 2, (EMBEDDINGS,), (EDGES, CANDIDATES), False, "tools"
MADE_BY = ("numpy",)


def run(ctx: Context[ConnectRecipe]) -> None:
    """Tiles first; then, block by block, the best k over all tiles that saw the block."""
    found = search(ctx, ctx.recipe.k)
    blocks = [
        {"start": tile.a, "stop": tile.a_end, "parts": [name for t, name in found.items() if tile.row in t[:2]]}
        for tile in found
        if tile.same
    ]
    merge = (ctx.recipe.k, ctx.store, ctx.input(EMBEDDINGS), ctx.targets[CANDIDATES.name])
    ctx.map(ctx.payloads(blocks), MergeBlock, *merge, writes=(EDGES,))


def search(ctx: Context[ConnectRecipe], k: int | None) -> dict[Tile, str]:
    """Multiply every tile; the part of `candidates` that each one wrote. `k` None keeps every pair above tau, once."""
    parts = part_lengths(ctx.store, ctx.input(EMBEDDINGS))
    grid = in_work_order(list(tiles(sum(length for _, length in parts), ctx.recipe.block)))
    shards = ctx.payloads([list(tile) for tile in grid])
    vectors = VectorRows(ctx.store, ctx.input(EMBEDDINGS), parts)
    gpus, threads = ctx.resources.worker_gpus, max(1, int(ctx.resources.worker_cpus))
    arguments = (vectors, ctx.recipe.tau, k, "cuda" if gpus else "cpu", threads)
    ctx.map(shards, SearchTile, *arguments, writes=(CANDIDATES,), gpus=gpus)
    return {tile: shard.name for tile, shard in zip(grid, shards, strict=True)}


def in_work_order(grid: list[Tile]) -> list[Tile]:
    """Large tiles first, so that no worker begins one when the others have nothing left; those on the diagonal last."""
    return sorted(grid, key=lambda tile: tile.same)


class SearchTile:
    """Multiplies tiles."""

    def __init__(self, vectors: VectorRows, tau: float, k: int | None, device: str, threads: int) -> None:
        self.vectors, self.tau, self.k, self.screen = vectors, tau, k, screen_on(device)
        set_blas_threads(threads)

    def __call__(self, payload: list[int]) -> Output:
        tile = Tile(*payload)
        a_AD, b_BD = self.vectors(tile.a, tile.a_end), self.vectors(tile.b, tile.b_end)
        same, a, b, screen = tile.same, tile.a, tile.b, self.screen
        if self.k is None:
            found = pairs_in_tile(a_AD, b_BD, tau=self.tau, same=same, a_start=a, b_start=b, screen=screen)
        else:
            found = nearest_in_tile(
                a_AD, b_BD, tau=self.tau, k=self.k, same=same, a_start=a, b_start=b, screen=screen
            )
        columns = [found.src_E.astype(np.int32), found.dst_E.astype(np.int32), found.similarity_E]
        return Output({CANDIDATES.name: pa.table(columns, schema=CANDIDATES.schema)}, 1)


class MergeBlock:
    """Merges what all tiles found for one block of tools."""

    def __init__(self, k: int, store: Store, vectors: Ref, candidates: Ref) -> None:
        self.k, self.store, self.candidates = k, store, candidates
        self.ids = mapped_rows(store, vectors, ["tool_id"])["tool_id"]

    def __call__(self, payload: dict[str, Any]) -> Output:
        merged = merge_nearest((self._found(name, payload) for name in payload["parts"]), k=self.k)
        src, dst = (gathered(self.ids, ends) for ends in (merged.src_E, merged.dst_E))
        rows = pa.table([src, dst, merged.similarity_E, ranks(merged.src_E)], schema=EDGES.schema)
        return Output({EDGES.name: rows}, payload["stop"] - payload["start"])

    def _found(self, part: str, payload: dict[str, Any]) -> Nearest:
        table = self.store.read_part(self.candidates, part)
        src_E = table["src"].to_numpy()
        inside = (src_E >= payload["start"]) & (src_E < payload["stop"])
        return Nearest(*(np.asarray(table[name].to_numpy())[inside] for name in ("src", "dst", "similarity")))
