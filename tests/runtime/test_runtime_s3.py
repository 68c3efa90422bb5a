"""Runs on a real S3 server with injected faults: every file is whole or absent, and errors say what to do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

from rayscaler.errors import ConfigError, StageError, StorageError, StoreUnreachable, TableError, TableNotFound
from rayscaler.resources import Resources
from rayscaler.runs import open_run
from rayscaler.runtime.claims import CLAIMS, Claim
from rayscaler.runtime.files import Place, advice
from rayscaler.runtime.pool import run_shards
from rayscaler.runtime.shards import Job, payload_shards
from rayscaler.runtime.store import ROW_GROUP, Ref, Span, Store
from rayscaler.table import to_arrow
from rayscaler.tables import LINKS, REJECTS
from s3_server import BUCKET, CREDENTIALS, Environ, S3Server, cut_body, error_500, silence, slow_reads, writes
from shard_works import EvenNumbers

REF, OTHER = Ref(REJECTS, "0123456789abcdef"), Ref(REJECTS, "fedcba9876543210")
LINKS_REF = Ref(LINKS, "0123456789abcdef")
PART = "part-00000-a.parquet"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        silence()
        server = S3Server()
        yield server
        server.close()


@pytest.fixture
def store(s3: S3Server, request: pytest.FixtureRequest) -> Store:
    s3.requests.clear()
    return Store(s3.uri(f"runs/{request.node.name.translate(str.maketrans('[]', '--'))}"))


@pytest.fixture
def impatient(store: Store, s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The same run through a client that gives up after the second try; the usual one tries for about a minute."""
    monkeypatch.setattr("rayscaler.runtime.files.PAUSES_S", ())
    twice = pafs.AwsStandardS3RetryStrategy(max_attempts=2)
    fs = pafs.S3FileSystem(
        endpoint_override=s3.address, scheme="http", region="us-east-1", retry_strategy=twice, allow_delayed_open=True
    )
    store._place = Place(fs, store.place.root)
    return store


def rejects(*keys: str) -> pa.Table:
    return to_arrow(REJECTS, [{"stage": "ingest", "key": key, "reason": "malformed", "detail": "x"} for key in keys])


def keys_of(store: Store, ref: Ref = REF) -> list[str]:
    return store.read(ref)["key"].to_pylist()


def second_part(environ: Environ) -> bool:
    return "partNumber=2" in environ["QUERY_STRING"]


def test_a_run_lives_in_a_bucket(store: Store):
    store.write_part(REF, "part-00001-b.parquet", rejects("c"))
    store.write_part(REF, PART, rejects("a", "b"))
    store.write_part(REF, "part-00009-z.parquet", rejects("stray"))
    assert store.discard(REF, [PART, "part-00001-b.parquet"]) == 1
    assert keys_of(store) == ["a", "b", "c"]
    assert store.record(REF) is None
    assert store.read(OTHER).num_rows == 0
    with pytest.raises(TableNotFound, match="no run is there"):
        open_run(store.uri)


def test_a_small_part_costs_one_request(store: Store, s3: S3Server):
    store.write_part(REF, PART, rejects("a"))
    assert [request.split("?")[0].split(" ")[0] for request in s3.requests] == ["PUT"]


def test_some_internal_errors_are_survived(store: Store, s3: S3Server):
    with s3.fault(error_500(writes, times=3)):
        store.write_part(REF, PART, rejects("a", "b"))
    assert len([request for request in s3.requests if request.startswith("PUT")]) == 4
    with s3.fault(error_500(lambda environ: environ["REQUEST_METHOD"] == "GET", times=3)):
        assert keys_of(store) == ["a", "b"]


