"""A planned tool as source in the tool language: short, readable, one idea per line.

def events_patch(db, calendarId: str, eventId: str, summary: str = None) -> dict:
    \"\"\"Update an event. Writes events.summary.\"\"\"
    event = db.get("events", id=eventId, calendarId=calendarId)
    event = db.update("events", event, summary=summary)
    return {k: v for k, v in event.items() if v is not None}
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from rayscaler.environment import Operator, Part
from rayscaler.environments.codegen_reads import find_row, read_many, read_one
from rayscaler.environments.codegen_results import fill
from rayscaler.environments.codegen_rules import argument_lines
from rayscaler.environments.codegen_tags import tag_lines
from rayscaler.environments.codegen_writer import WIDTH, Writer, repr_text
from rayscaler.environments.codegen_writes import (
    create_row,
    delete_row,
    relate,
    transfer,
    transition,
    unrelate,
    update_row,
)
from rayscaler.environments.infer_bounds import Bound, Plan
from rayscaler.environments.infer_tables import Tables
from rayscaler.environments.infer_types import default_of
from rayscaler.environments.schemas import enum_of, properties, type_of
from rayscaler.environments.wording import first_sentence
from rayscaler.toolspec import JsonSchema

_PYTHON = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "object": "dict", "array": "list"}


class Source(NamedTuple):
    """The code of one tool and the Python name of each of its parameters."""

    code: str
    names: dict[str, str]


def write_code(plan: Plan, tables: Tables, name: str) -> Source:
    """The function called `name` that does what `plan` says."""
    writer = Writer(plan, tables)
    body = (
        [*find_row(writer, plan), *tag_lines(plan, writer.table, writer.one, writer.names)]
        if plan.tagging
        else _BODIES[plan.operator](writer)
    )
    used = [b for b in plan.bounds if b.part is not Part.IGNORED]
    free = [b for b in used if not b.needed and _default(tables, plan, b) == "None"]
    body = [*argument_lines(writer, frozenset(b.parameter for b in free)), *body]
    lines = [_signature(name, used, writer, plan), *_docstring(plan, writer, name), *body]
    code = "\n".join([lines[0], *(f"    {line}" if line else "" for line in lines[1:])]) + "\n"
    return Source(code, writer.names)


def _signature(name: str, used: list[Bound], writer: Writer, plan: Plan) -> str:
    schemas = properties(plan.placed.reading.tool.parameters)
    first = [b for b in used if b.needed]
    rest = [b for b in used if not b.needed]
    parts = [
        "db",
        *(f"{writer.names[b.parameter]}: {_annotation(schemas[b.parameter])}" for b in first),
    ]
    parts += [
        f"{writer.names[b.parameter]}: {_annotation(schemas[b.parameter])} = {_default(writer.tables, plan, b)}"
        for b in rest
    ]
    line = f"def {name}({', '.join(parts)}) -> dict:"
    if len(line) <= WIDTH:
        return line
    inner = "\n".join(f"    {row}" for row in fill(parts, WIDTH - 4))
    return f"def {name}(\n{inner}\n) -> dict:"


def _annotation(schema: JsonSchema) -> str:
    return _PYTHON.get(type_of(schema), "object")


def _default(tables: Tables, plan: Plan, bound: Bound) -> str:
    """What an argument is when it is left out: nothing, unless every answer must have a value for its column."""
    if (
        plan.operator not in (Operator.CREATE, Operator.RELATE, Operator.TRANSFER)
        or bound.part is not Part.VALUE
        or bound.column is None
        or plan.copies
    ):
        return "None"
    value = default_of(tables, plan.table, bound.column)
    fits = (
        not isinstance(value, str)
        or not value
        or value in (enum_of(properties(plan.placed.reading.tool.parameters)[bound.parameter]) or (value,))
    )
    return repr_text(value) if isinstance(value, str) and fits else repr(value) if fits else "None"


def _docstring(plan: Plan, writer: Writer, name: str) -> list[str]:
    said = first_sentence(plan.placed.reading.tool.description or name.replace("_", " ").capitalize())
    said = said.replace("\\", "/").replace('"""', "'''")
    return textwrap.wrap(
        f'"""{said} {_effect(plan, writer)}"""', WIDTH - 4, break_long_words=False, break_on_hyphens=False
    )


def _effect(plan: Plan, writer: Writer) -> str:
    written = [c.name for b in plan.of(Part.VALUE) for c in (b.column, *(c for _, c in b.inside)) if c]
    written = list(dict.fromkeys(written))
    extra = [c.name for c in (plan.flag, plan.status_column) if c is not None and plan.status and c.name not in written]
    if plan.moved is not None:
        held = f"{writer.tables.names[plan.moved.holder.noun]}.{plan.moved.quantity.name}"
        return f"Moves {held}, inserts into {writer.table}."
    if plan.operator in (Operator.CREATE, Operator.RELATE):
        return f"Inserts into {writer.table}."
    if plan.operator is Operator.DELETE or plan.operator is Operator.UNRELATE:
        return f"Deletes from {writer.tables.names[plan.children.noun] if plan.children else writer.table}."
    if plan.operator.writes:
        columns = [*written, *extra]
        return f"Writes {writer.table}.{', '.join(columns[:8])}{' …' if len(columns) > 8 else '.'}"
    return f"Reads {writer.table}."


_BODIES = {
    Operator.GET: read_one,
    Operator.LOOKUP: read_one,
    Operator.LIST: read_many,
    Operator.SEARCH: read_many,
    Operator.CREATE: create_row,
    Operator.UPDATE: update_row,
    Operator.DELETE: delete_row,
    Operator.TRANSITION: transition,
    Operator.RELATE: relate,
    Operator.UNRELATE: unrelate,
    Operator.TRANSFER: transfer,
}
