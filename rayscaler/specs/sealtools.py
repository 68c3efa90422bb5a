"""Seal-Tools' JSON lines -> operations.

    {"api_name": "analyzeEvidence", "api_description": "…", "field": "Chemical Engineering/Forensic engineering",
     "parameters": {"sample": {"type": "str", "description": "…"}}, "required": ["sample"],
     "responses": {"conclusion": {"type": "str", "description": "…"}}}

The field is the API: it is the one grouping that the data set has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rayscaler.reasons import Reason
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.functions import object_arguments
from rayscaler.specs.naming import function_name, label, slug
from rayscaler.specs.operation import Format, Operation, Origin, Refused, Specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import listing, mapping, text


def _operations(items: list[tuple[str, Any]], reader: SchemaReader) -> Iterator[Operation | Refused]:
    for where, item in items:
        name = text(item, "api_name")
        if not isinstance(item, dict) or not name:
            yield Refused(where, Reason.INVALID_OPERATION, "expected an API with a name")
            continue
        declared = {"properties": mapping(item, "parameters"), "required": listing(item, "required")}
        answers = mapping(item, "responses")
        yield Operation(
            spelled=name,
            name=function_name(name),
            pointer=where,
            arguments=object_arguments(declared, reader),
            description=text(item, "api_description"),
            response={"type": "object", "properties": answers} if answers else None,
        )


def recognise(document: Any) -> bool:
    """One of the first lines has an API's name, description and parameters."""
    rows = document[:5] if isinstance(document, list) else [document]
    return any({"api_name", "api_description", "parameters"} <= mapping(row).keys() for row in rows)


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API per field of knowledge."""
    rows = document if isinstance(document, list) else [document]
    fields: dict[str, list[tuple[str, Any]]] = {}
    for i, row in enumerate(rows):
        where = pointer(i) if isinstance(document, list) else ""
        fields.setdefault(text(row, "field") or "general", []).append((where, row))
    reader = origin.reader(Document(document).locate)
    return [
        Specification(
            vendor=slug(origin.source) or "seal-tools",
            api=label(field.replace("/", "-")),
            reader=reader,
            operations=_operations(items, reader),
            title=field.rpartition("/")[2],
        )
        for field, items in fields.items()
    ]


FORMAT = Format("seal-tools", recognise, read)
