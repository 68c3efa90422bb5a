"""The rules of a world exercised from the side where they are broken: the call is refused as it should.

The side where they hold is the certificate's valid call. A rule is a precondition on the row's state or on which
arguments go together, an enumeration, a bound, a value that no other row may have, or a row that must exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

from rayscaler.canonical import dumps
from rayscaler.environment import (
    Binding,
    Column,
    CompiledTool,
    EnvironmentSpec,
    Operator,
    Part,
    Semantic,
    ToolErrorKind,
)
from rayscaler.environments.sampling_conditions import Condition, argument_conditions, conditions
from rayscaler.environments.session import SqliteSession

_ABSENT: dict[str, Any] = {"string": "no-such-thing-0000", "integer": 987654321}
_PER_KIND = 4
"""Most rules of one kind that are tried per tool: the rest is the same SQL and the same validator. Ours."""


class Rule(NamedTuple):
    """One rule of one tool, in words, and the refusal that breaking it must give."""

    kind: str
    said: str
    refusal: ToolErrorKind


class Tried(NamedTuple):
    """A rule and what breaking it gave: refused as asked, or `found`. `broken`: whether a call could break it."""

    rule: Rule
    broken: bool
    found: str = ""


def try_rules(spec: EnvironmentSpec, tool: CompiledTool, session: SqliteSession, good: dict[str, Any]) -> list[Tried]:
    """Break every rule of `tool` once, on `session` at its start. `good`: arguments that it accepts there."""
    tried = [_try_state(spec, tool, session, good, c) for c in _on_rows(spec, tool)]
    for rule, arguments in (*_on_arguments(tool, good), *_on_values(spec, tool, session, good)):
        tried.append(_call(tool, session, rule, arguments))
    return tried


def _on_rows(spec: EnvironmentSpec, tool: CompiledTool) -> list[Condition]:
    """The tool's conditions on rows of its own table."""
    names = {c.name for c in spec.entity(tool.entity).columns}
    return [c for c in conditions(tool.code) if c.table in ("", tool.entity) and c.column in names]


def _call(tool: CompiledTool, session: SqliteSession, rule: Rule, arguments: dict[str, Any] | None) -> Tried:
    if arguments is None:
        return Tried(rule, broken=False)
    before = session.changes()
    result = session.call(tool.name, arguments)
    if result.error is None:
        session.reset()
        return Tried(rule, True, f"success on {dumps(arguments)[:160]}")
    if session.changes() != before:
        return Tried(rule, True, "changed rows after an error")
    right = result.error.kind is rule.refusal
    return Tried(rule, True, "" if right else f"{result.error.kind}: {result.error.message[:120]}")


def _try_state(
    spec: EnvironmentSpec, tool: CompiledTool, session: SqliteSession, good: dict[str, Any], condition: Condition
) -> Tried:
    """Call the tool on a row for which the condition does not hold; on one that is made so, if none is there."""
    noun = spec.entity(condition.table or tool.entity).singular.replace("_", " ")
    rule = Rule("state", f"the {noun} {condition.in_words()}", ToolErrorKind.PRECONDITION_FAILED)
    named = [b for b in tool.bindings if b.part in (Part.KEY, Part.FILTER) and b.parameter in good and b.column]
    rows = session.rows(tool.entity)
    taken = [r for r in rows if all(_cell(b, r) == _wrapped(good.get(b.parameter)) for b in named)]
    if not named and rows:
        taken = rows[:1]
    first = {tuple(map(str, (r.get(b.column or "") for b in named))): r for r in reversed(rows)}
    others = [c for c in _on_rows(spec, tool) if c is not condition]
    for row in first.values():
        whole = named and all(row.get(b.column or "") is not None for b in named)
        if whole and not condition.holds(row) and all(c.holds(row) for c in others):
            swapped = {b.parameter: _like(good.get(b.parameter), row[b.column or ""]) for b in named}
            return _call(tool, session, rule, {**good, **swapped})
    value = _breaking(spec.entity(tool.entity).column(condition.column), condition)
    if not taken or value is None:
        return Tried(rule, broken=False)
    with closing(session.fork()) as other:
        key = spec.entity(tool.entity).key
        other.load_rows(tool.entity, [r | ({condition.column: value} if r[key] == taken[0][key] else {}) for r in rows])
        return _call(tool, other, rule, good)


def _cell(binding: Binding, row: dict[str, Any]) -> Any:
    return row.get(binding.column or "")