def test_pyarrow_gives_up_at_once_where_the_error_is_longer_than_the_file_but_the_store_asks_again(
    store: Store, s3: S3Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("rayscaler.runtime.files.PAUSES_S", (0.1,))
    store.write_bytes(b"abc", "note")
    with s3.fault(error_500(lambda environ: environ["REQUEST_METHOD"] == "GET", times=1)):
        assert store.read_bytes("note") == b"abc"


def test_a_span_is_read_from_a_slow_bucket(store: Store, s3: S3Server):
    keys = [f"{i:05d}" for i in range(2 * ROW_GROUP)]
    store.write_part(REF, PART, rejects(*keys))
    with s3.fault(slow_reads(s3, pause_s=0.02)):
        assert store.read_span(REF, Span(PART, 5, ROW_GROUP + 5))["key"].to_pylist() == keys[5 : ROW_GROUP + 5]


@pytest.mark.parametrize("size", [100_000, 12_000_000], ids=["one-request", "in-parts"])
def test_a_connection_cut_mid_write_leaves_the_file_as_it_was(impatient: Store, s3: S3Server, size: int):
    """12 MB go in two parts, and the second is cut: the first is there, but no object is made of it."""
    is_small, store = size < 10_000_000, impatient
    store.write_bytes(b"old", "note")
    with (
        s3.fault(cut_body(writes if is_small else second_part, after=size // 4)),
        pytest.raises(StorageError, match=r"writing note failed: the store did not answer.*same command goes on"),
    ):
        store.write_bytes(b"x" * size, "note")
    assert store.read_bytes("note") == b"old"
    store.write_bytes(b"x" * size, "note")
    assert len(store.read_bytes("note")) == size


def test_a_bucket_that_is_down_is_an_error_and_the_table_stays_absent(impatient: Store, s3: S3Server):
    impatient.write_part(OTHER, PART, rejects("earlier"))
    with s3.fault(error_500(writes, times=100)), pytest.raises(StoreUnreachable, match="did not answer"):
        impatient.write_part(REF, PART, rejects("a"))
    assert impatient.parts(REF) == []
    assert keys_of(impatient, OTHER) == ["earlier"]


def test_a_half_object_that_somebody_else_left_is_named(store: Store):
    store.write_part(REF, PART, rejects("a", "b"))
    store.write_bytes(store.read_bytes(REF.folder, PART)[:-20], REF.folder, PART)
    with pytest.raises(TableError, match=rf"{PART} is no whole Parquet file .* delete it and run again"):
        store.read(REF)


def test_a_missing_bucket_is_named(s3: S3Server):
    with pytest.raises(StorageError, match=r"s3://nowhere/run.*there is no such bucket; create it"):
        Store(s3.uri("run", bucket="nowhere")).write_part(REF, PART, rejects("a"))


def test_wrong_credentials_are_named_and_never_shown(store: Store, s3: S3Server):
    store.write_part(OTHER, PART, rejects("earlier"))
    s3.demand_known_credentials(True)
    try:
        for refused in (
            lambda: store.write_part(REF, PART, rejects("a")),
            lambda: store.read(OTHER),
            lambda: open_run(store.uri),
        ):
            with pytest.raises(StorageError, match="refuses these credentials") as raised:
                refused()
            assert "secret" not in str(raised.value).replace("AWS_SECRET_ACCESS_KEY", "")
    finally:
        s3.demand_known_credentials(False)
    assert keys_of(store, OTHER) == ["earlier"]


def test_the_words_of_a_file_name_are_not_taken_for_those_of_the_error():
    """A message as pyarrow gave it while the server was gone."""
    gone = OSError(
        "When listing objects under key 'run/tokenizers@1/6b9f/' in bucket 'bucket': AWS Error NETWORK_CONNECTION "
        "during ListObjectsV2 operation: curlCode: 7, Could not connect to server"
    )
    assert "did not answer" in advice("s3://bucket/run", gone)


def test_credentials_do_not_belong_in_a_uri():
    with pytest.raises(ConfigError, match="no credentials may stand in it") as raised:
        Store("s3://AKIAEXAMPLE:hunter2@bucket/run").read_bytes("run.json")
    assert "hunter2" not in str(raised.value)


def test_of_two_runs_in_one_bucket_only_one_goes_on(store: Store):
    with store.exclusive() as still_ours:
        still_ours()
        with pytest.raises(StageError, match=r"another process runs here \(process \d+ on .*"), store.exclusive():
            pass
        assert store.holder() is not None
        still_ours()
    assert store.holder() is None
    with store.exclusive():
        pass


def test_of_many_that_start_at_once_never_two_go_on(store: Store):
    inside, most, lock, start = [0], [0], threading.Lock(), threading.Barrier(6)

    def run() -> None:
        start.wait()
        try:
            with Store(store.uri).exclusive():
                with lock:
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                threading.Event().wait(0.2)
                with lock:
                    inside[0] -= 1
        except StageError:
            return

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 1
    assert store.holder() is None


@pytest.mark.slow
def test_a_dead_claim_ends_and_a_live_one_is_renewed(store: Store):
    live = Claim(store.uri, store.place, lease_s=2.0, renew_s=0.3)
    threading.Event().wait(2.5)
    live.check()
    with pytest.raises(StageError, match="another process runs here"):
        Claim(store.uri, store.place, lease_s=2.0)
    live._closed.set()                                   # as a killed process: the claim stays, nobody renews it
    live._thread.join()
    threading.Event().wait(3.2)                          # S3 tells times in whole seconds
    with pytest.raises(StageError, match="could not be renewed"):
        live.check()
    after = Claim(store.uri, store.place, lease_s=2.0)
    selector = pafs.FileSelector(f"{BUCKET}/{store.path().split('/', 1)[1].rstrip('/')}/{CLAIMS}")
    assert len(store.place.fs.get_file_info(selector)) == 1
    after.close()


def test_a_run_whose_claim_was_removed_stops(store: Store):
    claim = Claim(store.uri, store.place, renew_s=0.1)
    store.place.fs.delete_file(claim.path)
    claim._thread.join(timeout=5)
    with pytest.raises(StageError, match=r"lost its claim \(another run removed it\)"):
        claim.check()
    claim.close()


@pytest.mark.ray
def test_workers_write_to_a_bucket_that_fails_now_and_then(ray_here: None, s3: S3Server, tmp_path: Path):
    """Every ninth request gets an internal error, and a worker is killed on the way: nothing is missing or doubled."""
    store, asked = Store(s3.uri("runs/ray")), count()
    job = Job("numbers", store, EvenNumbers, (str(tmp_path), None, 12), (LINKS_REF, REF))
    numbers = [list(range(start, start + 5)) for start in range(0, 40, 5)]
    with s3.fault(error_500(lambda environ: next(asked) % 9 == 8, times=10_000)):
        run_shards(payload_shards(numbers), job, Resources(workers=2), lambda done, total: None)
    assert (tmp_path / "killed").exists()
    assert store.read(LINKS_REF)["domain_id"].to_pylist() == [str(n) for n in range(0, 40, 2)]
    assert keys_of(store) == [str(n) for n in range(1, 40, 2)]
    assert store.counts(LINKS_REF) == (40, {"filtered": 20})
