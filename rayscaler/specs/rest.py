"""What Swagger 2 and OpenAPI 3 share: the walk over paths, parameters, answers, and what the API is called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from rayscaler.reasons import Reason
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.naming import api_of, file_label, function_name, route_name, route_nouns, slug, vendor_of
from rayscaler.specs.operation import Arguments, Operation, Origin, Refused, Specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import listing, mapping, text

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
_LOCATIONS = {"path": "path", "query": "query", "header": "header", "cookie": "header"}
# OpenAPI 3.1, Parameter Object: a header parameter of one of these names is to be ignored.
_TRANSPORT_HEADERS = frozenset({"accept", "content-type", "authorization"})
_TEMPLATE = re.compile(r"\{([^{}/]{1,100})\}")


class Call(NamedTuple):
    """One operation as it stands in the file. `parameters` are resolved, its own before the path's."""

    path: str
    method: str
    pointer: str
    parameters: list[dict[str, Any]]
    unresolved: list[str]
    operation: dict[str, Any]
    body: Any


class Dialect(NamedTuple):
    """What differs between the versions of the format."""

    schema: Callable[[dict[str, Any]], Any]
    """Schema of a parameter."""
    body: Callable[[Arguments, Call, SchemaReader], None]
    """Adds the request body of a call to its arguments."""
    answer: Callable[[dict[str, Any]], Any]
    """Schema of a response object."""


def operations(document: Document, dialect: Dialect, reader: SchemaReader) -> Iterator[Operation | Refused]:
    """Every operation of every path, in the file's order."""
    for section, path, item in _paths(document.root):
        resolved = document.resolved(item)
        if not isinstance(resolved, dict):
            yield _refused(pointer(section, path), item)
            continue
        for method in (key for key in resolved if key.lower() in METHODS):
            where = pointer(section, path, method)
            operation = document.resolved(resolved[method])
            if isinstance(operation, dict):
                declared = [*listing(operation, "parameters"), *listing(resolved, "parameters")]
                call = _call(document, path, where, operation, declared)
                yield _operation(call, dialect, reader, document)
            else:
                yield _refused(where, resolved[method])


def _refused(where: str, found: Any) -> Refused:
    if isinstance(found, dict) and "$ref" in found:
        detail = f"nothing at {text(found, '$ref')[:200]}; give the folder that holds the file it is in"
        return Refused(where, Reason.UNRESOLVED_REFERENCE, detail)
    return Refused(where, Reason.INVALID_OPERATION, f"expected an object, found {type(found).__name__}")


def _paths(root: Any) -> Iterator[tuple[str, str, Any]]:
    """(section, path, path item). Azure puts routes that differ in their query alone under `x-ms-paths`."""
    for section in ("paths", "x-ms-paths"):
        for path, item in mapping(root, section).items():
            if not path.startswith("x-"):
                yield section, path, item


def _call(document: Document, path: str, where: str, operation: dict[str, Any], declared: list[Any]) -> Call:
    parameters, unresolved = [], []
    for item in declared:
        parameter = document.resolved(item)
        if isinstance(parameter, dict):
            parameters.append(parameter)
        elif isinstance(item, dict) and "$ref" in item:
            unresolved.append(text(item, "$ref")[:200])
    body = document.resolved(operation.get("requestBody"))
    return Call(path, where.rpartition("/")[2].lower(), where, parameters, unresolved, operation, body)


def _operation(call: Call, dialect: Dialect, reader: SchemaReader, document: Document) -> Operation:
    operation = call.operation
    spelled = text(operation, "operationId").strip()
    route = call.path.partition("#")[0]
    readable = re.search("[A-Za-z]", spelled) is not None
    return Operation(
        spelled=spelled,
        name=function_name(spelled) if readable else route_name(call.method, route),
        pointer=call.pointer,
        arguments=_arguments(call, dialect, reader),
        description=_description(operation),
        response=_response(document, dialect, operation),
        method=call.method.upper(),
        path=call.path,
        resources=route_nouns(route),
        deprecated=operation.get("deprecated") is True,
        answers_nothing=_only_no_content(operation),
    )


def _arguments(call: Call, dialect: Dialect, reader: SchemaReader) -> Arguments:
    arguments = Arguments()
    arguments.left_out.extend(call.unresolved)
    for location, place in _LOCATIONS.items():
        for parameter in call.parameters:
            name = text(parameter, "name")
            if parameter.get("in") != location or (location == "header" and name.lower() in _TRANSPORT_HEADERS):
                continue
            schema = _described(dialect.schema(parameter), parameter)
            required = location == "path" or parameter.get("required") is True
            arguments.add(name, schema, place, required=required)
    for name in _TEMPLATE.findall(call.path.partition("#")[0]):
        arguments.add(name, {"type": "string"}, "path", required=True)
    dialect.body(arguments, call, reader)
    return arguments


def _described(schema: Any, parameter: dict[str, Any]) -> Any:
    """The parameter's own text wins over its schema's."""
    if not isinstance(schema, dict):
        schema = {}
    beside = {k: parameter[k] for k in ("description", "x-ms-summary", "example", "deprecated") if k in parameter}
    return {**schema, **beside, "required": None, "readOnly": False}


def _description(operation: dict[str, Any]) -> str:
    """The description, after the summary where that says something more."""
    summary, long = text(operation, "summary").strip().rstrip("."), text(operation, "description").strip()
    if not long or not summary:
        return long or summary
    return long if summary.lower() in long.lower() else f"{summary}. {long}"


def _response(document: Document, dialect: Dialect, operation: dict[str, Any]) -> Any:
    """Schema of the first success that has one: 200, 201, 202 …, 2XX; `default` only if no success is declared."""
    answers = mapping(operation, "responses")
    success = sorted(code for code in answers if code[:1] == "2")
    for code in success or (["default"] if "default" in answers else []):
        answer = document.resolved(answers[code])
        schema = dialect.answer(answer) if isinstance(answer, dict) else None
        if isinstance(schema, dict) and schema:
            return schema
    return None


def _only_no_content(operation: dict[str, Any]) -> bool:
    """Whether 204 (No Content) or 205 is the one success that is declared."""
    success = [code for code in mapping(operation, "responses") if code[:1] == "2"]
    return bool(success) and all(code in ("204", "205") for code in success)


def _version(root: Any, declared: str) -> str:
    """The declared version, and the one that all routes begin with where that is newer.

    Twilio's v1 and v2 both declare 1.0.0; without the route's version their tools would have the same ids.
    """
    major = re.match(r"v?(\d{1,2})(?:\.|$)", declared)
    first = {path.strip("/").partition("/")[0] for path in mapping(root, "paths")}
    routed = next(iter(first)) if len(first) == 1 else ""
    newer = major and re.fullmatch(r"v\d{1,2}", routed) and int(routed[1:]) > int(major[1])
    return f"{declared}-{routed}" if newer else declared


def specification(document: Document, dialect: Dialect, origin: Origin, servers: list[str]) -> list[Specification]:
    """The one API of a document. The vendor is the owner of its first host that has one, else its folder or source."""
    reader = origin.reader(document.locate)
    info = mapping(document.root, "info")
    title = text(info, "title").strip()
    vendor = next(filter(None, map(vendor_of, servers)), "") or slug(text(info, "x-providerName").partition(".")[0])
    return [
        Specification(
            vendor=vendor or file_label(origin.file),
            api=api_of(title, origin.file),
            reader=reader,
            operations=operations(document, dialect, reader),
            title=title[:200],
            version=_version(document.root, text(info, "version").strip()[:40]),
            license=text(mapping(info, "license"), "name").strip()[:80],
        )
    ]
