"""Where specification files are: a file, a folder, a glob, an archive, or an installed pip package with them inside."""

from __future__ import annotations

import posixpath
import re
import zlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from rayscaler.errors import ConfigError, SpecError
from rayscaler.recipes import Source
from rayscaler.specs.archives import ARCHIVES, is_archive, member_bytes, members_of, stem_of
from rayscaler.specs.documents import Beside
from rayscaler.specs.licenses import license_of

SUFFIXES = (".json", ".jsonl", ".yaml", ".yml", ".csv", ".json.gz")
"""What a folder or an archive is searched for, a folder also for archives.

A file that is named itself, or that a glob names, may be called anything."""

PACKAGE_LICENSE = "Apache-2.0"
_MAX_UNPACKED = 512 * 2**20


class SpecFile(NamedTuple):
    """One file to read: at `path`, or the `member` of the archive there.

    `superseded_by` is set for an older version of an API whose newer one is listed too. `problem` is set for what is
    listed and not read, as `reason: detail`: what the source excludes, a link or a broken entry of an archive.
    """

    source: str
    name: str
    path: str
    license: str
    size: int
    superseded_by: str = ""
    member: str = ""
    problem: str = ""


def list_files(source: Source, root: Path) -> list[SpecFile]:
    """The files of `source` in the order of their names; nothing is parsed. Relative paths start at `root`.

    Raises ConfigError where there is no such path, no such package, or no file in it.
    """
    if source.package == "botocore":
        found = _botocore(source)
    elif source.package is not None:
        found = _google(source)
    else:
        found = _path(source, root)
    if not found:
        raise ConfigError(f"source {source.path or source.package}: no specification file in it; expected {SUFFIXES}")
    return sorted((_excluded(file, source) for file in found), key=lambda file: (file.source, file.name))


def _excluded(file: SpecFile, source: Source) -> SpecFile:
    """`file`, with a problem if the source leaves it, or the archive that it is in, out."""
    names = (file.name, Path(file.path).name)
    pattern = next((p for p in source.exclude for name in names if fnmatchcase(name, p)), "")
    return file._replace(problem=f"filtered: the source excludes {pattern}") if pattern else file


def load_bytes(file: SpecFile) -> bytes:
    """The content of a file, unpacked if it is gzip; broken gzip is given as it is, a broken member as nothing."""
    if file.problem:
        return b""
    if file.member:
        try:
            data = member_bytes(Path(file.path), file.member, _MAX_UNPACKED)
        except SpecError:
            return b""
    else:
        data = Path(file.path).read_bytes()
    if not data.startswith(b"\x1f\x8b"):
        return data
    try:
        return zlib.decompressobj(wbits=31).decompress(data, _MAX_UNPACKED)
    except zlib.error:
        return data


def neighbours(file: SpecFile) -> Beside:
    """Reads the files beside `file` that its references name, never one outside its source or archive."""
    if file.member:
        return _beside_member(file)
    folder = Path(file.path).parent.resolve()
    top = folder
    for _ in Path(file.name).parts[1:]:
        top = top.parent

    def read(relative: str) -> bytes | None:
        try:
            path = (folder / relative).resolve()
            return path.read_bytes() if path.is_relative_to(top) and path.is_file() else None
        except (OSError, ValueError):
            return None

    return read


def _beside_member(file: SpecFile) -> Beside:
    folder = posixpath.dirname(file.member)

    def read(relative: str) -> bytes | None:
        try:
            return member_bytes(Path(file.path), posixpath.normpath(posixpath.join(folder, relative)), _MAX_UNPACKED)
        except SpecError:
            return None

    return read


def _path(source: Source, root: Path) -> list[SpecFile]:
    given = source.path or ""
    path = root / given
    if path.is_dir():
        top, paths = path, [p for p in path.rglob("*") if p.name.lower().endswith(SUFFIXES + ARCHIVES)]
    elif path.is_file():
        top, paths = path.parent, [path]
    elif re.search(r"[*?\[]", given):
        parts = path.parts
        fixed = next(i for i, part in enumerate(parts) if re.search(r"[*?\[]", part))
        top = Path(*parts[:fixed])
        paths = list(top.glob(str(Path(*parts[fixed:]))))
    else:
        raise ConfigError(f"source path {given!r}: nothing there (from {root}); expected a file, a folder or a glob")
    label = source.name or (top.name if path.is_dir() or not path.is_file() else path.stem)
    seen = [p for p in paths if p.is_file() and not _hidden(p.relative_to(top).parts)]
    licenses: dict[Path, str] = {}
    files = [
        SpecFile(
            label,
            p.relative_to(top).as_posix().encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
            str(p.absolute()),
            source.license or _license_beside(p.parent, top, licenses),
            p.stat().st_size,
        )
        for p in seen
        if not is_archive(p.name)
    ]
    for p in seen:
        if is_archive(p.name):
            prefix = "" if p == path else stem_of(p.relative_to(top).as_posix())
            files += _archived(source, p, prefix)
    return files


