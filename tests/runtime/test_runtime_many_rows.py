"""Tables of many rows and files: what is asked of each row takes bytes, not objects, and files are read together."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.errors import TableError
from rayscaler.runtime.keys import mark_of, marks_of
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.pool import calls_at_once
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.shards import payload_of, table_shards
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.survey import survey
from rayscaler.table import to_arrow
from rayscaler.tables import REJECTS

REF = Ref(REJECTS, "0123456789abcdef")


def rejects(*keys: str) -> pa.Table:
    return to_arrow(REJECTS, [{"stage": "ingest", "key": key, "reason": "malformed", "detail": "x"} for key in keys])


def test_lookup_asks_the_keys_themselves_where_marks_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rayscaler.runtime.lookup.marks_of", lambda keys: np.zeros(len(keys), np.uint64))
    monkeypatch.setattr("rayscaler.runtime.keys.mark_of", lambda key: np.uint64(0))
    store = Store(str(tmp_path))
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b", "a"))
    lookup = Lookup(store, REF, "key", columns=("key", "detail"))
    assert [len(lookup.all(key)) for key in "abc"] == [2, 1, 0]
    assert lookup["b"] == {"key": "b", "detail": "x"}


def test_a_shard_reads_only_the_columns_that_its_work_names(tmp_path: Path):
    store = Store(str(tmp_path))
    store.write_part(REF, "part-00000-x.parquet", rejects("a", "b"))
    whole, some = (table_shards(store, REF, rows=9, columns=columns)[0] for columns in ((), ("key", "detail")))
    assert payload_of(store, some) == [{"key": "a", "detail": "x"}, {"key": "b", "detail": "x"}]
    assert payload_of(store, whole)[0].keys() == {"stage", "key", "reason", "detail"}
    assert whole.name == some.name


def test_a_worker_has_no_more_blocks_in_work_than_its_part_of_them():
    assert calls_at_once(14, 10, 2) == 5        # 10 blocks for two: the first one up may not take them all
    assert calls_at_once(14, 256, 2) == 14
    assert calls_at_once(14, 3, 2) == 2


def test_rows_are_sharded_across_parts_and_a_huge_table_gets_larger_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = Store(str(tmp_path))
    keys = [f"{i:02d}" for i in range(11)]
    for number, (start, stop) in enumerate([(0, 3), (3, 3), (3, 4), (4, 11)]):
        store.write_part(REF, f"part-{number:05d}-x.parquet", rejects(*keys[start:stop]))

    def read(rows: int) -> list[list[str]]:
        tables = [[store.read_span(REF, span) for span in s.spans] for s in table_shards(store, REF, rows=rows)]
        return [[key for table in each for key in table["key"].to_pylist()] for each in tables]

    assert read(4) == [keys[:4], keys[4:8], keys[8:]]
    assert read(100) == [keys]
    assert read(1) == [[key] for key in keys]
    monkeypatch.setattr("rayscaler.runtime.shards.MOST_SHARDS", 3)
    assert read(1) == [keys[:4], keys[4:8], keys[8:]]      # 11 rows in 3 shards: 4 each


def test_a_survey_is_what_reading_everything_tells(tmp_path: Path):
    store = Store(str(tmp_path))
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b"))
    store.write_part(REF, "part-00001-b.parquet", rejects("c"))
    assert survey(store, REF) == (3, 2, store.content(REF), *store.counts(REF))
    assert survey(store, Ref(REJECTS, "none")) == (0, 0, store.content(Ref(REJECTS, "none")), 0, {})


def test_a_survey_names_a_key_that_occurs_in_two_parts(tmp_path: Path):
    store = Store(str(tmp_path))
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b"))
    store.write_part(REF, "part-00001-b.parquet", rejects("c", "b"))
    with pytest.raises(TableError, match=r"1 keys occur more than once, first .*'key': 'b'"):
        survey(store, REF)


def test_marks_that_agree_by_chance_are_no_repeated_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rayscaler.runtime.survey.marks_of", lambda keys: np.zeros(len(keys), np.uint64))
    store = Store(str(tmp_path))
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b"))
    assert survey(store, REF).rows == 2


@settings(deadline=None)
@given(st.lists(st.tuples(st.text(max_size=3), st.integers(-3, 3)), max_size=30))
def test_law_equal_keys_have_equal_marks_and_these_unlike_ones_do_not(keys: list[tuple[str, int]]):
    names, numbers = zip(*keys, strict=True) if keys else ((), ())
    marks_N = marks_of(pa.table({"name": pa.array(names, pa.string()), "n": pa.array(numbers, pa.int32())}))
    # Python's hash of -1 is that of -2, so -1 and -2 share a mark: a mark suspects, it does not tell.
    known = [(name, -2 if n == -1 else n) for name, n in keys]
    assert len(set(marks_N.tolist())) == len(set(known))
    for name in names[:5]:
        assert mark_of(name) == marks_of(pa.table({"name": [name]}))[0]


def test_reading_ahead_keeps_the_order_and_raises_the_error_of_the_item():
    assert list(ahead(lambda n: n * n, range(100), readers=3)) == [n * n for n in range(100)]
    found = ahead(lambda n: 1 // (5 - n), range(100), readers=3)
    with pytest.raises(ZeroDivisionError):
        list(found)
