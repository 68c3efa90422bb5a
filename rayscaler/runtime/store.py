"""All table I/O: the one path by which rows reach a disk or a bucket.

    <run>/<table>@<version>/<fingerprint>/part-00003-5be1….parquet
    <run>/<table>@<version>/<fingerprint>/record.json                   written last: its presence means «whole»

`<run>` is any path or URI that pyarrow opens (a local folder, `s3://`, `gs://`). A file is whole or absent: on a local
disk it is written under a hidden name, flushed and renamed; an object store shows an object only once it is closed.
A store pickles, so that workers write their own parts.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pydantic import ValidationError

from rayscaler.errors import ConfigError, StageError, TableError, TableNotFound
from rayscaler.record import Record
from rayscaler.table import Table, check

ROW_GROUP = 1024
"""Rows per Parquet row group: what a reader of a slice must decode at least."""


log = logging.getLogger(__name__)

COUNTS = "rayscaler"
"""Key of a part's metadata under which its shard's counts stand."""


class Ref(NamedTuple):
    """One version of one table."""

    table: Table
    fingerprint: str

    @property
    def folder(self) -> str:
        """Where it lies below the run's root."""
        return f"{self.table}/{self.fingerprint}"


class Span(NamedTuple):
    """Rows `start` to `stop` of one part, in the part's own order."""

    part: str
    start: int
    stop: int