def _archived(source: Source, path: Path, prefix: str) -> list[SpecFile]:
    """The members of one archive. Its source is called after it; names start with `prefix` unless all do already."""
    label = source.name or stem_of(path.name)
    where = str(path.absolute())
    try:
        members = members_of(path)
    except SpecError as error:
        problem = f"{error.reason}: {error.detail}"
        return [SpecFile(label, path.name, where, source.license, path.stat().st_size, problem=problem)]
    tops = {name.split("/")[0] for name in members}
    before = "" if not prefix or tops == {stem_of(path.name)} else f"{prefix}/"
    licenses = _licenses_inside(path, members)
    return [
        SpecFile(
            label,
            before + member.name,
            where,
            source.license or _license_above(member.name, licenses),
            member.size,
            member=member.name,
            problem=f"unreadable: {member.problem}" if member.problem else "",
        )
        for member in members.values()
        if member.name.lower().endswith(SUFFIXES) and not _hidden(member.name.split("/"))
    ]


def _hidden(parts: Iterable[str]) -> bool:
    return any(part.startswith(".") for part in parts)


def _licenses_inside(path: Path, names: Iterable[str]) -> dict[str, str]:
    """Folder of an archive -> what the first LICENSE file in it that is known is."""
    found: dict[str, str] = {}
    for name in sorted(names):
        folder, base = posixpath.split(name)
        if base.startswith("LICENSE") and not found.get(folder):
            try:
                found[folder] = license_of(member_bytes(path, name, 100_000).decode("utf-8", errors="replace"))
            except SpecError:
                continue
    return found


def _license_above(name: str, licenses: dict[str, str]) -> str:
    while name:
        name = posixpath.dirname(name)
        if licenses.get(name):
            return licenses[name]
    return ""


def _license_beside(folder: Path, top: Path, known: dict[Path, str]) -> str:
    """What the nearest LICENSE file, in the folder or above it inside the source, is; empty if there is none."""
    if folder not in known:
        found = ""
        for candidate in sorted(p for p in folder.glob("LICENSE*") if p.is_file()):
            found = found or license_of(candidate.read_text("utf-8", errors="replace"))
        if not found and folder != top and folder.is_relative_to(top):
            found = _license_beside(folder.parent, top, known)
        known[folder] = found
    return known[folder]


def _package_folder(package: str, module: str) -> Path:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ConfigError(f"source package {package!r} is not installed; install it with: pip install {package}")
    return Path(spec.origin).parent


def _wanted(source: Source, *names: str) -> bool:
    return not source.apis or any(fnmatchcase(name, pattern) for pattern in source.apis for name in names)


def _package_files(source: Source, top: Path, groups: dict[str, dict[str, Path]]) -> list[SpecFile]:
    """One group per API: version -> file. All but the newest are marked as superseded."""
    label = source.name or str(source.package)
    files = []
    for versions in groups.values():
        newest = max(versions, key=version_order)
        for version, path in versions.items():
            mark = "" if version == newest else newest
            name = path.relative_to(top).as_posix()
            files.append(SpecFile(label, name, str(path), source.license or PACKAGE_LICENSE, path.stat().st_size, mark))
    return files


def _botocore(source: Source) -> list[SpecFile]:
    top = _package_folder("botocore", "botocore") / "data"
    groups: dict[str, dict[str, Path]] = {}
    for path in sorted(top.glob("*/*/service-2.json*")):
        service, version = path.parts[-3:-1]
        if _wanted(source, service):
            groups.setdefault(service, {})[version] = path
    return _package_files(source, top, groups)


_PRODUCT = re.compile(r"(?:([a-z]+)_?)??(v\d.*|alpha|beta|preview)")


def _google(source: Source) -> list[SpecFile]:
    top = _package_folder("google-api-python-client", "googleapiclient") / "discovery_cache" / "documents"
    groups: dict[str, dict[str, Path]] = {}
    for path in sorted(top.glob("*.json")):
        api, _, version = path.stem.partition(".")
        match = _PRODUCT.fullmatch(version)
        if match is None:
            continue  # index.json, the list of the others
        # Some names hold several APIs that are versioned apart: admin.directory_v1, admin.reports_v1.
        product = f"{api}.{match.group(1)}" if match.group(1) else api
        if _wanted(source, api, product):
            groups.setdefault(product, {})[version] = path
    return _package_files(source, top, groups)


def version_order(version: str) -> tuple[bool, tuple[int, ...], str]:
    """Sorts versions from old to new: stable after alpha, beta and preview, then by number.

    `2012-11-05` < `2017-08-08`, `v2beta1` < `v1`, `v3.5` < `v4`, `directoryv1` < `directory_v1`.
    """
    stable = re.search(r"alpha|beta|preview|v\d+p\d", version) is None
    return stable, tuple(int(number) for number in re.findall(r"\d+", version)), version.replace("_", "~")