def _wrapped(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value


def _like(given: Any, value: Any) -> Any:
    return [value] if isinstance(given, list) and not isinstance(value, list) else value


def _breaking(column: Column, condition: Condition) -> Any:
    """A value of the column for which the condition does not hold; None if it takes none."""
    if column.semantic is Semantic.BOOLEAN:
        values: list[Any] = [True, False]
    else:
        values = list(column.enum)
    return next((v for v in values if (v in condition.values) != condition.wanted), None)


def _on_arguments(tool: CompiledTool, good: dict[str, Any]) -> Iterator[tuple[Rule, dict[str, Any] | None]]:
    parameters = {b.argument: b.parameter for b in tool.bindings}
    for asked in argument_conditions(tool.code):
        names = [parameters[n] for n in asked.names]
        told = {
            "one of": f"at least one of {', '.join(names)} is given",
            "not both": f"{' and '.join(names)} are not given together",
            "with": f"{names[0]} is given with {names[-1]}" + (f" {asked.value}" if asked.value is not None else ""),
        }[asked.kind]
        rule = Rule("arguments", told, ToolErrorKind.PRECONDITION_FAILED)
        yield rule, _broken_arguments(tool, good, asked.kind, names, asked.value)


def _broken_arguments(
    tool: CompiledTool, good: dict[str, Any], kind: str, names: list[str], value: Any
) -> dict[str, Any] | None:
    if kind == "one of":
        return {k: v for k, v in good.items() if k not in names}
    made = {n: good[n] if n in good else _any_value(tool.parameters["properties"].get(n, {})) for n in names}
    if any(v is None for v in made.values()):
        return None
    if kind == "not both":
        return {**good, **made}
    rest = {k: v for k, v in good.items() if k != names[0]}
    return {**rest, names[1]: value if value is not None else made[names[1]]}


def _any_value(schema: dict[str, Any]) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    low = schema.get("minimum", 1)
    return {"string": "2026-01-15", "integer": low, "number": low, "boolean": True, "array": []}.get(
        str(schema.get("type"))
    )


def _on_values(
    spec: EnvironmentSpec, tool: CompiledTool, session: SqliteSession, good: dict[str, Any]
) -> Iterator[tuple[Rule, dict[str, Any] | None]]:
    counts: dict[str, int] = {}
    for binding in tool.bindings:
        schema = tool.parameters["properties"].get(binding.parameter, {})
        for rule, value in _broken_values(spec, tool, session, binding, schema):
            counts[rule.kind] = counts.get(rule.kind, 0) + 1
            if counts[rule.kind] <= _PER_KIND:
                yield rule, {**good, binding.parameter: value}


def _broken_values(
    spec: EnvironmentSpec, tool: CompiledTool, session: SqliteSession, binding: Binding, schema: dict[str, Any]
) -> Iterator[tuple[Rule, Any]]:
    name, invalid = binding.parameter, ToolErrorKind.INVALID_ARGUMENT
    kind = schema.get("type")
    if schema.get("enum") and kind == "string":
        listed = ", ".join(map(str, schema["enum"][:6]))
        yield Rule("enumeration", f"{name} is one of {listed}", invalid), "no such value"
    column = _column(spec, binding)
    low, high = schema.get("minimum"), schema.get("maximum")
    if column is not None and binding.part is Part.VALUE and kind in ("integer", "number"):
        low = column.minimum if low is None else low
        high = column.maximum if high is None else high
    if kind in ("integer", "number") and low is not None and binding.part is not Part.LIMIT:
        yield Rule("minimum", f"{name} is at least {low:g}", invalid), int(low) - 1
    if kind in ("integer", "number") and high is not None and abs(high) < 2**53:
        yield Rule("maximum", f"{name} is at most {high:g}", invalid), int(high) + 1
    if column is None or kind not in _ABSENT:
        return
    free = "enum" not in schema and (high is None or kind == "string")
    if binding.part is Part.REFERENCE and column.references and free:
        yield Rule("reference", f"{name} names one of the {column.references}", ToolErrorKind.NOT_FOUND), _ABSENT[kind]
    rows = session.rows(tool.entity) if _is_own(spec, tool, binding, column) else []
    taken = [r[column.name] for r in rows if r[column.name] in schema.get("enum", (r[column.name],))]
    taken = [v for v in taken if v is not None]
    if taken:
        noun = spec.entity(tool.entity).singular.replace("_", " ")
        yield Rule("unique", f"no two {noun} records have the same {name}", ToolErrorKind.CONFLICT), taken[0]


def _column(spec: EnvironmentSpec, binding: Binding) -> Column | None:
    if binding.entity is None or binding.column is None:
        return None
    return spec.entity(binding.entity).column(binding.column)


def _is_own(spec: EnvironmentSpec, tool: CompiledTool, binding: Binding, column: Column) -> bool:
    """Whether the maker of a row gives it a value that no other row may have."""
    single = column.unique or column.name == spec.entity(tool.entity).key
    makes = tool.operator is Operator.CREATE and binding.entity == tool.entity and "db.update(" not in tool.code
    alone = sum(b.column == binding.column for b in tool.bindings) == 1
    return single and makes and alone and binding.part is Part.VALUE
