"""Gorilla's API Zoo -> operations.

    [{"user_name": "…", "api_name": "Datadog API - Key Management: Get API key", "api_version": "v2",
      "api_call": "GET /api/v2/api_keys/{api_key_id}", "functionality": "Get an API key.",
      "api_arguments": {"api_key_id": "[REQUIRED] string: The ID of the API key."}}]

The call is a route or a Python expression. An argument is words, a list of choices, or an object with a `data_type`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from rayscaler.reasons import Reason
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.naming import file_label, function_name, label, route_nouns
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.prose import described
from rayscaler.specs.values import mapping, text

MAX_CALL = 4_000
"""Characters of a call that are looked at."""

MAX_LEVELS = 8
"""Objects inside objects in one argument."""

_ROUTE = re.compile(r"(GET|PUT|POST|DELETE|PATCH|HEAD)\s+(/\S{0,500})")
_FUNCTION = re.compile(r"([A-Za-z_]\w{0,100})\(")
_PLACEHOLDER = re.compile(r"\{([^{}/]{1,100})\}")
_ARTICLES = re.compile(r"\b(?:a|an|the)\b\s+", re.I)
_MEMBERS = ("properties", "elements", "structure", "fields")


class _Entry(NamedTuple):
    """One API of the file: its own title is split into the API's and the operation's."""

    pointer: str
    value: dict[str, Any]
    operation: str


def _operations(entries: list[_Entry]) -> Iterator[Operation | Refused]:
    for entry in entries:
        value, call = entry.value, text(entry.value, "api_call")[:MAX_CALL]
        if not call and not entry.operation:
            yield Refused(entry.pointer, Reason.INVALID_OPERATION, "expected an API with a name and a call")
            continue
        found = _ROUTE.match(call) or _ROUTE.match(entry.operation)
        path = found[2] if found else ""
        yield Operation(
            spelled=entry.operation,
            name=_name(entry.operation, call),
            pointer=entry.pointer,
            arguments=_arguments(value, path or call, "path" if path else ""),
            description=text(value, "functionality") or entry.operation,
            method=found[1] if found else "",
            path=path,
            resources=route_nouns(path),
        )


def _name(operation: str, call: str) -> str:
    """After what is done: without the section that stands before it; a bare route is called after its function."""
    function = _FUNCTION.search(call)
    if _ROUTE.match(operation) and function:
        return function_name(function[1])
    section, _, action = operation.rpartition(": ")
    return function_name(_ARTICLES.sub("", action if action.count(" ") else f"{section} {action}"))


def _arguments(value: dict[str, Any], call: str, location: str) -> Arguments:
    arguments = Arguments()
    named = _PLACEHOLDER.findall(call)
    for name, declared in mapping(value, "api_arguments").items():
        schema, required = _schema(declared)
        inside = name in named
        if required is None:
            required = inside and "optional" not in text(schema, "description").lower()
        needed = required or (inside and bool(location))
        arguments.add(name.strip(), schema, location if inside else "", required=needed)
    for name in named if location else ():
        arguments.add(name, {"type": "string"}, location, required=True)
    return arguments


def _schema(declared: Any, level: int = 0) -> tuple[dict[str, Any], bool | None]:
    """The schema of an argument, and whether it says that it is required."""
    if isinstance(declared, str):
        return described(declared)
    if isinstance(declared, bool):
        return {"type": "boolean", "default": declared}, False
    if isinstance(declared, list):
        return {"type": "string", "enum": declared}, None
    if not isinstance(declared, dict) or level > MAX_LEVELS:
        return {}, None
    kind = text(declared, "data_type") or text(declared, "type")
    if not kind and not text(declared, "description"):
        return {"type": "object", "properties": {k: _schema(v, level + 1)[0] for k, v in declared.items()}}, None
    schema: dict[str, Any] = {"type": kind, "description": text(declared, "description")}
    schema["enum"] = declared.get("possible_values", declared.get("valid_values"))
    schema["maxLength"] = declared.get("maximum_length")
    schema["default"] = declared.get("default")
    members: dict[str, Any] = next((declared[key] for key in _MEMBERS if isinstance(declared.get(key), dict)), {})
    if members:
        inner = {"type": "object", "properties": {k: _schema(v, level + 1)[0] for k, v in members.items()}}
        schema |= {"items": inner} if kind.lower().startswith(("array", "list")) else inner
    told = described(text(declared, "description")).required
    needed = declared.get("required")
    return schema, needed if isinstance(needed, bool) else False if declared.get("optional") is True else told


def recognise(document: Any) -> bool:
    """One of the first entries has an API's name and its call."""
    rows = document[:5] if isinstance(document, list) else [document]
    return any({"api_name", "api_call"} <= mapping(row).keys() for row in rows)


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API for each title that entries begin with (`Datadog API - …`); the vendor is the file's label."""
    rows = document if isinstance(document, list) else [document]
    vendor = file_label(origin.file)
    apis: dict[str, list[_Entry]] = {}
    for i, row in enumerate(rows):
        title = text(row, "api_name")
        api, dash, operation = title.partition(" - ")
        entry = _Entry(pointer(i) if isinstance(document, list) else "", mapping(row), operation.strip() or title)
        apis.setdefault((dash and api.strip()) or vendor, []).append(entry)
    reader = origin.reader(Document(document).locate)
    return [
        Specification(
            vendor=vendor.removesuffix("_API").removesuffix("API").lower() or vendor,
            api=label(api),
            reader=reader,
            operations=_operations(entries),
            title=api,
            version=text(entries[0].value, "api_version")[:40],
        )
        for api, entries in apis.items()
    ]


FORMAT = Format("apizoo", recognise, read)
