"""Which data a benchmark was read from: the commit that its SOURCES.md names, and a digest of the files as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from rayscaler.canonical import digest


def version_of(folder: Path, files: Iterable[Path]) -> str:
    """`56dd66cf sha256:e5958c661472`; `unknown` for a commit that is not named. Files that are missing are left out."""
    sources = folder / "SOURCES.md"
    named = re.search(r"commit ([0-9a-f]{40})", sources.read_text("utf-8")) if sources.is_file() else None
    texts = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in files if path.is_file()}
    return f"{named.group(1)[:8] if named else 'unknown'} sha256:{digest(texts, length=12)}"
