"""What makes a stage's rows besides its recipe and its inputs: libraries by version, our own word lists by content.

Both stand in the fingerprint, so that a new version of a library or an edited lexicon makes its stages again instead of
passing old rows for new ones. Code is not hashed: a stage's VERSION stands for it.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from rayscaler.canonical import digest

DATA = (".yaml", ".jinja")


def makers(names: tuple[str, ...]) -> dict[str, str]:
    """Each name with its version, or for a package of ours (`rayscaler.graph`) a digest of its data files."""
    return {name: _data_of(name) if name.startswith("rayscaler.") else _version_of(name) for name in names}


@cache
def _version_of(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"


@cache
def _data_of(package: str) -> str:
    found = sorted((item for item in files(package).iterdir() if item.name.endswith(DATA)), key=lambda item: item.name)
    return digest([[item.name, item.read_text(encoding="utf-8")] for item in found], length=16)
