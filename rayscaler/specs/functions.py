"""Lists of functions as OpenAI's API takes them, and benchmark rows that carry such a list -> operations.

    [{"type": "function", "function": {"name": "get_weather", "description": "…", "parameters": {"type": "object", …}}}]
    {"id": "simple_0", "question": […], "function": [{"name": "math.factorial", "parameters": {"type": "dict", …}}]}

JSON or JSON lines. A function that many rows repeat is one tool and a duplicate for each repetition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rayscaler.reasons import Reason
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.naming import file_label, function_name, slug
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import listing, mapping, text

_LISTS = ("function", "functions", "tools")


def _entries(document: Any) -> Iterator[tuple[str, Any]]:
    """(pointer, declaration) of every function, in rows or not."""
    if isinstance(document, dict):
        yield from _row("", document)
        return
    for i, item in enumerate(listing(document)):
        yield from _row(pointer(i), item)


def _row(where: str, item: Any) -> Iterator[tuple[str, Any]]:
    key = next((key for key in _LISTS if listing(item, key)), "")
    if key:
        for i, inner in enumerate(item[key]):
            yield from _row(where + pointer(key, i), inner)
    elif mapping(item, "function"):
        yield where + pointer("function"), item["function"]
    else:
        yield where, item


def _operations(document: Any, reader: SchemaReader) -> Iterator[Operation | Refused]:
    for where, item in _entries(document):
        name = text(item, "name")
        if not isinstance(item, dict) or not name:
            found = type(item).__name__ if not isinstance(item, dict) else "an object without a name"
            yield Refused(where, Reason.INVALID_OPERATION, f"expected a function with a name, found {found}")
            continue
        declared = item.get("parameters", item.get("input_schema"))
        yield Operation(
            spelled=name,
            name=function_name(name),
            pointer=where,
            arguments=object_arguments(declared, reader),
            description=text(item, "description"),
            response=mapping(item, "response") or None,
        )


def object_arguments(declared: Any, reader: SchemaReader) -> Arguments:
    """The properties of an object schema as arguments; a bare `{name: schema}` is taken as its properties."""
    arguments = Arguments()
    schema = reader.merged(declared)
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        bare = isinstance(declared, dict) and all(isinstance(v, dict) for v in declared.values())
        properties = declared if bare and "$ref" not in declared else {}
    listed = listing(schema, "required")
    for name, member in properties.items():
        flagged = isinstance(member, dict) and member.get("required") is True
        arguments.add(name, member, "", required=name in listed or flagged)
    return arguments


def recognise(document: Any) -> bool:
    """The first entry is a function: it has a name and parameters, bare, wrapped, or in a row's list."""
    if not isinstance(document, (dict, list)) or (isinstance(document, dict) and "nodes" in document):
        return False
    for _, item in zip(range(5), _entries(document), strict=False):
        declaration = mapping(item[1])
        if "name" in declaration and ("parameters" in declaration or "input_schema" in declaration):
            return True
    return False


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API per file, called after the file; the vendor is the source."""
    reader = origin.reader(Document(document, origin.beside).locate)
    return [
        Specification(
            vendor=slug(origin.source) or "functions",
            api=file_label(origin.file),
            reader=reader,
            operations=_operations(document, reader),
        )
    ]


FORMAT = Format("functions", recognise, read)
