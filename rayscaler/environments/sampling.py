"""Arguments that a tool should accept, drawn from what its bindings say and what the database holds.

Keys, references and filters come from rows that are there; values are made up to fit the schema and differ from what
the row has. The same generator state gives the same arguments.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from numpy.random import Generator

from rayscaler.environment import Binding, Column, CompiledTool, EnvironmentSpec, Operator, Part, Session
from rayscaler.environments.sampling_conditions import Condition, argument_conditions, conditions
from rayscaler.environments.sampling_values import sample_object, sample_value

_TRIES = 12


class _Draw(NamedTuple):
    """All that one sample of arguments is drawn from."""

    spec: EnvironmentSpec
    tool: CompiledTool
    session: Session
    row: dict[str, Any] | None
    rng: Generator


def sample_arguments(
    spec: EnvironmentSpec, tool: CompiledTool, session: Session, rng: Generator, *, full: bool = False
) -> dict[str, Any] | None:
    """Valid arguments for `tool` in the session's state, or None if no row fits.

    With `full`, every optional value is given too; else the required ones, and one value if none is required.
    """
    if tool.operator is Operator.TRANSFER:
        return _transfer(spec, tool, session, rng, _chosen(tool, full))
    row = _pick_row(spec, tool, session, rng)
    needs_row = any(b.part in (Part.KEY, Part.FILTER) and b.required for b in tool.bindings)
    if row is None and needs_row:
        return None
    for _ in range(_TRIES if tool.operator is Operator.RELATE else 1):
        arguments = _arguments(_Draw(spec, tool, session, row, rng), _chosen(tool, full))
        if arguments is None or tool.operator is not Operator.RELATE or not _is_related(tool, session, arguments):
            return arguments
    return arguments


class Moving(NamedTuple):
    """What a transfer moves, as its code says: the holders, the parameters of both sides and of the amount."""

    table: str
    quantity: str
    source: str
    target: str
    amount: str


_SIDES = re.compile(r"(?:source|receiver) = db\.get\(\"\w+\", \w+=(\w+)\)")


def moving(tool: CompiledTool) -> Moving | None:
    """What the tool moves between two rows; None if it is no transfer."""
    amount = next((b for b in tool.bindings if b.part is Part.AMOUNT), None)
    sides = _SIDES.findall(tool.code)
    names = {b.argument: b.parameter for b in tool.bindings}
    known = len(sides) == 2 and names.keys() >= set(sides)
    if amount is None or not known or amount.entity is None or amount.column is None:
        return None
    return Moving(amount.entity, amount.column, names[sides[0]], names[sides[1]], amount.parameter)


def _transfer(
    spec: EnvironmentSpec, tool: CompiledTool, session: Session, rng: Generator, chosen: set[str]
) -> dict[str, Any] | None:
    """Two holders, and an amount that the first of them has."""
    moved = moving(tool)
    arguments = _arguments(_Draw(spec, tool, session, None, rng), chosen)
    if moved is None or arguments is None:
        return None
    low = max(1, tool.parameters["properties"][moved.amount].get("minimum", 1))
    rows, key = session.rows(moved.table), spec.entity(moved.table).key
    sources = [r for r in rows if (r[moved.quantity] or 0) >= low]
    if not sources:
        return None
    source = sources[int(rng.integers(len(sources)))]
    others = [r[key] for r in rows if r[key] != source[key]]
    if not others:
        return None
    amount = low + int((source[moved.quantity] - low) * float(rng.random()))
    sides = {moved.source: source[key], moved.target: others[int(rng.integers(len(others)))], moved.amount: amount}
    return arguments | sides


def _is_related(tool: CompiledTool, session: Session, arguments: dict[str, Any]) -> bool:
    """Whether the relation that a tool would add is there already."""
    sides = [
        (b.column or "", arguments[b.parameter])
        for b in tool.bindings
        if b.required and b.column and b.parameter in arguments
    ]
    return any(all(row.get(column) == value for column, value in sides) for row in session.rows(tool.entity))


def _arguments(draw: _Draw, chosen: set[str]) -> dict[str, Any] | None:
    arguments: dict[str, Any] = {}
    for binding in draw.tool.bindings:
        if binding.parameter not in chosen:
            continue
        found = _argument(draw, binding)
        if found is None and binding.required:
            return None
        if found is not None:
            arguments[binding.parameter] = found
    _mend(draw, arguments)
    return arguments


def _mend(draw: _Draw, arguments: dict[str, Any]) -> None:
    """Make the arguments meet the tool's conditions on which of them are given."""
    asked = argument_conditions(draw.tool.code)
    by_argument = {b.argument: b for b in draw.tool.bindings}
    for condition in (*asked, *asked) if asked else ():
        given = {b.argument: arguments.get(b.parameter) for b in draw.tool.bindings}
        if condition.holds(given):
            continue
        if condition.kind == "not both":
            arguments.pop(by_argument[condition.names[1]].parameter)
            continue
        binding = by_argument[condition.names[0]]
        found = _argument(draw, binding)
        if found is not None:
            arguments[binding.parameter] = found