class Store:
    """The tables of one run. `uri` is a local path or a URI; nothing is created until something is written."""

    def __init__(self, uri: str) -> None:
        self.uri = uri if "://" in uri else str(Path(uri).expanduser().resolve())
        self._fs: pafs.FileSystem | None = None
        self._root = ""

    def __getstate__(self) -> dict[str, Any]:
        return {"uri": self.uri, "_fs": None, "_root": ""}

    @property
    def fs(self) -> pafs.FileSystem:
        """The file system; opened on first use, again in each process."""
        if self._fs is None:
            try:
                self._fs, self._root = pafs.FileSystem.from_uri(self.uri)
            except (pa.ArrowInvalid, OSError) as error:
                raise ConfigError(f"{self.uri}: expected a folder or a URI such as s3://bucket/run: {error}") from error
        return self._fs

    def path(self, *names: str) -> str:
        """A path inside the run, as the file system spells it."""
        self.fs  # noqa: B018  opens the file system, which sets the root
        return "/".join([self._root, *names])

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Alone in this run for the time of the block, as far as this disk can tell; a killed process frees it.

        Raises StageError if another process works in the run. Object stores have no such lock: there it is up to the
        user.
        """
        if not isinstance(self.fs, pafs.LocalFileSystem):
            yield
            return
        folder = Path(self.path())
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StageError(f"{self.uri}: another process runs here; wait for it or take another --run") from None
            yield

    # --- files ---

    def write_bytes(self, data: bytes | pa.Buffer, *names: str) -> None:
        """Write one file, whole or absent; replaces an older one."""
        path = self.path(*names)
        folder = path.rsplit("/", 1)[0]
        self.fs.create_dir(folder, recursive=True)
        if not isinstance(self.fs, pafs.LocalFileSystem):
            with self.fs.open_output_stream(path) as stream:
                stream.write(data)
            return
        hidden = Path(folder) / f".{uuid.uuid4().hex}.tmp"
        with hidden.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        hidden.replace(path)

    def read_bytes(self, *names: str) -> bytes:
        """The content of one file. TableNotFound if it is not there."""
        try:
            with self.fs.open_input_file(self.path(*names)) as file:
                return bytes(file.read())
        except FileNotFoundError as error:
            raise TableNotFound(f"{'/'.join(names)} is not in the run {self.uri}") from error

    # --- parts ---

    def parts(self, ref: Ref) -> list[str]:
        """Names of the parts that are whole, in row order."""
        selector = pafs.FileSelector(self.path(ref.folder), allow_not_found=True)
        names = (info.base_name for info in self.fs.get_file_info(selector))
        return sorted(name for name in names if name.startswith("part-") and name.endswith(".parquet"))

    def write_part(self, ref: Ref, name: str, arrow: pa.Table) -> None:
        """Write one part. The same rows give the same bytes."""
        sink = pa.BufferOutputStream()
        pq.write_table(check(ref.table, arrow), sink, row_group_size=ROW_GROUP, compression="zstd")
        self.write_bytes(sink.getvalue(), ref.folder, name)

    def discard(self, ref: Ref, keep: Iterable[str]) -> int:
        """Delete every file of an unfinished table that is not in `keep`; how many there were."""
        wanted, selector = set(keep), pafs.FileSelector(self.path(ref.folder), allow_not_found=True)
        strays = [info.path for info in self.fs.get_file_info(selector) if info.base_name not in wanted]
        for path in strays:
            self.fs.delete_file(path)
        return len(strays)

    # --- rows ---

    def read(self, ref: Ref, columns: list[str] | None = None) -> pa.Table:
        """All rows, in file order, in the declared schema (or the chosen columns of it)."""
        tables = [self.read_part(ref, name, columns) for name in self.parts(ref)]
        schema = ref.table.schema
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        return pa.concat_tables(tables) if tables else schema.empty_table()

    def read_span(self, ref: Ref, span: Span, columns: list[str] | None = None) -> pa.Table:
        """The rows of one span; decodes only the row groups that it touches."""
        with self.fs.open_input_file(self.path(ref.folder, span.part)) as source:
            file = pq.ParquetFile(source)
            groups = range(span.start // ROW_GROUP, -(-span.stop // ROW_GROUP))
            arrow = file.read_row_groups(list(groups), columns=columns, use_threads=False)
        return _typed(ref, arrow, columns).slice(span.start - groups.start * ROW_GROUP, span.stop - span.start)

    def read_part(self, ref: Ref, name: str, columns: list[str] | None = None) -> pa.Table:
        """All rows of one part."""
        with self.fs.open_input_file(self.path(ref.folder, name)) as source:
            arrow = pq.ParquetFile(source).read(columns=columns, use_threads=False)
        return _typed(ref, arrow, columns)

    def part_rows(self, ref: Ref, part: str) -> int:
        """How many rows one part has; reads its footer only."""
        with self.fs.open_input_file(self.path(ref.folder, part)) as source:
            return int(pq.read_metadata(source).num_rows)

    def part_keys(self, ref: Ref, part: str) -> list[Any]:
        """The key of each row of one part: the value of the key column, or a list where the key has several."""
        columns = list(ref.table.key)
        rows = self.read_part(ref, part, columns).to_pydict()
        return rows[columns[0]] if len(columns) == 1 else [list(key) for key in zip(*rows.values(), strict=True)]

    def part_counts(self, ref: Ref, part: str) -> dict[str, Any]:
        """What one part's metadata says: `rows_in`, and `reasons` with their counts."""
        with self.fs.open_input_file(self.path(ref.folder, part)) as source:
            metadata = pq.read_metadata(source).metadata or {}
        counts: dict[str, Any] = json.loads(metadata.get(COUNTS.encode(), b"{}"))
        return counts

    def counts(self, ref: Ref) -> tuple[int, dict[str, int]]:
        """What the parts say of the work behind them: things that went in, and things left out by reason."""
        rows_in, reasons = 0, Counter[str]()
        for name in self.parts(ref):
            counts = self.part_counts(ref, name)
            rows_in += counts.get("rows_in", 0)
            reasons.update(counts.get("reasons", {}))
        return rows_in, dict(sorted(reasons.items()))

    # --- records ---

    def record(self, ref: Ref) -> Record | None:
        """The record of a whole table, or None if it is not whole."""
        try:
            return Record.model_validate_json(self.read_bytes(ref.folder, "record.json"))
        except TableNotFound:
            return None
        except ValidationError:
            log.warning("%s/record.json is not of this version of rayscaler: the table is made again", ref.folder)
            return None

    def write_record(self, ref: Ref, record: Record) -> None:
        """Declare a table whole."""
        self.write_bytes(record.model_dump_json(indent=1).encode(), ref.folder, "record.json")

    def content(self, ref: Ref) -> str:
        """SHA-256 over the bytes of all parts in row order."""
        whole = hashlib.sha256()
        for name in self.parts(ref):
            whole.update(hashlib.sha256(self.read_bytes(ref.folder, name)).digest())
        return whole.hexdigest()

    def write_json(self, value: Any, *names: str) -> None:
        """Write a small JSON file for people, whole or absent."""
        self.write_bytes(json.dumps(value, indent=1, ensure_ascii=False).encode(), *names)


def _typed(ref: Ref, arrow: pa.Table, columns: list[str] | None) -> pa.Table:
    """The declared types: Parquet forgets which nested values may be null."""
    schema = ref.table.schema
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    try:
        return arrow.select(wanted.names).cast(wanted)
    except (KeyError, pa.ArrowInvalid) as error:
        raise TableError(f"{ref.folder}: files do not fit the schema of {ref.table}: {error}") from error
