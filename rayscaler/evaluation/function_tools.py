"""Functions as ACEBench and BFCL declare them, as OpenAI tools: JSON Schema types, and names that servers take."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from rayscaler.evaluation.benchmark import ToolSchema

TYPES = {
    "dict": "object", "HashMap": "object", "list": "array", "tuple": "array", "Array": "array", "ArrayList": "array",
    "float": "number", "double": "number", "int": "integer", "long": "integer", "Bigint": "integer", "bool": "boolean",
    "Boolean": "boolean", "String": "string", "char": "string", "any": "string",
}  # fmt: skip
"""Declared types that JSON Schema calls otherwise; unknown ones are left out. The checkers take `any` for text."""

JSON_TYPES = frozenset({"object", "array", "number", "integer", "boolean", "string", "null"})

MAX_NAME = 64
"""Longest name of a function, in OpenAI's API."""


def tool_names(functions: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The name that a server takes -> the benchmark's, in order: `geo.search` is offered as `geo_search`.

    Functions whose names would be alike are told apart by a number.
    """
    found: dict[str, str] = {}
    for function in functions:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", function["name"])[:MAX_NAME]
        name, n = plain, 1
        while name in found:
            n += 1
            name = f"{plain[:MAX_NAME - 3]}_{n}"
        found[name] = function["name"]
    return found


def tools_of(functions: Sequence[Mapping[str, Any]]) -> tuple[ToolSchema, ...]:
    """The functions of an item as OpenAI tools. Some declare `arguments` instead of `parameters`."""
    found = []
    for name, function in zip(tool_names(functions), functions, strict=True):
        declared = next((function[key] for key in ("parameters", "arguments", "_arguments") if key in function), None)
        schema = {"type": "object", "properties": {}, **_schema(declared or {})}
        described = {"name": name, "description": function.get("description", ""), "parameters": schema}
        found.append({"type": "function", "function": described})
    return tuple(found)


def _schema(declared: Any) -> Any:
    """A declared schema in JSON Schema's words, without what it does not take (`required: true` in a property)."""
    if not isinstance(declared, dict):
        return declared
    schema: dict[str, Any] = {}
    for key, value in declared.items():
        if key == "properties" and isinstance(value, dict):
            schema[key] = {name: _schema(part) for name, part in value.items()}
        elif key == "items":
            schema[key] = _schema(value) if isinstance(value, dict) else {}
        elif key == "type":
            named = TYPES.get(str(value), str(value))
            schema |= {"type": named} if named in JSON_TYPES else {}
        elif _is_keyword(key, value):
            schema[key] = value
    return schema


def _is_keyword(key: str, value: Any) -> bool:
    """Whether JSON Schema takes the value: `required` lists names, and a pattern must be one."""
    if key == "required":
        return isinstance(value, list)
    if key == "pattern":
        try:
            re.compile(str(value))
        except re.error:
            return False
    return True
