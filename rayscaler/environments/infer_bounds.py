"""What each parameter of a planned tool stands for: the row's key, a filter, a value, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from rayscaler.environment import Operator, Part, Semantic
from rayscaler.environments.infer_columns import body_properties, range_of, renamed
from rayscaler.environments.infer_drafts import Draft, TableDraft, arguments, canon, is_stamp
from rayscaler.environments.infer_entities import Placed
from rayscaler.environments.infer_semantics import semantic_of
from rayscaler.environments.lexicon import is_limit, is_query, key_noun, noun, phrase_of
from rayscaler.environments.schemas import SCALARS, properties, required, type_of
from rayscaler.toolspec import JsonSchema


class Bound(NamedTuple):
    """One parameter of a planned tool. `sign` says how a filter compares: =, >=, <=, startswith, contains.

    inside: where the argument is the whole row, its properties and their columns.
    """

    parameter: str
    part: Part
    column: Draft | None = None
    sign: str = "="
    needed: bool = False
    inside: tuple[tuple[str, Draft], ...] = ()


class Moved(NamedTuple):
    """What a transfer moves: parameters of both sides and of the amount, the table of the holders, its quantity."""

    source: str
    target: str
    amount: str
    holder: TableDraft
    quantity: Draft


@dataclass
class Plan:
    """One tool, settled. `upsert`: inserts where no row fits. `status`: what a transition sets."""

    placed: Placed
    table: TableDraft
    operator: Operator
    key: str
    bounds: list[Bound] = field(default_factory=list)
    upsert: bool = False
    copies: bool = False
    status: str = ""
    flag: Draft | None = None
    flag_value: bool = True
    status_column: Draft | None = None
    states: tuple[str, ...] = ()
    barred: tuple[str, ...] = ()
    """States that the row must not be in."""
    flags: list[tuple[Draft, bool]] = field(default_factory=list)
    """Booleans of the row, and what each must be."""
    children: TableDraft | None = None
    moved: Moved | None = None
    recorded: bool = False
    """Looked up by its arguments in a table of its own, that no other tool speaks of."""
    nested: list[tuple[TableDraft, Draft]] = field(default_factory=list)
    """Tables whose rows are told with the row («the user, including their orders»), by the column that refers to it."""
    tagging: str = ""
    tags: Draft | None = None

    def of(self, *parts: Part) -> list[Bound]:
        """The parameters with one of these parts."""
        return [b for b in self.bounds if b.part in parts]


class Unplanned(NamedTuple):
    """Why a tool cannot be planned."""

    tool_id: str
    detail: str


def names_row(plan: Plan, name: str) -> bool:
    """Whether the table's reads and deletes ask for the same thing; where there are none, any id will do."""
    others = [p for p in plan.table.placed if not p.reading.operator.writes or p.reading.operator is Operator.DELETE]
    asked = {canon(n, plan.table.noun) for p in others for n in required(p.reading.tool.parameters)}
    return not asked or canon(name, plan.table.noun) in asked


def is_scope(plan: Plan, name: str) -> bool:
    """Whether a parameter says inside of what the row is: a column that routes go through, or another thing's id."""
    column = plan.table.column_of(name)
    return column is not None and (
        column.scope or (bool(key_noun(name)[1]) and type_of(column.schema) in ("string", "integer"))
    )


def bind(plan: Plan, name: str) -> Bound:
    """What the parameter stands for in the plan's table."""
    tool = plan.placed.reading.tool
    needed = name in required(tool.parameters)
    schema = properties(tool.parameters)[name]
    if name == plan.key:
        return Bound(name, Part.KEY, _key_column(plan, name), needed=needed)
    if name not in arguments(plan.placed) and not is_limit(name):
        return Bound(name, Part.IGNORED, needed=needed)
    inside = body_properties(plan.table, plan.placed, name)
    if inside and plan.operator in (Operator.CREATE, Operator.UPDATE, Operator.TRANSITION):
        held = [(n, column) for n in inside if (column := plan.table.column_of(n)) is not None]
        kept = tuple((n, c) for n, c in held if _fills(inside[n], c) and not is_stamp(c) and c.canon != plan.table.key)
        return Bound(name, Part.VALUE, None, needed=needed, inside=kept)
    column = _column_for(plan, name)
    if not plan.operator.writes:
        return _bind_read(plan, name, column, needed)
    return _bind_write(plan, name, column, needed, type_of(schema))


def _key_column(plan: Plan, name: str) -> Draft:
    own = plan.table.column_of(name)
    if own is not None and type_of(own.schema) in ("string", "integer"):
        return own
    return plan.table.columns[plan.table.key]


def _column_for(plan: Plan, name: str) -> Draft | None:
    found = plan.table.column_of(name)
    if found is not None:
        return found
    parts = phrase_of(name)
    base = renamed(name, plan.table, plan.placed)
    if base:
        return plan.table.column_of(base)
    many = noun(parts) if not plan.operator.writes else parts
    return plan.table.column_of("_".join(many)) if many != parts else None


