"""Rows by number: the same as taking them from the whole table."""

from __future__ import annotations

import numpy as np
import pytest

from rayscaler.runtime.numbered import Parts, rows_at
from rayscaler.runtime.store import ROW_GROUP, Ref, Store
from rayscaler.table import to_arrow
from rayscaler.tables import DUPLICATES

REF = Ref(DUPLICATES, "ab")
SIZES = (3, ROW_GROUP * 2 + 5, 1, ROW_GROUP)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Parts]:
    store, number, parts = Store(str(tmp_path_factory.mktemp("numbered"))), 0, []
    for part, size in enumerate(SIZES):
        rows = [{"tool_id": f"t{n}", "other": "o", "kind": "text", "similarity": n / 2, "why": ""}
                for n in range(number, number + size)]
        name, number = f"part-{part:05d}-a.parquet", number + size
        store.write_part(REF, name, to_arrow(DUPLICATES, rows))
        parts.append((name, size))
    return store, parts


def numbers_of(stored: tuple[Store, Parts], rows: list[int]) -> list[str]:
    found = rows_at(stored[0], REF, stored[1], np.array(rows, np.uint32), ["tool_id", "similarity"])
    assert found.column_names == ["tool_id", "similarity"]
    assert found["similarity"].to_pylist() == [number / 2 for number in rows]
    return found["tool_id"].to_pylist()


def test_rows_come_in_the_order_asked_for_and_as_often(stored: tuple[Store, Parts]):
    last, total = SIZES[0] + SIZES[1], sum(SIZES)
    asked = [total - 1, 0, 3 + ROW_GROUP, 0, 2, last, 3 + ROW_GROUP - 1, 3, last - 1, total - 1]
    assert numbers_of(stored, asked) == [f"t{number}" for number in asked]


def test_any_rows_are_those_of_the_whole_table(stored: tuple[Store, Parts]):
    asked = np.random.default_rng(0).integers(0, sum(SIZES), 500).tolist()
    assert numbers_of(stored, asked) == stored[0].read(REF)["tool_id"].take(asked).to_pylist()


def test_no_rows_are_an_empty_table(stored: tuple[Store, Parts]):
    assert numbers_of(stored, []) == []
