"""Folders by what is in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rayscaler.canonical import digest


def folder_digest(folder: Path) -> str:
    """A digest of all files below `folder` by relative name and content."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest([[str(path.relative_to(folder)), _sha256(path)] for path in paths], length=16)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
