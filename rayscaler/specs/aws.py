"""AWS service models (botocore's `service-2.json`) -> operations.

    {"metadata": {"endpointPrefix": "sqs", …}, "operations": {"SendMessage": {"input": {"shape": "SendRequest"}}},
     "shapes": {"SendRequest": {"type": "structure", "required": ["QueueUrl"], "members": {…}}}}

A shape is translated into JSON Schema once, with references to the shapes that it is made of. Services that speak RPC
post everything to "/": their operations have neither method nor path here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from rayscaler.reasons import Reason
from rayscaler.specs.documents import pointer
from rayscaler.specs.lexicon import words_of
from rayscaler.specs.naming import function_name, slug
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import listing, mapping, text
from rayscaler.toolspec import words

_SCALARS: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "character": {"type": "string", "maxLength": 1},
    "integer": {"type": "integer"},
    "long": {"type": "integer", "format": "int64"},
    "short": {"type": "integer"},
    "byte": {"type": "integer"},
    "bigInteger": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "bigDecimal": {"type": "number"},
    "boolean": {"type": "boolean"},
    "timestamp": {"type": "string", "format": "date-time"},
    "blob": {"type": "string", "format": "byte"},
    "jsonvalue": {"type": "object"},
}
_IDEMPOTENCY = "Idempotency token: calls that repeat it have one effect."
_LOCATIONS = {"uri": "path", "querystring": "query", "header": "header", "headers": "header"}


class _Shapes:
    """The shapes of one model, translated on first use."""

    def __init__(self, shapes: dict[str, Any]) -> None:
        self._shapes = shapes
        self._translated: dict[str, dict[str, Any] | None] = {}

    def locate(self, name: str) -> dict[str, Any] | None:
        if name not in self._translated:
            shape = self._shapes.get(name)
            self._translated[name] = self._translate(shape) if isinstance(shape, dict) else None
        return self._translated[name]

    def members(self, name: str) -> dict[str, Any]:
        return mapping(self._shapes.get(name), "members")

    def required(self, name: str) -> list[Any]:
        return listing(self._shapes.get(name), "required")

    def _translate(self, shape: dict[str, Any]) -> dict[str, Any]:
        kind = text(shape, "type")
        out: dict[str, Any] = {"description": text(shape, "documentation")}
        if kind == "structure":
            if shape.get("document") is True:
                return out
            members = mapping(shape, "members")
            out |= {"type": "object", "properties": {n: reference(m) for n, m in members.items() if _in_body(m)}}
            out["required"] = listing(shape, "required")
        elif kind == "list":
            out |= {"type": "array", "items": reference(shape.get("member"))} | _limits(shape, "Items")
        elif kind == "map":
            out |= {"type": "object", "additionalProperties": reference(shape.get("value"))}
        else:
            out |= _SCALARS.get(kind, {})
            length = out.get("type") == "string" and kind != "timestamp"
            out |= _limits(shape, "Length") if length else {k: shape[v] for k, v in _NUMBERS if v in shape}
            out |= {key: shape[key] for key in ("enum", "pattern") if key in shape}
        return out


_NUMBERS = (("minimum", "min"), ("maximum", "max"))


def _limits(shape: dict[str, Any], what: str) -> dict[str, Any]:
    return {f"{key}{what}": shape[key] for key in ("min", "max") if key in shape}


def _in_body(member: Any) -> bool:
    return not (isinstance(member, dict) and member.get("location") == "statusCode")


def reference(member: Any) -> dict[str, Any]:
    """A member of a structure as a reference to its shape, with its own documentation."""
    documentation = text(member, "documentation")
    if isinstance(member, dict) and member.get("idempotencyToken") is True:
        documentation = f"{documentation} {_IDEMPOTENCY}".strip()
    return {"$ref": text(member, "shape")} | ({"description": documentation} if documentation else {})


def _operations(model: dict[str, Any], shapes: _Shapes) -> Iterator[Operation | Refused]:
    for key, operation in mapping(model, "operations").items():
        where = pointer("operations", key)
        if not isinstance(operation, dict):
            yield Refused(where, Reason.INVALID_OPERATION, f"expected an object, found {type(operation).__name__}")
            continue
        name = text(operation, "name") or key
        path = text(mapping(operation, "http"), "requestUri").partition("?")[0].replace("+}", "}")
        rpc = path in ("", "/")
        output = text(mapping(operation, "output"), "shape")
        yield Operation(
            spelled=name,
            name=function_name(name),
            pointer=where,
            arguments=_arguments(shapes, text(mapping(operation, "input"), "shape")),
            description=text(operation, "documentation"),
            response={"$ref": output} if shapes.members(output) else None,
            method="" if rpc else text(mapping(operation, "http"), "method").upper(),
            path="" if rpc else path,
            resources=operation_noun(name),
            deprecated=operation.get("deprecated") is True,
            answers_nothing=True,
        )


def _arguments(shapes: _Shapes, shape: str) -> Arguments:
    arguments = Arguments()
    required = shapes.required(shape)
    for name, member in shapes.members(shape).items():
        location = _LOCATIONS.get(text(member, "location"), "body")
        arguments.add(name, reference(member), location, required=name in required)
    return arguments


def operation_noun(name: str) -> tuple[str, ...]:
    """What an operation is about: `CreateUserHierarchyGroup` -> `user_hierarchy_group`; the verb is its first word."""
    parts = words(name)
    skip = 2 if len(parts) > 2 and parts[0] in words_of("before_verb") else 1
    rest = "_".join(parts[skip:])
    return (rest,) if rest else ()


def recognise(document: Any) -> bool:
    """A model has metadata with a protocol or an endpoint, operations and shapes."""
    metadata = mapping(document, "metadata")
    return bool(metadata) and "operations" in document and ("endpointPrefix" in metadata or "protocol" in metadata)


def read(document: Any, origin: Origin) -> list[Specification]:
    """One service. Its API is called after botocore's folder (`<service>/<date>/service-2.json`) where there is one."""
    metadata = mapping(document, "metadata")
    shapes = _Shapes(mapping(document, "shapes"))
    reader: SchemaReader = origin.reader(shapes.locate)
    folders = PurePosixPath(origin.file).parts[:-1]
    version = text(metadata, "apiVersion")
    in_tree = len(folders) >= 2 and folders[-1] == version
    service = folders[-2] if in_tree else text(metadata, "endpointPrefix") or text(metadata, "serviceId")
    return [
        Specification(
            vendor="amazonaws",
            api=slug(service) or "unnamed",
            reader=reader,
            operations=_operations(document, shapes),
            title=text(metadata, "serviceFullName"),
            version=version,
        )
    ]


FORMAT = Format("aws", recognise, read)
