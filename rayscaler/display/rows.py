"""Tables of a run in a terminal: which there are, their rows in brief, and one row whole."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import pyarrow as pa
from rich import box
from rich.console import Group, RenderableType
from rich.json import JSON
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rayscaler.errors import ConfigError, TableNotFound
from rayscaler.record import Record
from rayscaler.tables import CATALOGUE

BRIEF = {
    "tools": ("tool_id", "method", "path", "description"),
    "domains": ("domain_id", "title", "n_tools", "cohesion", "apis"),
    "coherence": ("title", "n_tools", "inside", "outside", "api_purity", "noun_purity", "n_nouns", "n_apis", "nearest"),
    "links": ("src", "field", "dst", "parameter", "score", "rule"),
    "environments": ("environment_id", "title", "n_tools", "n_entities", "n_reads", "n_writes"),
    "tasks": ("task_id", "environment_id", "kind", "n_calls", "n_writes", "n_hops", "opening"),
    "trajectories": ("trajectory_id", "environment_id", "n_messages", "n_calls", "n_errors", "stop_reason", "planted"),
    "refinements": ("subject", "step", "status", "reason", "attempts", "cached", "requests", "problems"),
    "verdicts": ("trajectory_id", "kept", "stage", "reason", "planted", "detail"),
}
"""Columns of the brief view; tables that are not here show all but vectors, ids and JSON."""

PADDING = 3
"""Characters between two columns."""


def overview(records: Sequence[Record]) -> Table:
    """The whole tables of a run."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("table", no_wrap=True, style="bold")
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("made by", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("what it holds", ratio=1, style="dim")
    for record in records:
        name = record.table.split("@")[0]
        doc = CATALOGUE[name].doc.partition(" (")[0].rstrip(".")
        table.add_row(name, f"{record.rows:,}", record.stage, f"{record.seconds:.1f}", doc)
    return table


def select(rows: pa.Table, where: Sequence[str]) -> pa.Table:
    """The rows that satisfy every `COLUMN=VALUE`; `*` in a value stands for any text.

    Raises ConfigError for a condition without `=` or an unknown column.
    """
    for condition in where:
        column, equals, wanted = condition.partition("=")
        if not equals:
            raise ConfigError(f"--where {condition!r}: expected COLUMN=VALUE")
        if column not in rows.column_names:
            near = difflib.get_close_matches(column, rows.column_names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(rows.column_names)}"
            raise ConfigError(f"--where {condition!r}: no column {column!r}; {hint}")
        rows = rows.filter(pa.array([_matches(value, wanted) for value in rows[column].to_pylist()], pa.bool_()))
    return rows


def find_row(name: str, rows: pa.Table, key: str) -> dict[str, Any]:
    """The only row whose first key column is `key` or contains it. TableNotFound if none or several do."""
    column = CATALOGUE[name].key[0]
    keys = rows[column].to_pylist()
    found = [i for i, value in enumerate(keys) if value == key] or [i for i, v in enumerate(keys) if key in str(v)]
    if len(found) != 1:
        some = ", ".join(str(keys[i]) for i in (found or range(len(keys)))[:5])
        raise TableNotFound(f"{name}.{column} {key!r}: {len(found) or 'no'} rows match; among them {some}")
    row: dict[str, Any] = rows.slice(found[0], 1).to_pylist()[0]
    return row


def rows_table(name: str, rows: pa.Table, *, limit: int, width: int, columns: Sequence[str] = ()) -> RenderableType:
    """The first `limit` rows in brief, or the given columns of them, at most `width` characters wide.

    Raises ConfigError for a column that the table does not have.
    """
    unknown = [column for column in columns if column not in rows.column_names]
    if unknown:
        raise ConfigError(f"{name}: no column {unknown[0]!r}; there are {', '.join(rows.column_names)}")
    shown = list(columns or BRIEF.get(name) or _light_columns(rows))
    brief = rows.slice(0, limit).select(shown).to_pylist()
    cells = [[_cell(row[column]).replace("\n", " ") for column in shown] for row in brief]
    longest = [max([len(column), *(len(row[i]) for row in cells)]) for i, column in enumerate(shown)]
    cap = widest_cell(longest, width - PADDING * len(shown))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in shown:
        kind = rows.schema.field(column).type
        is_number = pa.types.is_integer(kind) or pa.types.is_floating(kind)
        table.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    for row in cells:
        table.add_row(*(Text(cell if len(cell) <= cap else f"{cell[: cap - 1]}…") for cell in row))
    rest = f"; {rows.num_rows - limit:,} more, see --limit" if rows.num_rows > limit else ""
    return Group(table, Text(f"{rows.num_rows:,} rows{rest}", style="dim"))


def widest_cell(longest: Sequence[int], width: int) -> int:
    """The largest cap on cells, at least 8, with which columns of these lengths fit into `width` side by side.

    Only long columns give way: rich would shrink short ones to nothing.
    """
    caps = range(max(longest, default=8), 8, -1)
    return next((cap for cap in caps if sum(min(n, cap) for n in longest) <= width), 8)


def whole_row(name: str, row: dict[str, Any]) -> RenderableType:
    """Every column of one row below its name, with the column's documentation; JSON is laid out."""
    docs = {field.name: field.doc for field in CATALOGUE[name].fields}
    parts: list[RenderableType] = []
    for column, value in row.items():
        parts.append(Text.assemble((column, "bold"), f"  {docs[column]}", style="dim"))
        parts.append(Padding(_value(docs[column], value), (0, 0, 1, 2)))
    return Group(*parts)


def _value(doc: str, value: Any) -> RenderableType:
    if isinstance(value, str) and "JSON" in doc and value:
        return JSON(value)
    if isinstance(value, list) and len(value) > 16 and not isinstance(value[0], str):
        return Text(f"[{', '.join(_cell(item) for item in value[:16])}, … {len(value):,} values]")
    return Text("\n".join(value) if isinstance(value, list) and value and isinstance(value[0], str) else _cell(value))


def _light_columns(rows: pa.Table) -> tuple[str, ...]:
    def is_light(field: pa.Field) -> bool:
        numbers = (pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)) and not pa.types.is_string(
            field.type.value_type
        )
        return not numbers and field.name not in ("messages", "tools", "tokenizer_json", "chat_template")

    return tuple(field.name for field in rows.schema if is_light(field))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)


def _matches(value: Any, wanted: str) -> bool:
    if isinstance(value, bool):
        return wanted.lower() in (("yes", "true") if value else ("no", "false"))
    text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    return fnmatchcase(text, wanted.replace("[", "[[]").replace("?", "[?]"))
