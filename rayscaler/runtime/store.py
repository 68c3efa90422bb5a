"""All table I/O: the one path by which rows reach a disk or a bucket.

    <run>/<table>@<version>/<fingerprint>/part-00003-5be1….parquet
    <run>/<table>@<version>/<fingerprint>/record.json                   written last: its presence means «whole»

`<run>` is any path or URI that pyarrow opens (a local folder, `s3://`, `gs://`). A file is whole or absent
(`files.py`). What a disk or a bucket refuses is a StorageError that says what to do. A store pickles, so that workers
write their own parts; credentials are not in it, every node has its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from pydantic import ValidationError

from rayscaler.errors import TableError, TableNotFound
from rayscaler.record import Record
from rayscaler.runtime.claims import Holder, exclusive, holder
from rayscaler.runtime.files import Place, explained, open_place, patient, put
from rayscaler.runtime.reading import ahead
from rayscaler.table import Table, check

ROW_GROUP, GROUP_BYTES = 1024, 2**21
"""Most rows and bytes of a Parquet row group: what a reader of a slice must decode at least."""


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
        self._place: Place | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"uri": self.uri, "_place": None}

    @property
    def place(self) -> Place:
        """The file system and the run's folder in it; opened on first use, again in each process."""
        if self._place is None:
            self._place = open_place(self.uri)
        return self._place

    def path(self, *names: str) -> str:
        """A path inside the run, as the file system spells it."""
        return "/".join([self.place.root, *names])

    def exclusive(self) -> AbstractContextManager[Callable[[], None]]:
        """Alone in this run for the time of the block; a kill frees it (on an object store two minutes later).

        Gives a check that raises StageError once the run is no longer ours. Raises StageError if another process works
        in the run.
        """
        return exclusive(self.uri, self.place)

    def holder(self) -> Holder | None:
        """Who works in this run now, or None."""
        return holder(self.uri, self.place)

    # --- files ---

    @patient
    def write_bytes(self, data: bytes | pa.Buffer, *names: str) -> None:
        """Write one file, whole or absent; replaces an older one."""
        with explained(self.uri, f"writing {'/'.join(names)}"):
            put(self.place, self.path(*names), data)

    @patient
    def read_bytes(self, *names: str) -> bytes:
        """The content of one file. TableNotFound if it is not there."""
        try:
            with self._opened(*names) as file:
                return bytes(file.read())
        except FileNotFoundError as error:
            raise TableNotFound(f"{'/'.join(names)} is not in the run {self.uri}") from error

    @patient
    def _files(self, folder: str) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(self.path(folder), allow_not_found=True)
        with explained(self.uri, f"listing {folder}"):
            infos: list[pafs.FileInfo] = self.place.fs.get_file_info(selector)
        return infos

    @contextmanager
    def _opened(self, *names: str) -> Iterator[pa.NativeFile]:
        """A file to read from. What goes wrong while the block reads is explained too."""
        path = self.path(*names)
        with explained(self.uri, f"reading {'/'.join(names)}"), self.place.fs.open_input_file(path) as file:
            yield file

    @contextmanager
    def _part(self, ref: Ref, name: str) -> Iterator[pa.NativeFile]:
        """A part to read from. TableError if it is no whole Parquet file."""
        try:
            with self._opened(ref.folder, name) as source:
                yield source
        except pa.ArrowInvalid as error:
            where = f"{self.uri}: {ref.folder}/{name}"
            raise TableError(f"{where} is no whole Parquet file ({error}); delete it and run again") from error

    def names(self, *folder: str) -> list[str]:
        """Names of the files in a folder, sorted; none where there is no such folder. Unfinished files are left out."""
        found = (info.base_name for info in self._files("/".join(folder)))
        return sorted(name for name in found if not name.startswith("."))

    @patient
    def delete_folder(self, *folder: str) -> None:
        """Delete a folder with all that is in it, if it is there."""
        path, fs = self.path(*folder), self.place.fs
        with explained(self.uri, f"deleting {'/'.join(folder)}"):
            fs.delete_dir_contents(path, missing_dir_ok=True)
            if fs.get_file_info(path).type is pafs.FileType.Directory:
                fs.delete_dir(path)

    # --- parts ---

    def parts(self, ref: Ref) -> list[str]:
        """Names of the parts that are whole, in row order."""
        names = (info.base_name for info in self._files(ref.folder))
        return sorted(name for name in names if name.startswith("part-") and name.endswith(".parquet"))

    def write_part(self, ref: Ref, name: str, arrow: pa.Table) -> None:
        """Write one part. The same rows give the same bytes."""
        sink = pa.BufferOutputStream()
        size = max(1, min(ROW_GROUP, GROUP_BYTES * len(arrow) // max(arrow.nbytes, 1)))
        pq.write_table(check(ref.table, arrow), sink, row_group_size=size, compression="zstd")
        self.write_bytes(sink.getvalue(), ref.folder, name)

    @patient
    def discard(self, ref: Ref, keep: Iterable[str]) -> int:
        """Delete every file of an unfinished table that is not in `keep`; how many there were."""
        wanted = set(keep)
        strays = [info.path for info in self._files(ref.folder) if info.base_name not in wanted]
        with explained(self.uri, f"deleting what is not of {ref.folder}"):
            for path in strays:
                self.place.fs.delete_file(path)
        return len(strays)

    # --- rows ---

    def read(self, ref: Ref, columns: list[str] | None = None) -> pa.Table:
        """All rows, in file order, in the declared schema (or the chosen columns of it)."""
        tables = list(ahead(partial(self.read_part, ref, columns=columns), self.parts(ref)))
        schema = ref.table.schema
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        return pa.concat_tables(tables) if tables else schema.empty_table()

    @patient
    def read_span(self, ref: Ref, span: Span, columns: list[str] | None = None) -> pa.Table:
        """The rows of one span; decodes only the row groups that it touches."""
        with self._part(ref, span.part) as source:
            file = pq.ParquetFile(source)
            starts = _group_starts(file.metadata)
            first, end = bisect_right(starts, span.start) - 1, bisect_left(starts, span.stop)
            arrow = file.read_row_groups(list(range(first, end)), columns=columns, use_threads=False)
        return _typed(ref, arrow, columns).slice(span.start - starts[first], span.stop - span.start)

    @patient
    def group_starts(self, ref: Ref, part: str) -> list[int]:
        """The first row of each row group of one part, and the number of rows at the end; reads its footer only."""
        with self._part(ref, part) as source:
            return _group_starts(pq.read_metadata(source))

    @patient
    def read_part(self, ref: Ref, name: str, columns: list[str] | None = None) -> pa.Table:
        """All rows of one part."""
        with self._part(ref, name) as source:
            arrow = pq.ParquetFile(source).read(columns=columns, use_threads=False)
        return _typed(ref, arrow, columns)

    def n_rows(self, ref: Ref) -> int:
        """How many rows the table has: from its record, or from the footers of what there is of it."""
        record = self.record(ref)
        return record.rows if record else sum(ahead(partial(self.part_rows, ref), self.parts(ref)))

    @patient
    def part_rows(self, ref: Ref, part: str) -> int:
        """How many rows one part has; reads its footer only."""
        with self._part(ref, part) as source:
            return int(pq.read_metadata(source).num_rows)

    def part_keys(self, ref: Ref, part: str) -> list[Any]:
        """The key of each row of one part: the value of the key column, or a list where the key has several."""
        columns = list(ref.table.key)
        rows = self.read_part(ref, part, columns).to_pydict()
        return rows[columns[0]] if len(columns) == 1 else [list(key) for key in zip(*rows.values(), strict=True)]

    @patient
    def part_counts(self, ref: Ref, part: str) -> dict[str, Any]:
        """What one part's metadata says: `rows_in`, and `reasons` with their counts."""
        with self._part(ref, part) as source:
            metadata = pq.read_metadata(source).metadata or {}
        counts: dict[str, Any] = json.loads(metadata.get(COUNTS.encode(), b"{}"))
        return counts

    def written(self, ref: Ref) -> float | None:
        """When a file of the table was last written (seconds since 1970, by the file system's clock); None if never."""
        times = [info.mtime.timestamp() for info in self._files(ref.folder) if info.mtime is not None]
        return max(times, default=None)

    def counts(self, ref: Ref) -> tuple[int, dict[str, int]]:
        """What the parts say of the work behind them: things that went in, and things left out by reason."""
        rows_in, reasons = 0, Counter[str]()
        for counts in ahead(partial(self.part_counts, ref), self.parts(ref)):
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
        for data in ahead(partial(self.read_bytes, ref.folder), self.parts(ref)):
            whole.update(hashlib.sha256(data).digest())
        return whole.hexdigest()

    def write_json(self, value: Any, *names: str) -> None:
        """Write a small JSON file for people, whole or absent."""
        self.write_bytes(json.dumps(value, indent=1, ensure_ascii=False).encode(), *names)


def _group_starts(metadata: pq.FileMetaData) -> list[int]:
    return [0, *accumulate(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups))]


def _typed(ref: Ref, arrow: pa.Table, columns: list[str] | None) -> pa.Table:
    """The declared types: Parquet forgets which nested values may be null."""
    schema = ref.table.schema
    wanted = schema if columns is None else pa.schema([schema.field(name) for name in columns])
    try:
        return arrow.select(wanted.names).cast(wanted)
    except (KeyError, pa.ArrowInvalid) as error:
        raise TableError(f"{ref.folder}: files do not fit the schema of {ref.table}: {error}") from error
