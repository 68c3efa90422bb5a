"""Values that a model offered for arguments: for which arguments they are asked, and which of them may be sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

from rayscaler.environment import Binding, Column, CompiledTool, EnvironmentSpec, Part, Semantic
from rayscaler.tasks.columns import column_of, machine_made, named_entity
from rayscaler.tasks.values import allowed, fit

Offered = Mapping[tuple[str, str], tuple[Any, ...]]
"""(tool, parameter) -> values that a task may use for it."""

MADE_UP = frozenset({Semantic.TITLE, Semantic.TEXT, Semantic.WORD, Semantic.MONEY, Semantic.QUANTITY,
                     Semantic.NUMBER, Semantic.INTEGER, Semantic.PERCENT})
"""What somebody thinks of, and no list or row of the world gives."""

_TOLD = ("type", "format", "minimum", "maximum", "minLength", "maxLength", "pattern", "description")


def asked_values(spec: EnvironmentSpec) -> dict[str, dict[str, dict[str, Any]]]:
    """Tool -> parameter -> what is to be known of it, for the arguments of writes that somebody makes up."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for tool in spec.tools:
        for binding in tool.bindings if tool.operator.writes else ():
            schema, column = _schema(tool, binding), column_of(spec, tool, binding)
            if _is_made_up(spec, binding, column, schema):
                told = {key: schema[key] for key in _TOLD if key in schema}
                found.setdefault(tool.name, {})[binding.parameter] = {"holds": column.semantic.value, "schema": told}
    return found


def may_be_sent(spec: EnvironmentSpec, tool: CompiledTool, parameter: str, value: Any) -> bool:
    """Whether `value` is of the parameter's schema and of the column that it is written to."""
    binding = tool.binding(parameter)
    if binding is None or isinstance(value, bool):
        return False
    schema, column = _schema(tool, binding), column_of(spec, tool, binding)
    is_number = isinstance(value, (int, float))
    if is_number != (column.type in ("INTEGER", "REAL")) or (column.type == "INTEGER" and not isinstance(value, int)):
        return False
    if isinstance(value, (int, float)):
        low, high = column.minimum, column.maximum
        if not (low is None or value >= low) or not (high is None or value <= high) or abs(value) > 10**9:
            return False
    if fit(value, schema) != value or not allowed(value, schema):
        return False
    try:
        return jsonschema_rs.Draft202012Validator(schema, retriever=_refuse_to_fetch).is_valid(value)
    except (jsonschema_rs.ValidationError, ValueError):  # a schema that cannot be read, or is in another document
        return False


def _refuse_to_fetch(uri: str) -> Any:
    raise ValueError(f"a reference to {uri!r}, and nothing is fetched")


def _schema(tool: CompiledTool, binding: Binding) -> dict[str, Any]:
    schema: dict[str, Any] = tool.parameters.get("properties", {}).get(binding.parameter, {})
    return schema


def _is_made_up(spec: EnvironmentSpec, binding: Binding, column: Column, schema: dict[str, Any]) -> bool:
    kept = binding.part not in (Part.VALUE, Part.AMOUNT) or named_entity(spec, binding) is not None
    closed = bool(column.enum or schema.get("enum")) or schema.get("type") in ("array", "object", "boolean")
    return not (kept or closed or machine_made(column) or column.generated) and column.semantic in MADE_UP
