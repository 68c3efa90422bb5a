"""Local disks that refuse: full, too large a file, read-only. Whole tables stay, and a run goes on after mending."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest

from rayscaler.errors import StorageError
from rayscaler.runtime.store import Ref, Store
from rayscaler.table import to_arrow
from rayscaler.tables import REJECTS

REF, OTHER = Ref(REJECTS, "0123456789abcdef"), Ref(REJECTS, "fedcba9876543210")
PART = "part-00000-a.parquet"
NOBODY = 65534


def rejects(*keys: str) -> pa.Table:
    return to_arrow(REJECTS, [{"stage": "ingest", "key": key, "reason": "malformed", "detail": "x"} for key in keys])


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A disk of one mebibyte."""
    folder = Path(tempfile.mkdtemp())
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(mount, check=False, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
    folder.rmdir()


@contextmanager
def file_size_limit(n_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_rights() -> Iterator[None]:
    """As a user who owns nothing, where the test runs as root: root may write anywhere."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_leaves_no_half_file_and_the_run_goes_on_once_there_is_space(small_disk: Path):
    store = Store(str(small_disk / "run"))
    store.write_part(OTHER, PART, rejects("earlier"))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 600_000)
    with pytest.raises(StorageError, match=r"writing note failed: the disk is full \(only [\d,]+ bytes free at .*;"):
        store.write_bytes(b"x" * 600_000, "note")
    assert files_below(small_disk / "run") == [f"{OTHER.folder}/{PART}"]
    assert store.read(OTHER)["key"].to_pylist() == ["earlier"]
    ballast.unlink()
    store.write_bytes(b"x" * 600_000, "note")
    assert len(store.read_bytes("note")) == 600_000


def test_a_file_over_the_limit_leaves_the_older_one(tmp_path: Path):
    store = Store(str(tmp_path))
    store.write_bytes(b"old", "note")
    with file_size_limit(10_000), pytest.raises(StorageError, match="larger than this process may write"):
        store.write_bytes(b"x" * 100_000, "note")
    assert files_below(tmp_path) == ["note"]
    assert store.read_bytes("note") == b"old"


def test_a_folder_without_the_right_to_write_is_named():
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o555)
    store = Store(str(folder / "run"))
    try:
        with without_rights():
            with pytest.raises(StorageError, match=f"{folder}.*may not write there; give it the right to"):
                store.write_part(REF, PART, rejects("a"))
            with pytest.raises(StorageError, match="making the run's folder failed"), store.exclusive():
                pass
        folder.chmod(0o755)
        with store.exclusive():
            store.write_part(REF, PART, rejects("a"))
        assert store.read(REF).num_rows == 1
    finally:
        shutil.rmtree(folder)


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path: Path):
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(StorageError, match="a part of the path is a file"):
        Store(str(tmp_path / "run" / "inner")).write_bytes(b"x", "note")
