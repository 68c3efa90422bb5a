"""Runs on a GCS server with injected faults: every file is whole or absent, and errors say what to do."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from gcs_server import gcs_server, uri
from rayscaler.errors import StageError, StorageError, StoreUnreachable, TableNotFound
from rayscaler.runs import open_run
from rayscaler.runtime.store import Ref, Store
from rayscaler.table import to_arrow
from rayscaler.tables import REJECTS

REF, OTHER = Ref(REJECTS, "0123456789abcdef"), Ref(REJECTS, "fedcba9876543210")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120, func_only=True)]


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    pytest.importorskip("gcp_storage_emulator")
    with gcs_server() as found:
        yield found


@pytest.fixture
def store(port: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr("rayscaler.runtime.files.PAUSES_S", ())
    return Store(uri(port, f"runs/{request.node.name.translate(str.maketrans('[]', '--'))}"))


def rejects(*keys: str) -> pa.Table:
    return to_arrow(REJECTS, [{"stage": "ingest", "key": key, "reason": "malformed", "detail": "x"} for key in keys])


def test_a_run_lives_in_a_bucket(store: Store):
    store.write_part(REF, "part-00001-b.parquet", rejects("c"))
    store.write_part(REF, "part-00000-a.parquet", rejects("a", "b"))
    store.write_part(REF, "part-00009-z.parquet", rejects("stray"))
    assert store.discard(REF, ["part-00000-a.parquet", "part-00001-b.parquet"]) == 1
    assert store.read(REF)["key"].to_pylist() == ["a", "b", "c"]
    assert (store.record(REF), store.read(OTHER).num_rows) == (None, 0)
    store.delete_folder("rejects@1")
    assert store.parts(REF) == []
    with pytest.raises(TableNotFound, match="no run is there"):
        open_run(store.uri)


def test_some_internal_errors_are_survived(store: Store):
    store.write_bytes(b"abc", "answer-503-x1")
    assert store.read_bytes("answer-503-x1") == b"abc"


def test_a_connection_cut_once_mid_write_leaves_the_whole_file(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("rayscaler.runtime.files.PAUSES_S", (0.1, 0.1))
    data = bytes(range(250)) * 48_000
    store.write_bytes(data, "cut-x1")
    assert store.read_bytes("cut-x1") == data


def test_a_connection_that_is_cut_again_and_again_leaves_nothing(store: Store):
    with pytest.raises(StoreUnreachable, match="the store did not answer, after several tries"):
        store.write_bytes(bytes(1_000_000), "cut-x999")
    with pytest.raises(TableNotFound):
        store.read_bytes("cut-x999")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_are_told_apart(store: Store, status: int):
    with pytest.raises(StorageError, match=r"writing answer-\d+-x999 failed: the store refuses these credentials"):
        store.write_bytes(b"abc", f"answer-{status}-x999")


def test_a_missing_bucket_is_told_apart(port: int, store: Store):
    with pytest.raises(StorageError, match=r"writing note failed: there is no such bucket; create it, or correct"):
        Store(uri(port, "run", bucket="nobody")).write_bytes(b"abc", "note")


def test_a_server_that_stays_down_is_an_error_that_says_so(store: Store):
    with pytest.raises(StoreUnreachable, match=r"the store did not answer, .*the same command goes on from here"):
        store.write_bytes(b"abc", "answer-503-x999")


def test_one_process_at_a_time_works_in_a_run(store: Store):
    with store.exclusive(), pytest.raises(StageError, match="another process runs here"), Store(store.uri).exclusive():
        pass
    with store.exclusive() as check:
        check()
