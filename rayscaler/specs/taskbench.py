"""TaskBench's tool graphs -> operations.

    {"nodes": [{"id": "get_weather", "desc": "…", "parameters": [{"name": "date", "type": "date", "desc": "…"}]}]}
    {"nodes": [{"id": "Image Downloader", "desc": "…", "input-type": ["url"], "output-type": ["image"]}]}

Nodes of the second kind have types for arguments: an argument is called after its type, and media are URLs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rayscaler.reasons import Reason
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.naming import file_label, function_name, slug
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.values import listing, mapping, text


def _operations(nodes: list[Any]) -> Iterator[Operation | Refused]:
    for i, node in enumerate(nodes):
        name = text(node, "id")
        if not name:
            yield Refused(pointer("nodes", i), Reason.INVALID_OPERATION, "expected a node with an id")
            continue
        answers = _typed(listing(node, "output-type"))
        yield Operation(
            spelled=name,
            name=function_name(name),
            pointer=pointer("nodes", i),
            arguments=_arguments(node),
            description=text(node, "desc"),
            response={"type": "object", "properties": answers} if answers else None,
        )


def _arguments(node: Any) -> Arguments:
    arguments = Arguments()
    for parameter in listing(node, "parameters"):
        arguments.add(text(parameter, "name"), parameter, "", required=True)
    for name, schema in _typed(listing(node, "input-type")).items():
        arguments.add(name, schema, "", required=True)
    return arguments


def _typed(kinds: list[Any]) -> dict[str, Any]:
    """Type words as members: `["image", "image"]` -> image, image_2."""
    members: dict[str, Any] = {}
    for kind in kinds:
        word = text(kind).strip().lower()
        if word:
            number = sum(name.split("_")[0] == word for name in members) + 1
            schema = {"type": "string"} if word == "text" else {"type": "string", "format": "uri"}
            members[word if number == 1 else f"{word}_{number}"] = schema
    return members


def recognise(document: Any) -> bool:
    """Its first node has an id and a description."""
    nodes = listing(document, "nodes")
    return bool(nodes) and {"id", "desc"} <= mapping(nodes[0]).keys()


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API per file."""
    vendor = slug(origin.source) or "taskbench"
    reader = origin.reader(Document(document).locate)
    operations = _operations(listing(document, "nodes"))
    return [Specification(vendor=vendor, api=file_label(origin.file), reader=reader, operations=operations)]


FORMAT = Format("taskbench", recognise, read)
