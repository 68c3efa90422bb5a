import pickle
from pathlib import Path

import pyarrow as pa
import pytest

from rayscaler.errors import StageError, TableError, TableNotFound
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.store import ROW_GROUP, Ref, Span, Store
from rayscaler.table import to_arrow
from rayscaler.tables import EMBEDDINGS, REJECTS

REF = Ref(REJECTS, "0123456789abcdef")


def rejects(*keys: str) -> pa.Table:
    return to_arrow(REJECTS, [{"stage": "ingest", "key": key, "reason": "malformed", "detail": "x"} for key in keys])


def test_rows_come_back_in_the_order_of_the_parts(tmp_path: Path):
    store = Store(str(tmp_path))
    store.write_part(REF, "part-00001-b.parquet", rejects("c"))
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b"))
    assert store.read(REF)["key"].to_pylist() == ["a", "b", "c"]
    assert store.read(REF, ["key"]).schema.names == ["key"]


def test_a_table_without_parts_is_empty_and_has_no_record(tmp_path: Path):
    store = Store(str(tmp_path / "nowhere"))
    assert store.read(REF).num_rows == 0
    assert store.record(REF) is None
    assert not (tmp_path / "nowhere").exists()


def test_the_same_rows_give_the_same_bytes(tmp_path: Path):
    store = Store(str(tmp_path))
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b"))
    first = store.content(REF)
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b"))
    assert store.content(REF) == first
    store.write_part(REF, "part-00000-a.parquet", rejects("b", "a"))
    assert store.content(REF) != first


def test_a_span_is_the_slice_of_its_part(tmp_path: Path):
    store = Store(str(tmp_path))
    keys = [f"{i:05d}" for i in range(2 * ROW_GROUP + 7)]
    store.write_part(REF, "part-00000-a.parquet", rejects(*keys))
    for start, stop in [(0, 1), (ROW_GROUP - 1, ROW_GROUP + 1), (5, 2 * ROW_GROUP + 7), (2 * ROW_GROUP, 2 * ROW_GROUP)]:
        span = store.read_span(REF, Span("part-00000-a.parquet", start, stop))
        assert span["key"].to_pylist() == keys[start:stop]


def test_vectors_keep_their_length_through_a_file(tmp_path: Path):
    store, ref = Store(str(tmp_path)), Ref(EMBEDDINGS, "ab")
    store.write_part(ref, "part-00000-a.parquet", to_arrow(EMBEDDINGS, [{"tool_id": "t", "vector": [0.5] * 384}]))
    assert store.read(ref).schema.equals(EMBEDDINGS.schema)


def test_a_write_that_does_not_fit_the_schema_leaves_nothing(tmp_path: Path):
    store = Store(str(tmp_path))
    with pytest.raises(TableError, match="rejects@1"):
        store.write_part(REF, "part-00000-a.parquet", pa.table({"key": ["a"]}))
    assert store.parts(REF) == []


def test_half_written_files_are_no_parts_and_are_discarded(tmp_path: Path):
    store = Store(str(tmp_path))
    store.write_part(REF, "part-00000-a.parquet", rejects("a"))
    (tmp_path / REF.folder / ".1234.tmp").write_bytes(b"PAR1 half")
    (tmp_path / REF.folder / "part-00009-z.parquet").write_bytes(b"from another layout")
    assert store.discard(REF, ["part-00000-a.parquet"]) == 2
    assert [p.name for p in (tmp_path / REF.folder).iterdir()] == ["part-00000-a.parquet"]


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(TableNotFound, match=r"run\.json"):
        Store(str(tmp_path)).read_bytes("run.json")


def test_a_store_pickles_and_opens_any_uri_that_pyarrow_opens(tmp_path: Path):
    store = Store(f"file://{tmp_path}")
    store.write_part(REF, "part-00000-a.parquet", rejects("a"))
    copy = pickle.loads(pickle.dumps(store))
    assert copy.read(REF).num_rows == 1
    assert Store(str(tmp_path)).read(REF).num_rows == 1


def test_a_store_on_a_file_system_without_rename(tmp_path: Path):
    """An object store: pyarrow's mock file system stands where s3:// and gs:// do, no local path is involved."""
    store = Store("mock:///run")
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b"))
    assert store.read(REF)["key"].to_pylist() == ["a", "b"]
    assert store.discard(REF, []) == 1
    assert store.parts(REF) == []


def test_lookup_finds_every_row_by_key(tmp_path: Path):
    store = Store(str(tmp_path))
    keys = [f"{i:04d}" for i in range(700)]
    store.write_part(REF, "part-00000-a.parquet", rejects(*keys[:600]))
    store.write_part(REF, "part-00001-b.parquet", rejects(*keys[600:], "0005"))
    lookup = Lookup(store, REF, "key")
    assert [lookup[key]["key"] for key in reversed(keys)] == keys[::-1]
    assert len(lookup.all("0005")) == 2
    assert lookup.all("none") == []
    with pytest.raises(TableNotFound, match="no row 'none'"):
        lookup["none"]


def test_one_process_works_in_a_run_at_a_time(tmp_path: Path):
    folder = tmp_path / "run"
    with Store(str(folder)).exclusive():
        with pytest.raises(StageError, match="another process runs here"), Store(str(folder)).exclusive():
            pass
        with Store(str(tmp_path / "other")).exclusive():
            pass
    with Store(str(folder)).exclusive():
        assert sorted(path.name for path in tmp_path.iterdir()) == ["other", "run"]
