"""A row that ends its process is found, named and left out; everything else is as if it had not been there."""

from __future__ import annotations

from operator import itemgetter
from pathlib import Path

import pytest

from rayscaler.errors import StageError
from rayscaler.resources import Resources
from rayscaler.runtime.pool import run_shards
from rayscaler.runtime.shards import ByRow, Job, payload_shards
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import LINKS, REJECTS
from shard_works import Parts, Poison, numbers_of, whole, without

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

NUMBERS = [list(range(start, start + 3)) for start in range(0, 24, 3)]
TARGETS = (Ref(LINKS, "ab"), Ref(REJECTS, "ab"))
LIMITS = Resources(workers=2, shard_timeout_s=4, row_memory_gb=0.2)


def play(folder: Path, poison: dict[str, str], by_row: ByRow | None, resources: Resources = LIMITS) -> Store:
    store = Store(str(folder / "run"))
    (folder / "notes").mkdir(exist_ok=True)
    job = Job("numbers", store, Poison, (str(folder / "notes"), poison), TARGETS, by_row=by_row)
    run_shards(payload_shards(NUMBERS), job, resources, lambda done, total: None)
    return store


def tried(folder: Path, number: int) -> int:
    return len(list((folder / "notes").glob(f"{number}-*")))


@pytest.mark.faults
def test_rows_that_kill_hang_or_hog_are_named_and_all_others_are_there(ray_here: None, tmp_path: Path):
    poison = {"4": "exit", "10": "hang", "17": "hog", "21": "segfault"}
    store = play(tmp_path, poison, ByRow(whole))
    assert store.read(TARGETS[0])["domain_id"].to_pylist() == [str(2 * n) for n in range(24) if str(n) not in poison]
    rejects = {row["key"]: (row["stage"], row["reason"]) for row in store.read(TARGETS[1]).to_pylist()}
    assert rejects == {
        "number 4": ("numbers", "crashed"), "number 10": ("numbers", "timed_out"),
        "number 17": ("numbers", "out_of_memory"), "number 21": ("numbers", "crashed"),
    }  # fmt: skip
    assert store.counts(TARGETS[0]) == (24, {"crashed": 2, "out_of_memory": 1, "timed_out": 1})
    assert 3 <= tried(tmp_path, 4) <= 4                 # two workers of the pool, then two processes of its own
    assert 2 <= tried(tmp_path, 10) <= 3                # who hangs is not asked twice


@pytest.mark.faults
def test_parts_without_poison_are_the_same_bytes_beside_it(ray_here: None, tmp_path: Path):
    for name in ("clean", "poisoned"):
        (tmp_path / name).mkdir()
    clean = play(tmp_path / "clean", {}, ByRow(whole))
    poisoned = play(tmp_path / "poisoned", {"4": "exit"}, ByRow(whole))
    same = [
        clean.read_bytes(TARGETS[0].folder, part) == poisoned.read_bytes(TARGETS[0].folder, part)
        for part in clean.parts(TARGETS[0])
    ]
    assert same == [True, False, True, True, True, True, True, True]      # 4 is in the second shard


@pytest.mark.faults
def test_more_poison_than_the_budget_ends_the_stage_with_the_first_row_and_what_to_do(ray_here: None, tmp_path: Path):
    poison, mean = {"3": "exit", "4": "exit", "5": "exit"}, LIMITS.model_copy(update={"crash_budget": 1})
    with pytest.raises(StageError, match=r"numbers: 2 rows .*crash_budget = 1 .* number 3 \(crashed: .* 2 times"):
        play(tmp_path, poison, ByRow(whole), mean)


@pytest.mark.faults
def test_a_shard_that_cannot_be_taken_apart_ends_the_stage_with_its_name(ray_here: None, tmp_path: Path):
    with pytest.raises(StageError, match=r"shard part-00001-\w+\.parquet ends every process .* cannot be taken apart"):
        play(tmp_path, {"4": "exit"}, None)
    assert len(play(tmp_path, {}, None).parts(TARGETS[0])) == len(NUMBERS)


def test_of_a_row_with_pieces_only_the_piece_that_kills_is_left_out(ray_here: None, tmp_path: Path):
    store = Store(str(tmp_path))
    rows = [[{"id": "a", "numbers": [1, 2, 3]}, {"id": "b", "numbers": [4, 5, 6]}]]
    job = Job("sums", store, Parts, (5,), TARGETS, by_row=ByRow(itemgetter("id"), numbers_of, without))
    run_shards(payload_shards(rows), job, LIMITS, lambda done, total: None)
    assert store.read(TARGETS[0]).select(["domain_id", "src"]).to_pylist() == [
        {"domain_id": "a", "src": "6"}, {"domain_id": "b", "src": "10"}]
    assert [(r["key"], r["reason"]) for r in store.read(TARGETS[1]).to_pylist()] == [("b/5", "crashed")]
    assert store.counts(TARGETS[0]) == (6, {"crashed": 1})
