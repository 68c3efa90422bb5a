"""Arguments before a tool runs: validated against the tool's JSON Schema, then put in the order of its function.

The validator is compiled once per tool (jsonschema-rs: microseconds per call, and a linear bound on backtracking, so a
pattern of a third-party specification cannot hang a host). It fetches nothing: a `$ref` to elsewhere is an error of
the tool when it is hosted.
"""

from __future__ import annotations

import math
from typing import Any

import jsonschema_rs

from rayscaler.environment import CompiledTool, Part, ToolError, ToolErrorKind
from rayscaler.environments.language import CheckedTool
from rayscaler.errors import EnvironmentSpecError

MAX_NODES = 20_000
"""Most values in the arguments of one call, nested ones included."""
MAX_CHARACTERS = 200_000
"""Most characters in the texts of one call's arguments."""
MAX_NESTING = 32

_ABOUT_SHAPE = ("pattern", "format", "minLength", "maxLength")


class Arguments:
    """What one tool takes. `order` pairs the function's parameters with their defaults."""

    __slots__ = ("_names", "_order", "_properties", "_validator", "fields")

    def __init__(self, tool: CompiledTool, checked: CheckedTool) -> None:
        schema = _host_schema(tool)
        self._validator = _validator(tool.name, schema)
        self._properties = tuple(schema.get("properties", {}))
        arguments = {b.argument: b.parameter for b in tool.bindings}
        self._order = tuple((arguments.get(p.name, p.name), p.default) for p in checked.parameters)
        self._names = tuple(p.name for p in checked.parameters)
        self.fields = {(b.entity, b.column): b.parameter for b in tool.bindings if b.column is not None}

    def problem(self, arguments: Any) -> ToolError | None:
        """What is wrong with `arguments`, as an agent can mend it; None if nothing is."""
        unfit = _unfit(arguments)
        if unfit is not None:
            return _invalid(unfit)
        if self._validator.is_valid(arguments):
            return None
        first = next(iter(self._validator.iter_errors(arguments)))
        return self._explain(first)

    def in_order(self, arguments: dict[str, Any]) -> list[Any]:
        """One value per parameter of the function."""
        return [arguments.get(name, default) for name, default in self._order]

    def field_of(self, table: str, column: str) -> str:
        """The parameter that a value of `table.column` came in by, or an empty text."""
        named = self.fields.get((table, column))
        if named is not None:
            return named
        return next((p for (_, c), p in self.fields.items() if c == column), column if column in self._names else "")

    def _explain(self, error: jsonschema_rs.ValidationError) -> ToolError:
        path = [str(part) for part in error.instance_path]
        kind = error.kind
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
            missing = str(kind.property)
            return _invalid(f"{'.'.join([*path, missing])} is required", path[0] if path else missing)
        if isinstance(kind, jsonschema_rs.ValidationErrorKind.AdditionalProperties) and not path:
            extra = sorted(kind.unexpected)
            takes = ", ".join(self._properties) or "no arguments"
            return _invalid(f"there is no argument {extra[0]!r}; the tool takes {takes}", extra[0])
        if not path:
            return _invalid(_short(error.message))
        return _invalid(f"{'.'.join(path)}: {_short(error.message)}", path[0])


def _host_schema(tool: CompiledTool) -> dict[str, Any]:
    """The tool's schema as it is enforced: no unknown arguments, and no vendor's shape for ids that are made here."""
    schema = {"additionalProperties": False, **tool.parameters, "type": "object"}
    properties = dict(schema.get("properties") or {})
    for binding in tool.bindings:
        given = properties.get(binding.parameter)
        if binding.part in (Part.KEY, Part.REFERENCE) and isinstance(given, dict):
            properties[binding.parameter] = {k: v for k, v in given.items() if k not in _ABOUT_SHAPE}
    schema["properties"] = properties
    return schema


def _validator(name: str, schema: dict[str, Any]) -> jsonschema_rs.Draft202012Validator:
    try:
        return jsonschema_rs.Draft202012Validator(schema, retriever=_refuse_to_fetch)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        text = " ".join(str(error).split())
        raise EnvironmentSpecError(f"{name}: its parameters are no usable JSON Schema: {text[:300]}") from error


def _refuse_to_fetch(uri: str) -> Any:
    raise ValueError(f"a reference to {uri!r}, and nothing is fetched")


def _unfit(arguments: Any) -> str | None:
    """Why a value is no JSON object of usual size; None if it is one."""
    if type(arguments) is not dict:
        return f"arguments must be a JSON object, found {type(arguments).__name__}"
    nodes = characters = 0
    stack: list[tuple[Any, int]] = [(arguments, 0)]
    while stack:
        value, depth = stack.pop()
        nodes += 1
        kind = type(value)
        if kind is str:
            characters += len(value)
        if kind is not dict and kind is not list:
            problem = _unfit_scalar(value)
            if problem is not None:
                return problem
            continue
        if depth >= MAX_NESTING or nodes + len(value) > MAX_NODES:
            return f"arguments are limited to {MAX_NODES} values and {MAX_NESTING} levels"
        if kind is dict:
            if not all(type(key) is str for key in value):
                return "the names in a JSON object must be text"
            stack.extend((key, depth) for key in value)
        stack.extend((item, depth + 1) for item in (value.values() if kind is dict else value))
    return None if characters <= MAX_CHARACTERS else f"arguments are limited to {MAX_CHARACTERS} characters"


def _unfit_scalar(value: Any) -> str | None:
    kind = type(value)
    if kind is str:
        return None if value.isascii() or _is_unicode(value) else "a text has half a surrogate pair in it"
    if kind is int:
        return None if -(2**63) <= value < 2**63 else "an integer has more than 64 bits"
    if kind is float:
        return None if math.isfinite(value) else f"{value} is no JSON number"
    return None if value is None or kind is bool else f"{kind.__name__} is no JSON value"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _invalid(message: str, field: str = "") -> ToolError:
    return ToolError(kind=ToolErrorKind.INVALID_ARGUMENT, message=message, field=field)


def _short(text: str) -> str:
    return text if len(text) <= 300 else f"{text[:300]} …"