def _chosen(tool: CompiledTool, full: bool) -> set[str]:
    needed = set(tool.parameters.get("required", ())) | {b.parameter for b in tool.bindings if b.part is Part.KEY}
    values = [b for b in tool.bindings if b.part in (Part.VALUE, Part.REFERENCE)]
    optional = [b.parameter for b in values if not b.required]
    if tool.operator is Operator.UNRELATE:
        needed |= {b.parameter for b in tool.bindings if b.part is Part.FILTER}
    if full or tool.operator is Operator.RELATE:
        return needed | set(optional)
    if tool.operator in (Operator.CREATE, Operator.UPDATE) and not any(b.required for b in values):
        return needed | set(optional[:3])
    if not needed and not tool.operator.writes:
        return {b.parameter for b in tool.bindings if b.part is Part.QUERY}
    return needed


def _pick_row(spec: EnvironmentSpec, tool: CompiledTool, session: Session, rng: Generator) -> dict[str, Any] | None:
    """A row of the tool's table that meets the tool's preconditions, as far as they can be read from its code."""
    rows = session.rows(tool.entity)
    known = [b for b in tool.bindings if b.part in (Part.KEY, Part.FILTER) and b.required and b.column]
    rows = [r for r in rows if all(r.get(b.column or "") is not None for b in known)]
    rows = [r for r in rows if all(_passes(tool, b, r) for b in known)]
    for column in _keys_of(spec, tool):
        rows = [r for r in rows if r.get(column)]
    for condition in conditions(tool.code):
        rows = [r for r in rows if _meets(spec, tool, session, condition, r)] or rows
    rows = [r for r in rows if _has_children(tool, session, r)] or rows
    if not rows:
        return None
    row = rows[int(rng.integers(len(rows)))]
    # Where several rows have the same filter values, a tool takes the first of them.
    return next(r for r in rows if all(r.get(b.column or "") == row.get(b.column or "") for b in known))


_CHILDREN = re.compile(r'rows = db\.find\("(\w+)", (\w+)=\w+\["(\w+)"\]\)\n +require\(rows,')


def _has_children(tool: CompiledTool, session: Session, row: dict[str, Any]) -> bool:
    """Whether a row has what the tool would empty it of, where it asks for that."""
    asked = _CHILDREN.search(tool.code)
    return asked is None or any(child[asked[2]] == row[asked[3]] for child in session.rows(asked[1]))


def _meets(
    spec: EnvironmentSpec, tool: CompiledTool, session: Session, condition: Condition, row: dict[str, Any]
) -> bool:
    """Whether a row, or the row that it refers to in the condition's table, meets the condition."""
    if condition.table in ("", tool.entity):
        return condition.holds(row)
    for column in spec.entity(tool.entity).columns:
        if column.references == condition.table:
            key = spec.entity(condition.table).key
            return any(condition.holds(r) for r in session.rows(condition.table) if r[key] == row[column.name])
    return True


