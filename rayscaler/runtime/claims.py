"""One run in a folder at a time: a lock on a local disk, a claim that is renewed on an object store.

Locally the kernel holds a `flock` on `<run>/.lock`, and a kill frees it. An object store has no locks, but S3 and GCS
list what was written before (strong consistency), so a run writes `<run>/.claims/<id>.json` first and then lists the
folder: of two runs at least one sees the other, and who sees another live claim withdraws. Never both go on; both may
withdraw. A claim is written anew every RENEW_S seconds; one that is LEASE_S older than a claim written just now is dead
(both times are the store's own, so no clock of a machine matters) and is removed. A run that could not renew its claim
for LEASE_S, or finds it removed, stops at its next shard. In between, two runs of one configuration write the same
bytes under the same names.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow.fs as pafs

from rayscaler.errors import StageError
from rayscaler.runtime.files import Place, explained, put

LEASE_S = 120.0
RENEW_S = 20.0

LOCK, CLAIMS = ".lock", ".claims"

log = logging.getLogger(__name__)


class Holder(NamedTuple):
    """Who works in a run: the driver's host and process id, and when it began (UTC)."""

    host: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


def this_process() -> Holder:
    """What a run writes about itself. Nothing depends on it."""
    return Holder(socket.gethostname(), os.getpid(), datetime.now(UTC).isoformat(timespec="seconds"))


@contextmanager
def exclusive(uri: str, place: Place) -> Iterator[Callable[[], None]]:
    """Alone in the run for the time of the block. Yields a check that raises StageError once that is no longer so.

    Raises StageError at once if another process works in the run.
    """
    if place.is_local:
        with _locked(uri, Path(place.root) / LOCK):
            yield _still_ours
    else:
        claim = Claim(uri, place)
        with closing(claim):
            yield claim.check


def holder(uri: str, place: Place, *, lease_s: float = LEASE_S) -> Holder | None:
    """Who works in the run now, or None. On an object store: whose claim was renewed within `lease_s` of this clock."""
    if place.is_local:
        return _lock_holder(Path(place.root) / LOCK)
    with explained(uri, "looking for other runs"):
        now = time.time()
        live = [info for info in _claims(place) if info.mtime is None or now - info.mtime.timestamp() < lease_s]
        return _read_holder(place, live[0].path) if live else None


# --- local disks ---


def _still_ours() -> None:
    """The kernel takes no lock away."""


@contextmanager
def _locked(uri: str, path: Path) -> Iterator[None]:
    with explained(uri, "making the run's folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        if not _try_lock(file.fileno()):
            raise StageError(_taken(uri, _parse(path.read_text())))
        with explained(uri, "writing the lock"):
            file.truncate(0)
            file.write(json.dumps(this_process()))
            file.flush()
        yield


def _try_lock(descriptor: int) -> bool:
    """Twice, since somebody who looks whether the lock is free holds it for a moment."""
    for pause in (0.2, 0.0):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        else:
            return True
    return False


def _lock_holder(path: Path) -> Holder | None:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _parse(path.read_text())
    except OSError:
        return None
    return None


def _taken(uri: str, other: Holder) -> str:
    return f"{uri}: another process runs here ({other}); wait for it or take another --run"


def _parse(text: str) -> Holder:
    try:
        return Holder(*json.loads(text))
    except (ValueError, TypeError):   # it has the lock and has not written its name yet
        return Holder("unknown", 0, "just now")


# --- object stores ---


class Claim:
    """A claim on a run in an object store, renewed by a thread until it is closed."""

    def __init__(self, uri: str, place: Place, *, lease_s: float = LEASE_S, renew_s: float = RENEW_S) -> None:
        self.uri, self.place, self.lease_s, self.renew_s = uri, place, lease_s, renew_s
        self.path = f"{place.root}/{CLAIMS}/{uuid.uuid4().hex}.json"
        self._data = json.dumps(this_process()).encode()
        self._renewed, self._removed = time.monotonic(), False
        self._closed = threading.Event()
        with explained(uri, "claiming the run"):
            put(place, self.path, self._data)
            try:
                self._stop_if_taken()
            except BaseException:
                self._withdraw()
                raise
        self._thread = threading.Thread(target=self._renew, daemon=True, name="claim")
        self._thread.start()

    def check(self) -> None:
        """Raise StageError if the claim was lost."""
        silent_s = time.monotonic() - self._renewed
        if self._removed or silent_s > self.lease_s:
            why = "another run removed it" if self._removed else f"it could not be renewed for {silent_s:.0f} s"
            raise StageError(f"{self.uri}: this run lost its claim ({why}) and stops; start it again to go on")

    def close(self) -> None:
        """Stop renewing and remove the claim."""
        self._closed.set()
        self._thread.join(self.lease_s)
        self._withdraw()

    def _withdraw(self) -> None:
        with suppress(OSError):
            self.place.fs.delete_file(self.path)

    def _stop_if_taken(self) -> None:
        """See who else claims. Removes dead claims; raises StageError if another lives."""
        claims = _claims(self.place)
        mine = next(info for info in claims if info.path == self.path)
        for info in claims:
            if info.path == self.path:
                continue
            age_s = (mine.mtime - info.mtime).total_seconds() if mine.mtime and info.mtime else 0.0
            if age_s < self.lease_s:
                other = _read_holder(self.place, info.path)
                raise StageError(
                    f"{_taken(self.uri, other)}. If that process is dead, its claim ends {self.lease_s:.0f} s after "
                    "its last sign of life"
                )
            with suppress(FileNotFoundError):   # another run that starts now removes it too
                self.place.fs.delete_file(info.path)

    def _renew(self) -> None:
        while not self._closed.wait(self.renew_s):
            if time.monotonic() - self._renewed > self.lease_s:   # another run may have taken over: too late to renew
                return
            try:
                if self.place.fs.get_file_info(self.path).type == pafs.FileType.NotFound:
                    self._removed = True
                    return
                put(self.place, self.path, self._data)
                self._renewed = time.monotonic()
            except OSError as error:
                log.warning("%s: the claim could not be renewed, trying again: %s", self.uri, error)


def _claims(place: Place) -> list[pafs.FileInfo]:
    """Every claim, in the order of their names."""
    selector = pafs.FileSelector(f"{place.root}/{CLAIMS}", allow_not_found=True)
    files = [info for info in place.fs.get_file_info(selector) if info.type == pafs.FileType.File]
    return sorted((info for info in files if info.base_name.endswith(".json")), key=lambda info: info.base_name)


def _read_holder(place: Place, path: str) -> Holder:
    try:
        with place.fs.open_input_file(path) as file:
            return _parse(file.read().decode())
    except OSError:   # withdrawn meanwhile, which pyarrow reports in several ways
        return _parse("")
