"""What a worker holds of large tables: marks in a file, rows and vectors in mapped files, allocators that give back."""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.errors import StorageError
from rayscaler.runtime.mapped import PIECE, gathered, mapped_array, mapped_rows, mapped_vectors
from rayscaler.runtime.repeats import Repeats
from rayscaler.runtime.store import GROUP_BYTES, Ref, Span, Store
from rayscaler.runtime.tiles import vector_column
from rayscaler.table import to_arrow
from rayscaler.tables import EMBEDDINGS, REJECTS

REF, VECTORS = Ref(REJECTS, "0123456789abcdef"), Ref(EMBEDDINGS, "0123456789abcdef")


class Few(Repeats):
    """Goes to its file after every eighth mark."""

    HELD = 8


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 40).map(lambda n: n * 2**58 // 7), max_size=12), max_size=12))
def test_law_marks_in_a_file_repeat_as_those_in_memory_do(added: list[list[int]]):
    few, many = Few(), Repeats()
    for marks in added:
        for repeats in (few, many):
            repeats.add(np.array(marks, np.uint64))
    by_hand = sorted(mark for mark, n in Counter(mark for marks in added for mark in marks).items() if n > 1)
    assert few.found().tolist() == many.found().tolist() == by_hand


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two tables in several parts, one of them empty."""
    store, rng = Store(str(tmp_path / "run")), np.random.default_rng(1)
    for number, length in enumerate((3000, 0, 1, 3000)):
        keys = [f"{number}-{i}" for i in range(length)]
        rows = [{"stage": "ingest", "key": key, "reason": "malformed", "detail": "x"} for key in keys]
        store.write_part(REF, f"part-{number}.parquet", to_arrow(REJECTS, rows))
        columns = [pa.array(keys, pa.string()), vector_column(rng.standard_normal((length, 384), np.float32))]
        store.write_part(VECTORS, f"part-{number}.parquet", pa.table(columns, schema=EMBEDDINGS.schema))
    return store


def test_mapped_tables_are_those_of_the_store_and_leave_no_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    known = store.read(VECTORS)
    mapped = mapped_rows(store, VECTORS, ["tool_id", "vector"])
    assert mapped.equals(known)
    assert len(mapped["vector"].chunks) == 2, f"{known.nbytes} bytes in pieces of {PIECE}"
    assert np.array_equal(mapped_vectors(store, VECTORS), np.array(known["vector"].to_pylist(), np.float32))
    assert mapped_rows(store, REF, ["key"])["key"].to_pylist() == known["tool_id"].to_pylist()
    assert mapped_array(np.arange(3)).tolist() == [0, 1, 2]
    assert mapped_array(np.zeros(0)).tolist() == []
    assert mapped_vectors(store, Ref(EMBEDDINGS, "none")).shape == (0, 384)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_temporary_folder_that_refuses_is_named(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    with pytest.raises(StorageError, match=r"embeddings@1 cannot be laid into the temporary folder /nowhere.*TMPDIR"):
        mapped_vectors(store, VECTORS)
    with pytest.raises(StorageError, match="keys cannot be laid into the temporary folder /nowhere"):
        Few().add(np.arange(9, dtype=np.uint64))


@given(st.lists(st.lists(st.integers(), max_size=4), max_size=4), st.data())
def test_law_gathered_rows_are_those_taken(chunks: list[list[int]], data: st.DataObject):
    column = pa.chunked_array([pa.array([str(n) for n in chunk], pa.string()) for chunk in chunks], pa.string())
    rows = st.integers(0, max(0, len(column) - 1))
    chosen = np.array(data.draw(st.lists(rows, max_size=9 if len(column) else 0)), np.int64)
    assert gathered(column, chosen).to_pylist() == [column[int(row)].as_py() for row in chosen]


def test_wide_rows_lie_in_small_groups_and_a_slice_is_what_it_was(store: Store):
    ref, rows = Ref(REJECTS, "wide"), []
    rows = [{"stage": "s", "key": str(i), "reason": "r", "detail": "x" * (GROUP_BYTES // 3)} for i in range(8)]
    store.write_part(ref, "part-0.parquet", to_arrow(REJECTS, rows))
    assert store.group_starts(ref, "part-0.parquet") == [0, 2, 4, 6, 8]
    for start, stop in ((0, 8), (1, 2), (1, 5), (7, 8), (2, 4), (3, 3), (8, 8)):
        found = store.read_span(ref, Span("part-0.parquet", start, stop), ["key"])
        assert found["key"].to_pylist() == [str(i) for i in range(start, stop)]


@pytest.mark.skipif(sys.platform != "linux", reason="Arrow has jemalloc on Linux only")
@pytest.mark.parametrize("wanted", ["", "mimalloc"])
def test_arrow_gives_memory_back_unless_the_environment_names_its_pool(wanted: str):
    code = "import rayscaler; import pyarrow as pa; print(pa.default_memory_pool().backend_name)"
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    environment |= {"ARROW_DEFAULT_MEMORY_POOL": wanted} if wanted else {}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True,
                          timeout=60)
    assert done.stdout.strip() == (wanted or "jemalloc")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("settled", [True, False])
def test_large_blocks_go_back_when_they_are_freed(settled: bool):
    """Unsettled, glibc learns from the first large block to keep the next ones: one that is held keeps all below it."""
    code = """
import numpy as np
from rayscaler.runtime.memory import give_back
settled and give_back()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
np.ones(3_500_000)                                                # 27 MiB, freed at once
before = resident()
blocks = [np.ones(2**18) for _ in range(60)]                      # 2 MiB each
last = blocks.pop()
del blocks
print(resident() - before)
""".replace("settled and", f"{settled} and")
    known = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", code], env=known, capture_output=True, text=True, check=True,
                          timeout=60)
    grown = float(done.stdout)
    assert grown < 10 if settled else grown > 50
