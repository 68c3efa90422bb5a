"""Google discovery documents -> operations.

    {"kind": "discovery#restDescription", "name": "tasks", "version": "v1", "resources": {"tasklists": {"methods":
     {"list": {"id": "tasks.tasklists.list", "path": "tasks/v1/users/@me/lists", "response": {"$ref": "TaskLists"}}}}}}

A request's members stand beside the path and query parameters. A member whose annotation names the method is required.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rayscaler.reasons import Reason
from rayscaler.specs.documents import pointer
from rayscaler.specs.naming import function_name, noun, slug
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import listing, mapping, text

MAX_NESTING = 20
"""Resources inside resources. Real documents have at most 7."""


def _methods(
    holder: dict[str, Any], where: tuple[str, ...], level: int = 0
) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    """(path of keys, resource path, method) of every method below `holder`."""
    for name, method in mapping(holder, "methods").items():
        yield (*where, "methods", name), name, method
    if level < MAX_NESTING:
        for name, resource in mapping(holder, "resources").items():
            yield from _methods(mapping(resource), (*where, "resources", name), level + 1)


def _operations(document: dict[str, Any], reader: SchemaReader) -> Iterator[Operation | Refused]:
    api = text(document, "name")
    for keys, name, method in _methods(document, ()):
        where = pointer(*keys)
        if not isinstance(method, dict):
            yield Refused(where, Reason.INVALID_OPERATION, f"expected an object, found {type(method).__name__}")
            continue
        nested = [keys[i + 1] for i in range(0, len(keys) - 2, 2)]
        method_id = text(method, "id") or ".".join([api, *nested, name])
        path = (text(method, "path") or text(method, "flatPath")).replace("{+", "{")
        yield Operation(
            spelled=method_id,
            name=function_name(method_id),
            pointer=where,
            arguments=_arguments(method, method_id, reader),
            description=text(method, "description"),
            response=mapping(method, "response") or None,
            method=text(method, "httpMethod").upper(),
            path="/" + path.lstrip("/") if path else "",
            resources=tuple(n for n in map(noun, nested) if n),
            deprecated=method.get("deprecated") is True,
            answers_nothing=True,
        )


def _arguments(method: dict[str, Any], method_id: str, reader: SchemaReader) -> Arguments:
    arguments = Arguments()
    parameters = mapping(method, "parameters")
    ordered = [n for n in listing(method, "parameterOrder") if isinstance(n, str) and n in parameters]
    for name in dict.fromkeys([*ordered, *parameters]):
        parameter = mapping(parameters, name)
        schema = parameter
        if parameter.get("repeated") is True:
            schema = {"type": "array", "items": {k: v for k, v in parameter.items() if k != "description"}}
            schema["description"] = text(parameter, "description")
        location = "path" if text(parameter, "location") == "path" else "query"
        arguments.add(name, schema, location, required=parameter.get("required") is True)
    request = mapping(method, "request")
    for name, member in mapping(reader.merged(request), "properties").items():
        needed = method_id in listing(mapping(member, "annotations"), "required")
        arguments.add(name, member, "body", required=needed)
    return arguments


def recognise(document: Any) -> bool:
    """A discovery document says so, or has its three marks."""
    if not isinstance(document, dict):
        return False
    marks = ("rootUrl", "servicePath", "discoveryVersion")
    return document.get("kind") == "discovery#restDescription" or all(mark in document for mark in marks)


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API in one version."""
    schemas = mapping(document, "schemas")
    reader = origin.reader(schemas.get)
    return [
        Specification(
            vendor="googleapis",
            api=slug(text(document, "name")) or "unnamed",
            reader=reader,
            operations=_operations(document, reader),
            title=text(document, "title"),
            version=text(document, "version"),
        )
    ]


FORMAT = Format("google", recognise, read)
