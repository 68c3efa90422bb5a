"""Specification files inside `.tar.gz`, `.tar` and `.zip` archives: listed and read member by member, never extracted.

A compressed tar has no index, so it is unpacked once per process into a nameless temporary file, and members are read
from there at their offsets; a zip is read in place. Nothing is ever written under a member's name, so a name that
climbs out (`../../etc/x`) or a link that points out can harm nothing; both are listed with a `problem` and become
rejects. A bomb is refused by its ratio and by its size before it is unpacked further.
"""

from __future__ import annotations

import gzip
import os
import posixpath
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from rayscaler.errors import SpecError
from rayscaler.reasons import Reason

ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
"""File names that are taken for archives. An archive inside an archive is not opened."""

MAX_MEMBERS = 200_000
"""Members of one archive."""

MAX_UNPACKED = 4 * 2**30
"""Bytes of all members of one archive together."""

MAX_RATIO = 200
"""Unpacked bytes per packed byte, beyond 64 MiB. JSON and YAML specifications reach about 40; a bomb has 1,000."""

_FREE = 64 * 2**20
_CHUNK = 2**20
_BROKEN = (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError,
           ValueError, KeyError)


class Member(NamedTuple):
    """One file of an archive. `problem` says why it is not read: empty for a plain file inside the archive."""

    name: str
    size: int
    problem: str = ""


class _Opened(Protocol):
    members: dict[str, Member]

    def read(self, name: str) -> bytes: ...


def is_archive(name: str) -> bool:
    """Whether a file of this name is taken for an archive."""
    return name.lower().endswith(ARCHIVES)


def members_of(path: Path) -> dict[str, Member]:
    """Every file of the archive by its name, normalised. Raises SpecError UNREADABLE or TOO_LARGE."""
    return _opened(path).members


def member_bytes(path: Path, name: str, limit: int) -> bytes:
    """The content of one member, at most `limit` bytes of it.

    Raises SpecError UNREADABLE where there is no such plain file or the archive is broken there.
    """
    archive = _opened(path)
    member = archive.members.get(name)
    if member is None or member.problem:
        raise SpecError(Reason.UNREADABLE, member.problem if member else f"no member {name[:200]!r} in the archive")
    try:
        return archive.read(name)[:limit]
    except _BROKEN as error:
        raise SpecError(Reason.UNREADABLE, f"the archive is broken here: {str(error)[:160]}") from None


def _opened(path: Path) -> _Opened:
    state = path.stat()
    return _open(str(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=3)
def _open(path: str, _modified: int, size: int) -> _Opened:
    try:
        return _Zip(path, size) if path.lower().endswith(".zip") else _Tar(path, size)
    except SpecError:
        raise
    except _BROKEN as error:
        raise SpecError(Reason.UNREADABLE, f"no archive that opens: {str(error)[:160]}") from None


class _Tar:
    def __init__(self, path: str, packed: int) -> None:
        self._stream = _unpacked(path, packed)
        self.members: dict[str, Member] = {}
        self._places: dict[str, int] = {}
        with tarfile.open(fileobj=self._stream, mode="r:") as tar:
            for info in _bounded(tar):
                if info.isdir():
                    continue
                plain = info.isreg() and not info.issparse()
                member = _member(info.name, info.size, link="" if plain else info.linkname or "a special file")
                self.members[member.name] = member
                self._places[member.name] = info.offset_data

    def read(self, name: str) -> bytes:
        return os.pread(self._stream.fileno(), self.members[name].size, self._places[name])


class _Zip:
    def __init__(self, path: str, packed: int) -> None:
        self._zip = zipfile.ZipFile(path)
        infos = self._zip.infolist()
        if len(infos) > MAX_MEMBERS:
            raise SpecError(Reason.TOO_LARGE, f"{len(infos)} members; the bound is {MAX_MEMBERS}")
        _check_size(sum(info.file_size for info in infos), packed)
        self.members: dict[str, Member] = {}
        self._infos: dict[str, zipfile.ZipInfo] = {}
        for info in infos:
            if info.is_dir():
                continue
            link = "elsewhere" if (info.external_attr >> 28) == 0o12 else ""
            member = _member(info.filename, info.file_size, link=link)
            if info.flag_bits & 1:
                member = member._replace(problem="the member is encrypted")
            self.members[member.name] = member
            self._infos[member.name] = info

    def read(self, name: str) -> bytes:
        with self._zip.open(self._infos[name]) as file:
            return file.read(self.members[name].size)


def _member(name: str, size: int, *, link: str) -> Member:
    # Names need not be UTF-8; half a surrogate would break every table that it reached.
    spelled = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\\", "/")
    normal = posixpath.normpath(spelled)
    if spelled.startswith("/") or normal.split("/")[0] == ".." or ":" in normal.split("/")[0]:
        inner = "/".join(part for part in normal.split("/") if part not in ("", ".."))
        return Member(f"(outside)/{inner}", size, "the member's path leads out of the archive")
    problem = f"a link to {link[:160]}; links in archives are not followed" if link else ""
    return Member(normal, size, problem)


def _bounded(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for number, info in enumerate(tar):
        if number >= MAX_MEMBERS:
            raise SpecError(Reason.TOO_LARGE, f"more than {MAX_MEMBERS} members")
        yield info


def _unpacked(path: str, packed: int) -> IO[bytes]:
    """The tar stream in a file that can seek: the archive itself, or a nameless temporary copy without compression."""
    source = Path(path).open("rb")  # noqa: SIM115  the archive stays open for its members
    packed_stream = source.read(2) == b"\x1f\x8b"
    source.seek(0)
    if not packed_stream:
        return source
    copy = tempfile.TemporaryFile()  # noqa: SIM115  as above
    total = 0
    with source, gzip.GzipFile(fileobj=source) as stream:
        while chunk := stream.read(_CHUNK):
            total += len(chunk)
            _check_size(total, packed)
            copy.write(chunk)
    copy.flush()
    copy.seek(0)
    return copy


def _check_size(unpacked: int, packed: int) -> None:
    if unpacked > MAX_UNPACKED or unpacked > max(_FREE, MAX_RATIO * packed):
        detail = f"{packed} bytes unpack to {unpacked} and more; the bounds are {MAX_UNPACKED} and {MAX_RATIO} times"
        raise SpecError(Reason.TOO_LARGE, detail)



def stem_of(name: str) -> str:
    """The name of an archive without its suffix: `pool/box.tar.gz` -> `pool/box`."""
    suffix = next((s for s in ARCHIVES if name.lower().endswith(s)), "")
    return name[: len(name) - len(suffix)]
