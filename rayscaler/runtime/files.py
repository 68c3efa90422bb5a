"""Files of a run on any disk or bucket: each is whole or absent, and what goes wrong says what to do.

A local file is written under a hidden name, flushed and renamed. S3 and GCS show an object only when its upload is
complete, and an upload that failed is never completed. Any other file system gets the hidden name and a rename too.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import NamedTuple, ParamSpec, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from rayscaler.errors import ConfigError, StorageError, StoreUnreachable

OBJECT_STORES = (pafs.S3FileSystem, pafs.GcsFileSystem)
"""Atomic on close, without folders."""

PAUSES_S = (1.0, 5.0, 15.0)
"""Waits before a bucket that does not answer is asked again. Before each, pyarrow itself has tried for six seconds."""

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

GO_ON = "Tables that are whole stay whole; the same command goes on from here."

DISK_FULL = "the disk is full (only {free:,} bytes free at {place}); free some space or take another --run"
NO_RIGHT = "this user may not write there; give it the right to, or take another --run"
NO_BUCKET = "there is no such bucket; create it, or correct the URI"
NO_ENTRY = (
    "the store refuses these credentials; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or the node's role (S3), "
    "the service account (GCS), on every node, and that they may list, read, write and delete there"
)
UNREACHABLE = "the store did not answer, after several tries; check the network and the endpoint"

BY_ERRNO = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: "this user's disk quota is used up; free some space or take another --run",
    errno.EFBIG: "the file is larger than this process may write (see ulimit -f)",
    errno.EROFS: "the disk is mounted read-only; mount it writable or take another --run",
    errno.EACCES: NO_RIGHT,
    errno.EPERM: NO_RIGHT,
    errno.ENOTDIR: "a part of the path is a file, not a folder; take another --run",
}

BY_WORDING = (
    (r"NO_SUCH_BUCKET|Bucket '[^']*' not found|bucket does not exist", NO_BUCKET),
    (r"AWS Error (ACCESS_DENIED|\w*(KEY_ID|SIGNATURE|TOKEN|CREDENTIAL)\w*)|PERMISSION_DENIED|UNAUTHENTICATED"
     r"|HTTP status 40[13]", NO_ENTRY),
    (r"AWS Error (NETWORK_CONNECTION|INTERNAL_FAILURE|SLOW_DOWN|\w*(TIMEOUT|UNAVAILABLE)\w*)|HTTP status 5\d\d"
     r"|Status\((UNAVAILABLE|DEADLINE_EXCEEDED|INTERNAL)", UNREACHABLE),
)  # fmt: skip
"""Object stores give no error numbers through pyarrow, only words. The first line that fits is taken."""


class Place(NamedTuple):
    """An opened file system and the run's folder in it."""

    fs: pafs.FileSystem
    root: str

    @property
    def is_local(self) -> bool:
        """Whether it is this machine's disk (or one mounted on it)."""
        return isinstance(self.fs, pafs.LocalFileSystem)


def open_place(uri: str) -> Place:
    """The file system of a local path or URI.

    Raises ConfigError if pyarrow knows no such scheme, or if credentials stand in the URI: a URI is shown and logged.
    """
    parts = urlsplit(uri) if "://" in uri else None
    if parts and parts.password:
        raise ConfigError(
            f"{parts.scheme}://…@{parts.hostname}{parts.path}: a URI is shown and logged, so no credentials may stand "
            "in it; put them into the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) or a credentials file"
        )
    try:
        return Place(*pafs.FileSystem.from_uri(_one_request_per_small_file(uri)))
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(f"{uri}: expected a folder or a URI such as s3://bucket/run: {error}") from error


def _one_request_per_small_file(uri: str) -> str:
    """S3 with delayed opening: a part below 5 MB is one PUT instead of the three requests of a multi-part upload."""
    if not uri.startswith("s3://") or "allow_delayed_open" in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}allow_delayed_open=true"


def put(place: Place, path: str, data: bytes | pa.Buffer) -> None:
    """Write one file, whole or absent; replaces an older one. Raises OSError."""
    if isinstance(place.fs, OBJECT_STORES):
        try:
            _send(place.fs, path, data)
        except FileNotFoundError as error:   # GCS says no more than that; an object needs no folder
            raise OSError(f"bucket does not exist: {error}") from error
        return
    folder, name = path.rsplit("/", 1)
    place.fs.create_dir(folder, recursive=True)
    hidden = f"{folder}/.{name}.{uuid.uuid4().hex}.tmp"
    try:
        if place.is_local:
            _flush(Path(hidden), data)
            os.replace(hidden, path)  # noqa: PTH105  both are strings of pyarrow
        else:
            _send(place.fs, hidden, data)
            place.fs.move(hidden, path)
    except BaseException:
        with suppress(OSError):
            place.fs.delete_file(hidden)
        raise


def _flush(path: Path, data: bytes | pa.Buffer) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _send(fs: pafs.FileSystem, path: str, data: bytes | pa.Buffer) -> None:
    # One write of everything: closing after a part of it would complete the upload of that part.
    stream = fs.open_output_stream(path)
    stream.write(data)
    stream.close()


@contextmanager
def explained(uri: str, doing: str) -> Iterator[None]:
    """Turn what a file system raises inside the block into a StorageError that names the run and what to do.

    FileNotFoundError passes: what is absent may well be meant to be.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        words = advice(uri, error)
        kind = StoreUnreachable if words == UNREACHABLE else StorageError
        raise kind(f"{uri}: {doing} failed: {words}. {GO_ON} ({error})") from error


def patient(call: Callable[P, T]) -> Callable[P, T]:
    """`call`, again after each of PAUSES_S while the bucket does not answer. Only for what may be done twice."""

    @wraps(call)
    def again(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause_s in PAUSES_S:
            try:
                return call(*args, **kwargs)
            except StoreUnreachable as error:
                log.warning("again in %g s: %s", pause_s, error)
                time.sleep(pause_s)
        return call(*args, **kwargs)

    return again


def advice(uri: str, error: OSError) -> str:
    """What the error means and what to do about it."""
    text = str(error)
    known = next((words for pattern, words in BY_WORDING if re.search(pattern, text)), "")
    if not known and error.errno in BY_ERRNO:   # words first: GCS gives a refused key the number of a file's rights
        place = _nearest_folder(uri)
        return BY_ERRNO[error.errno].format(free=shutil.disk_usage(place).free, place=place)
    return known or "the file system gave an error that rayscaler does not know"


def _nearest_folder(uri: str) -> Path:
    path = Path(urlsplit(uri).path if "://" in uri else uri)
    return next(folder for folder in [path, *path.parents] if folder.is_dir())
