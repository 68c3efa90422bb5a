"""Columns and tables in the making, and what every later step asks of them.

A column is known by its *canon*: its words without the table's own noun, so that `eventId`, `event_id` and `id` of an
event are one column. It is spelled as the API's own answers spell it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from rayscaler.environment import Semantic
from rayscaler.environments.infer_entities import Placed
from rayscaler.environments.infer_semantics import semantic_of
from rayscaler.environments.lexicon import (
    Phrase,
    is_boilerplate,
    joined,
    phrase_of,
    singular,
    word_set,
)
from rayscaler.environments.schemas import properties, required, type_of
from rayscaler.toolspec import JsonSchema


@dataclass
class Draft:
    """A column in the making. `score` says how much it is used; `scope` that routes or most tools go through it.

    deserted: a tool that wrote it has a column of its own now; the column goes if no other tool speaks of it.
    """

    name: str
    canon: str
    schema: JsonSchema
    score: int = 0
    scope: bool = False
    written: bool = False
    answered: bool = False
    asked: bool = False
    always: bool = False
    nested: bool = False
    unique: bool = False
    deserted: bool = False
    needed_by: int = 0
    enums: list[tuple[str, ...]] = field(default_factory=list)
    told: list[tuple[str, ...]] = field(default_factory=list)
    """Enumerations of the answers that have the column; numbers as text."""
    sent: list[tuple[str, ...]] = field(default_factory=list)
    """Enumerations of the arguments that are written to it."""
    parameters: list[str] = field(default_factory=list)
    moved: bool = False
    """A status that transitions move: its values are those of the tools."""
    measure: bool = False
    """A quantity that is moved: it refers to nothing, whatever it is called."""
    refers: Phrase = ()
    """The table whose key it holds, where a tool's meaning and not a name says so."""


@dataclass
class TableDraft:
    """A table in the making: canon -> column, in order of appearance."""

    noun: Phrase
    placed: list[Placed]
    key: str = ""
    key_given: bool = False
    keyed: int = 0
    columns: dict[str, Draft] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    """Other words for the key: the parameter `EmailIdentity` that is the row's `IdentityName`."""

    def column_of(self, parameter: str) -> Draft | None:
        """The column that a parameter or property stands for."""
        found = canon(parameter, self.noun)
        return self.columns.get(self.aliases.get(found, found))


@cache
def canon(name: str, table: Phrase) -> str:
    """Identity of a column inside a table: spelling and the table's own noun taken off."""
    parts = phrase_of(name)
    whole = "".join(table)
    parts = (*parts[:-1], "id") if parts and parts[-1] == "identifier" else parts
    for cut in range(len(parts) - 1, 0, -1):
        head = "".join((*parts[: cut - 1], singular(parts[cut - 1])))
        short = cut == len(parts) - 1 and parts[-1] in word_set("key_suffixes") and len(head) > 2
        if head == whole or (short and whole.endswith(head)):
            return "".join(parts[cut:])
    return "".join(parts)


def is_stamp(column: Draft) -> bool:
    """Whether the environment itself writes the column: times of creation and of change."""
    words = joined(column.name)
    stamped = words in word_set("volatile") or words in word_set("generated_times")
    return stamped and not column.needed_by and type_of(column.schema) in ("string", "")


def arguments(placed: Placed) -> dict[str, JsonSchema]:
    """The parameters that may matter to the database: without pagination, protocol and options."""
    tool = placed.reading.tool
    return {n: s for n, s in properties(tool.parameters).items() if not _is_ignored(placed, n, s)}


def _is_ignored(placed: Placed, name: str, schema: JsonSchema) -> bool:
    tool = placed.reading.tool
    if schema.get("format") == "google-fieldmask":
        return True
    needed, place = name in required(tool.parameters), tool.locations.get(name, "")
    if is_boilerplate(name):
        soft = joined(name) in word_set("soft_boilerplate") or type_of(schema) in ("array", "object")
        return not (place == "path" or (needed and placed.reading.operator.writes and soft and place in ("body", "")))
    has_body = "body" in tool.locations.values()
    if placed.reading.operator.writes and has_body and place in ("query", "header") and not needed:
        return canon(name, placed.noun) not in {canon(n, placed.noun) for n in properties(placed.shape.item)}
    return bool(schema.get("readOnly")) and not needed


def is_scalar(schema: JsonSchema) -> bool:
    """Whether a value of the schema is a text or a number; a schema without a type counts as one."""
    return type_of(schema) in ("string", "integer", "number", "")


def kind_of(draft: TableDraft, column: Draft) -> Semantic:
    """The column's semantic among its neighbours: beside a city or a postcode, `state` is a region and no status."""
    found = semantic_of(column.name, column.schema)
    if found is Semantic.STATUS and column.canon in ("state", "stateorprovince"):
        near = {semantic_of(c.name, c.schema) for c in draft.columns.values() if type_of(c.schema) == "string"}
        if near & {Semantic.POSTCODE, Semantic.STREET} or {Semantic.CITY, Semantic.COUNTRY} <= near:
            return Semantic.STATE
    return found


_TYPES = {"boolean": "INTEGER", "integer": "INTEGER", "number": "REAL"}


def as_key(column: Draft) -> Draft:
    """The column with whole numbers: keys that a schema calls `number` are none with a fraction."""
    if type_of(column.schema) == "number":
        column.schema = {**column.schema, "type": "integer"}
    return column


def sql_type(schema: dict[str, Any]) -> str:
    """The SQLite type of a column with this schema."""
    return _TYPES.get(type_of(schema), "TEXT")
