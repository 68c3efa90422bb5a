"""Schemas out of examples: what a saved answer or a request body looks like, where a format has no schema language.

    {"id": 7, "tags": ["new"]}  ->  {"type": "object", "properties": {"id": {"type": "integer", …}, "tags": {…}}}
"""

from __future__ import annotations

import json
import re
from typing import Any

MAX_LEVELS = 12
MAX_MEMBERS = 200
_VARIABLE = re.compile(r'(?<!")\{\{[^{}]{1,100}\}\}(?!")')
_LIST_WORDS = re.compile(r"list of (\w+) with length \d+|(empty) list")
_COUNTER = "_list_length"


def parsed(text: str) -> Any:
    """The JSON value in `text`, with Postman's bare `{{variables}}` as text; None where it is no JSON."""
    try:
        return json.loads(_VARIABLE.sub('"variable"', text), strict=False, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def schema_of(value: Any, level: int = 0) -> dict[str, Any]:
    """The schema that `value` is an example of; a list is told by its first five items."""
    if isinstance(value, dict) and level < MAX_LEVELS:
        members = {str(k): schema_of(v, level + 1) for k, v in list(value.items())[:MAX_MEMBERS]}
        return {"type": "object", "properties": members}
    if isinstance(value, list) and level < MAX_LEVELS:
        return {"type": "array", "items": _common([schema_of(item, level + 1) for item in value[:5]])}
    if isinstance(value, bool):
        return {"type": "boolean"}
    if isinstance(value, (int, float)):
        return {"type": "integer" if isinstance(value, int) else "number", "example": value}
    if isinstance(value, str):
        told = len(value) <= 60 and not value.startswith(("<", "{{"))
        return {"type": "string", "example": value} if told else {"type": "string"}
    return {}


def template_schema(value: Any, level: int = 0) -> dict[str, Any]:
    """The schema that ToolBench's `template_response` spells: the shape of an answer with type words as its leaves."""
    if isinstance(value, dict) and level < MAX_LEVELS:
        members = [(str(k), v) for k, v in list(value.items())[:MAX_MEMBERS] if k != _COUNTER]
        return {"type": "object", "properties": {k: template_schema(v, level + 1) for k, v in members}}
    if isinstance(value, list) and level < MAX_LEVELS:
        real = [item for item in value[:5] if not (isinstance(item, dict) and item.keys() == {_COUNTER})]
        return {"type": "array", "items": _common([template_schema(item, level + 1) for item in real])}
    if isinstance(value, str):
        counted = _LIST_WORDS.fullmatch(value)
        if counted:
            return {"type": "array", "items": {"type": counted[1]} if counted[1] else {}}
        return {"type": value} if len(value) <= 20 else {"type": "string"}
    return {}


def _common(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """One schema for the items of a list: the members of all where they are objects, else the first."""
    objects = [schema for schema in schemas if schema.get("type") == "object"]
    if not objects:
        return schemas[0] if schemas else {}
    members: dict[str, Any] = {}
    for schema in objects:
        members = {**schema.get("properties", {}), **members}
    return {"type": "object", "properties": members}
