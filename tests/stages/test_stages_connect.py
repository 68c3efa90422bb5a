"""connect: the same edges for any block and any number of workers, in parts that a second run does not make again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rayscaler.graph.edges import nearest_in_tile
from rayscaler.recipes import ConnectRecipe
from rayscaler.resources import Resources
from rayscaler.runtime.context import Context
from rayscaler.runtime.shards import Job, Shard, payload_of, write_output
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import vector_column
from rayscaler.stages import connect
from rayscaler.tables import CANDIDATES, DIMENSION, EDGES, EMBEDDINGS

N, TAU, K = 150, 0.45, 4


def vectors() -> np.ndarray:
    rng = np.random.default_rng(4)
    rows = rng.normal(size=(12, DIMENSION))[rng.integers(0, 12, N)] + rng.normal(size=(N, DIMENSION))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class HereContext(Context[ConnectRecipe]):
    """A context that does the shards in this process, with what a worker does to each."""

    def map(self, shards: list[Shard], make_work: Any, *arguments: Any, writes: Any, gpus: float = 0.0) -> None:
        job = Job(self.stage, self.store, make_work, arguments, tuple(self.targets[t.name] for t in writes))
        work = make_work(*arguments)
        for shard in shards:
            write_output(shard, work(payload_of(self.store, shard)), job)


def context(folder: Path, block: int, kind: Any = HereContext, workers: int = 1) -> Context[ConnectRecipe]:
    store = Store(str(folder))
    for start in range(0, N, 64):
        rows = vectors()[start : start + 64]
        ids = pa.array([f"tool {number}" for number in range(start, start + len(rows))])
        part = pa.table([ids, vector_column(rows)], schema=EMBEDDINGS.schema)
        store.write_part(Ref(EMBEDDINGS, "in"), f"part-{start:05d}.parquet", part)
    targets = {table.name: Ref(table, "out") for table in (EDGES, CANDIDATES)}
    recipe = ConnectRecipe(tau=TAU, k=K, block=block)
    return kind("connect", recipe, 0, store, {EMBEDDINGS.name: Ref(EMBEDDINGS, "in")}, targets,
                Resources(workers=workers), folder, lambda *_: None)


def edges(ctx: Context[ConnectRecipe]) -> pa.Table:
    return ctx.store.read(ctx.targets[EDGES.name])


@pytest.mark.parametrize("block", [16, 37, 64, 8192])
def test_any_block_gives_the_edges_of_one_whole_tile(block: int, tmp_path: Path):
    ctx = context(tmp_path, block)
    connect.run(ctx)
    whole = nearest_in_tile(vectors(), vectors(), tau=TAU, k=K, same=True)
    assert len(whole) > 300
    found = edges(ctx).to_pydict()
    assert found["src"] == [f"tool {number}" for number in whole.src_E]
    assert found["dst"] == [f"tool {number}" for number in whole.dst_E]
    assert np.array_equal(np.float32(found["similarity"]), whole.similarity_E)
    starts = [row for row in range(len(whole)) if row == 0 or found["src"][row] != found["src"][row - 1]]
    assert all(found["rank"][row] == (1 if row in starts else found["rank"][row - 1] + 1) for row in range(len(whole)))


def test_every_tool_counts_as_read_once(tmp_path: Path):
    ctx = context(tmp_path, 37)
    connect.run(ctx)
    assert ctx.store.counts(ctx.targets[EDGES.name]) == (N, {})


def test_no_tools_give_no_edges(tmp_path: Path):
    ctx = context(tmp_path, 64)._replace(inputs={EMBEDDINGS.name: Ref(EMBEDDINGS, "nothing")})
    connect.run(ctx)
    assert edges(ctx).num_rows == 0


def test_tiles_on_the_diagonal_come_last():
    grid = connect.in_work_order(list(connect.tiles(100, 25)))
    assert [tile.same for tile in grid] == [False] * 6 + [True] * 4


@pytest.mark.ray
def test_one_worker_and_four_give_equal_bytes_and_a_killed_run_goes_on(ray_here: None, tmp_path: Path):
    one, four = (context(tmp_path / str(n), 37, Context, workers=n) for n in (1, 4))
    for ctx in (one, four):
        connect.run(ctx)
    whole = [one.store.content(ref) for ref in one.targets.values()]
    assert [four.store.content(ref) for ref in four.targets.values()] == whole
    for ref in four.targets.values():
        for part in four.store.parts(ref)[1::2]:
            (tmp_path / "4" / ref.folder / part).unlink()
    shown: list[tuple[int, int]] = []
    connect.run(four._replace(progress=lambda done, total: shown.append((done, total))))
    assert [four.store.content(ref) for ref in four.targets.values()] == whole
    assert (shown[0], (15, 15) in shown, shown[-1]) == ((8, 15), True, (5, 5))