def _passes(tool: CompiledTool, binding: Binding, row: dict[str, Any]) -> bool:
    """Whether a row's cell may be said in the parameter that filters by it."""
    allowed = tool.parameters["properties"].get(binding.parameter, {}).get("enum")
    return not allowed or row.get(binding.column or "") in allowed


def _keys_of(spec: EnvironmentSpec, tool: CompiledTool) -> list[str]:
    """JSON columns of which the tool takes keys away (`untag`): the parameter lists texts, the column does not."""
    found = []
    for binding in tool.bindings:
        if binding.part is Part.VALUE and binding.column and binding.entity and _lists_keys(spec, tool, binding):
            found.append(binding.column)
    return found


def _lists_keys(spec: EnvironmentSpec, tool: CompiledTool, binding: Binding) -> bool:
    given = tool.parameters["properties"].get(binding.parameter, {})
    held = spec.entity(binding.entity or "").column(binding.column or "").json_schema or {}
    texts = given.get("type") == "array" and given.get("items", {}).get("type") == "string"
    return texts and (held.get("type") == "object" or held.get("items", {}).get("type") == "object")


def _present_key(cell: Any) -> list[str]:
    """The first key that is in a map, or in a list of key and value."""
    if isinstance(cell, dict):
        return list(cell)[:1]
    first = cell[0] if isinstance(cell, list) and cell and isinstance(cell[0], dict) else {}
    return [str(v) for n, v in first.items() if n.lower().endswith("key")][:1]


def _argument(draw: _Draw, binding: Binding) -> Any:
    spec, tool, _, row, rng = draw
    schema = tool.parameters["properties"].get(binding.parameter, {})
    if binding.part in (Part.KEY, Part.FILTER) and row is not None and binding.column:
        cell = row.get(binding.column)
        wrap = schema.get("type") == "array" and cell is not None and not isinstance(cell, list)
        return [cell] if wrap else cell
    if binding.part is Part.LIMIT:
        return max(5, int(schema.get("minimum", 0)))
    if binding.part is Part.QUERY:
        return _query(spec, tool, row)
    if binding.part is Part.VALUE and binding.column is None and schema.get("properties"):
        return sample_object(binding.parameter, {**schema, "required": list(schema["properties"])[:12]}, rng)
    if binding.column is None or binding.entity is None:
        return sample_value(binding.parameter, schema, None, None, rng)
    column = spec.entity(binding.entity).column(binding.column)
    if binding.part is Part.VALUE and row is not None and _lists_keys(spec, tool, binding):
        return _present_key(row.get(binding.column)) or None
    if column.references:
        return _reference(draw, column)
    unlike = (
        row.get(binding.column) if row is not None and tool.operator in (Operator.UPDATE, Operator.TRANSITION) else None
    )
    return sample_value(binding.parameter, schema, column, unlike, rng)


def _reference(draw: _Draw, column: Column) -> Any:
    """The key of another row than the one that is referred to now, of one that meets the tool's conditions."""
    spec, tool, session, row, rng = draw
    assert column.references is not None
    asked = [c for c in conditions(tool.code) if c.table == column.references]
    rows = session.rows(column.references)
    rows = [r for r in rows if all(c.holds(r) for c in asked)] or rows
    keys = [r[spec.entity(column.references).key] for r in rows]
    others = [k for k in keys if row is None or k != row.get(column.name)] or keys
    return others[int(rng.integers(len(others)))] if others else None


def _query(spec: EnvironmentSpec, tool: CompiledTool, row: dict[str, Any] | None) -> str:
    label = spec.entity(tool.entity).label
    text = str(row.get(label) or "") if row is not None and label else ""
    return (text.split() or ["a"])[0]
