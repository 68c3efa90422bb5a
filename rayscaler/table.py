"""What a table is: a name, a version, a pinned Arrow schema, a key, and a sentence on each column."""

from __future__ import annotations

from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from rayscaler.errors import TableError


class Field(NamedTuple):
    """One documented column."""

    name: str
    type: pa.DataType
    doc: str
    nullable: bool = False


class Table(NamedTuple):
    """A declared table. `key` columns are unique together; `version` grows whenever a column changes its meaning."""

    name: str
    version: int
    key: tuple[str, ...]
    doc: str
    fields: tuple[Field, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema that every file of the table has, to the byte."""
        return pa.schema([pa.field(f.name, f.type, nullable=f.nullable) for f in self.fields])

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def to_arrow(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    """`rows` as Arrow in the table's schema.

    Raises TableError for an unknown or missing column, a value of the wrong type, or a null where none may be.
    """
    expected = {f.name for f in table.fields}
    for number, row in enumerate(rows):
        if row.keys() != expected:
            missing, extra = sorted(expected - row.keys()), sorted(row.keys() - expected)
            raise TableError(f"{table}: row {number} lacks {missing} and has unknown {extra}")
    try:
        arrow = pa.Table.from_pylist(rows, schema=table.schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise TableError(f"{table}: {error}") from error
    return check(table, arrow)


def check(table: Table, arrow: pa.Table) -> pa.Table:
    """`arrow` itself, if it has the declared schema and no null where none may be; else TableError."""
    if not arrow.schema.equals(table.schema):
        raise TableError(f"{table}: expected the schema\n{table.schema}\nfound\n{arrow.schema}")
    for field in table.fields:
        if not field.nullable and arrow.column(field.name).null_count:
            raise TableError(f"{table}.{field.name}: {arrow.column(field.name).null_count} nulls, none may be")
    return arrow


def check_key(table: Table, arrow: pa.Table) -> None:
    """TableError if two rows of `arrow` have the same key; names the first such key."""
    if arrow.num_rows == 0:
        return
    counts = arrow.group_by(list(table.key), use_threads=False).aggregate([([], "count_all")])
    repeated = counts.filter(pc.greater(counts["count_all"], 1))
    if repeated.num_rows:
        first = repeated.slice(0, 1).to_pylist()[0]
        raise TableError(f"{table}: {repeated.num_rows} keys occur more than once, first {first}")
