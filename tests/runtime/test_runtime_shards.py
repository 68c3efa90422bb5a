from pathlib import Path

import pytest

from rayscaler.errors import StageError
from rayscaler.resources import Resources
from rayscaler.runtime.pool import run_shards
from rayscaler.runtime.shards import Job, payload_shards, table_shards
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import LINKS, REJECTS
from shard_works import EvenNumbers

pytestmark = pytest.mark.ray

NUMBERS = [list(range(start, start + 5)) for start in range(0, 40, 5)]
TARGETS = (Ref(LINKS, "ab"), Ref(REJECTS, "ab"))


def run(folder: Path, workers: int = 1, **trouble: int) -> Store:
    store = Store(str(folder / "run"))
    notes = folder / "notes"
    notes.mkdir(exist_ok=True)
    job = Job("numbers", store, EvenNumbers, (str(notes), trouble.get("fail_at"), trouble.get("kill_at")), TARGETS)
    run_shards(payload_shards(NUMBERS), job, Resources(workers=workers), lambda done, total: None)
    return store


def test_every_shard_becomes_one_part_and_rows_in_are_rows_out_and_left_out(ray_here: None, tmp_path: Path):
    store = run(tmp_path)
    assert store.read(TARGETS[0])["domain_id"].to_pylist() == [str(n) for n in range(0, 40, 2)]
    assert store.read(TARGETS[1])["key"].to_pylist() == [str(n) for n in range(1, 40, 2)]
    assert store.counts(TARGETS[0]) == (40, {"filtered": 20})


def test_one_worker_and_three_leave_the_same_bytes(ray_here: None, tmp_path: Path):
    for name in ("one", "three"):
        (tmp_path / name).mkdir()
    one, three = run(tmp_path / "one", workers=1), run(tmp_path / "three", workers=3)
    assert [one.content(ref) for ref in TARGETS] == [three.content(ref) for ref in TARGETS]


def test_only_missing_shards_are_done_again(ray_here: None, tmp_path: Path):
    store = run(tmp_path)
    whole = store.content(TARGETS[0])
    for note in (tmp_path / "notes").iterdir():
        note.unlink()
    (tmp_path / "run" / TARGETS[0].folder / store.parts(TARGETS[0])[3]).unlink()
    assert run(tmp_path).content(TARGETS[0]) == whole
    assert [note.name.split("-")[0] for note in (tmp_path / "notes").iterdir()] == ["15"]


def test_the_workers_own_error_is_raised_and_finished_shards_stay(ray_here: None, tmp_path: Path):
    with pytest.raises(StageError, match="numbers: ValueError: number 22 is unlucky"):
        run(tmp_path, fail_at=22)
    assert run(tmp_path).counts(TARGETS[0]) == (40, {"filtered": 20})


def test_a_killed_worker_is_replaced_and_nothing_is_missing_or_doubled(ray_here: None, tmp_path: Path):
    store = run(tmp_path, kill_at=12)
    assert (tmp_path / "notes" / "killed").exists()
    assert store.read(TARGETS[0])["domain_id"].to_pylist() == [str(n) for n in range(0, 40, 2)]


def test_rows_of_a_table_are_sharded_in_file_order_by_content(ray_here: None, tmp_path: Path):
    store = run(tmp_path)
    shards = table_shards(store, TARGETS[0], rows=2)
    spans = [span for shard in shards for span in shard.spans]
    rows = [row for span in spans for row in store.read_span(TARGETS[0], span)["domain_id"].to_pylist()]
    assert rows == [str(n) for n in range(0, 40, 2)]
    assert [sum(span.stop - span.start for span in shard.spans) for shard in shards] == [2] * 10   # across parts
    assert [s.name for s in shards] == [s.name for s in table_shards(store, TARGETS[0], rows=2)]
