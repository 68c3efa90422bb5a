"""Texts written to a folder, and what was written as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from rayscaler.errors import StorageError


def write_files(files: Mapping[str, str], folder: Path) -> list[Path]:
    """Write each text under its name, in place of what is there. StorageError if the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written: {error.strerror or error}; name another folder") from error
    return [folder / name for name in files]


def files_table(paths: Sequence[Path]) -> Table:
    """One line per file: its path, lines and bytes."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("file", overflow="fold")
    for name in ("lines", "bytes"):
        table.add_column(name, justify="right", no_wrap=True)
    for path in paths:
        data = path.read_bytes()
        n_lines = len(data.splitlines())
        table.add_row(Text(str(path)), f"{n_lines:,}", f"{len(data):,}")
    return table