def _bind_read(plan: Plan, name: str, column: Draft | None, needed: bool) -> Bound:
    schema = properties(plan.placed.reading.tool.parameters)[name]
    kind = type_of(schema)
    many = plan.operator in (Operator.LIST, Operator.SEARCH)
    if many and is_limit(name) and kind == "integer":
        return Bound(name, Part.LIMIT, needed=needed)
    if many and is_query(name) and kind in ("string", ""):
        return Bound(name, Part.QUERY, needed=needed)
    if plan.key and not many and not (needed and column is not None and is_scope(plan, name)):
        # Beside the key of the one row, only what says whose row it is matters.
        return Bound(name, Part.IGNORED, needed=needed)
    if column is not None and many and _range_end(plan, name, column):
        return Bound(name, Part.FILTER, column, _range_end(plan, name, column), needed)
    if column is not None and _comparable(kind, column, schema):
        return Bound(name, Part.FILTER, column, needed=needed)
    sign, base = range_of(name)
    compared = plan.table.column_of(base.replace(" ", "_")) if sign and many else None
    compared = compared or (
        plan.table.column_of(f"{base}_time".replace(" ", "_")) if sign in (">=", "<=") and many else None
    )
    if compared is not None and type_of(compared.schema) == kind and _has_order(compared, sign):
        return Bound(name, Part.FILTER, compared, sign, needed)
    return Bound(name, Part.IGNORED, needed=needed)


def _range_end(plan: Plan, name: str, column: Draft) -> str:
    """How a list's `StartTime` or `EndTime` compares where it takes both: they bound a span of time; else empty."""
    parts = phrase_of(name)
    other = {"start": "end", "end": "start"}.get(parts[0], "") if parts else ""
    beside = {phrase_of(n) for n in properties(plan.placed.reading.tool.parameters)}
    if not other or (other, *parts[1:]) not in beside or not _has_order(column, ">="):
        return ""
    return ">=" if parts[0] == "start" else "<="


def _fills(schema: JsonSchema, column: Draft) -> bool:
    """Whether a value of this schema can be written to the column."""
    kinds = {type_of(schema), type_of(column.schema)}
    return len(kinds) == 1 or kinds <= SCALARS


def _has_order(column: Draft, sign: str) -> bool:
    """Whether >= means something for the column's values: numbers and times, no roles or names."""
    if type_of(column.schema) in ("integer", "number"):
        return sign in (">=", "<=")
    timely = semantic_of(column.name, column.schema) in (Semantic.DATE, Semantic.DATETIME, Semantic.TIME)
    return timely == (sign in (">=", "<="))


def _comparable(kind: str, column: Draft, schema: JsonSchema | None = None) -> bool:
    held = type_of(column.schema)
    if kind == "array" and schema is not None and type_of(schema.get("items")) not in ("string", ""):
        return False
    if held in ("object", "array"):
        return False
    return kind == held or (kind == "array" and held in ("string", "")) or {kind, held} <= SCALARS


def _bind_write(plan: Plan, name: str, column: Draft | None, needed: bool, kind: str) -> Bound:
    finds_row = plan.operator in (Operator.UPDATE, Operator.DELETE, Operator.TRANSITION) or plan.copies
    if plan.operator in (Operator.RELATE, Operator.UNRELATE):
        if column is None:
            return Bound(name, Part.IGNORED, needed=needed)
        return Bound(name, Part.VALUE if plan.operator is Operator.RELATE else Part.FILTER, column, needed=needed)
    if column is None or is_stamp(column):
        return Bound(name, Part.IGNORED, needed=needed)
    if plan.operator is Operator.DELETE and plan.key and not (needed and is_scope(plan, name)):
        return Bound(name, Part.IGNORED, needed=needed)
    if plan.operator is Operator.DELETE:
        return Bound(name, Part.FILTER if _comparable(kind, column) else Part.IGNORED, column, needed=needed)
    held = type_of(column.schema)
    if ({kind, held} & {"array", "object"}) and kind != held:
        return Bound(name, Part.IGNORED, needed=needed)
    if column.canon == plan.table.key:
        chosen = plan.operator is Operator.CREATE and plan.table.key_given
        return Bound(name, Part.VALUE if chosen else Part.IGNORED, column, needed=needed)
    path = plan.placed.reading.tool.locations.get(name) == "path"
    names_it = not plan.key and needed and is_scope(plan, name) and names_row(plan, name)
    own = plan.table.column_of(name) is not None
    if finds_row and own and (path or column.scope or names_it):
        return Bound(name, Part.FILTER, column, needed=needed)
    return Bound(name, Part.VALUE, column, needed=needed)
