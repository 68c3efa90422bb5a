"""MCP tool listings -> operations, in both forms that registries publish.

    {"tools": [{"name": "get_node", "description": "…", "inputSchema": {"type": "object", …}}]}
    [{"name": "get_node", "description": "…", "arguments": [{"name": "nodeId", "type": "string", "desc": "…"}]}]

A registry's list of servers (`[{"name": …, "tools": {server: {"tools": […]}}}]`) gives one API per server. A file
`server.yaml` beside the listing, as Docker's registry has it, gives the title.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rayscaler.errors import SpecError
from rayscaler.reasons import Reason
from rayscaler.specs.decode import decode
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.functions import object_arguments
from rayscaler.specs.naming import file_label, function_name, slug
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import listing, mapping, text

_KEYS = frozenset({"name", "title", "description", "annotations", "arguments", "inputSchema", "outputSchema"})


def _servers(document: Any) -> Iterator[tuple[str, str, str, list[Any]]]:
    """(server or "", version, pointer, tools)."""
    if isinstance(document, dict):
        yield text(mapping(document, "serverInfo"), "name"), "", "/tools", listing(document, "tools")
        return
    items = listing(document)
    if not any(isinstance(item, dict) and isinstance(item.get("tools"), dict) for item in items):
        yield "", "", "", items
        return
    for i, item in enumerate(items):
        for key, server in mapping(item, "tools").items():
            name = text(server, "server_name") or key
            yield name, text(server, "version"), pointer(i, "tools", key, "tools"), listing(server, "tools")


def _operations(tools: list[Any], where: str, reader: SchemaReader) -> Iterator[Operation | Refused]:
    for i, tool in enumerate(tools):
        at = where + pointer(i)
        name = text(tool, "name")
        if not isinstance(tool, dict) or not name:
            yield Refused(at, Reason.INVALID_OPERATION, "expected a tool with a name")
            continue
        hint = mapping(tool, "annotations").get("readOnlyHint")
        yield Operation(
            spelled=name,
            name=function_name(name),
            pointer=at,
            arguments=_arguments(tool, reader),
            description=text(tool, "description") or text(tool, "title"),
            response=tool.get("outputSchema") if isinstance(tool.get("outputSchema"), dict) else None,
            read_only=hint if isinstance(hint, bool) else None,
        )


def _arguments(tool: dict[str, Any], reader: SchemaReader) -> Arguments:
    schema = tool.get("inputSchema", tool.get("input_schema"))
    if isinstance(schema, dict):
        return object_arguments(schema, reader)
    arguments = Arguments()
    for argument in listing(tool, "arguments"):
        # A flat argument is required unless it says `optional`.
        spare = mapping(argument)
        needed = spare.get("optional") is not True and spare.get("required") is not False
        arguments.add(text(argument, "name"), argument, "", required=needed)
    return arguments


def recognise(document: Any) -> bool:
    """One of the first tools has an input schema or a flat list of arguments, or all have MCP's keys and no others."""
    for _, (_, _, _, tools) in zip(range(5), _servers(document), strict=False):
        first = [mapping(tool) for tool in tools[:5]]
        named = bool(first) and all("name" in tool and "parameters" not in tool for tool in first)
        if named and any(isinstance(tool.get("inputSchema", tool.get("arguments")), (dict, list)) for tool in first):
            return True
        if named and all(tool.keys() <= _KEYS and "description" in tool for tool in first):
            return True
    return False


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API per server; a listing that names none is called after its file or folder."""
    reader = origin.reader(Document(document, origin.beside).locate)
    label, title = file_label(origin.file), _title(origin)
    return [
        Specification(
            vendor=slug(server) or label,
            api=slug(server) or label,
            reader=reader,
            operations=_operations(tools, where, reader),
            title=server or title,
            version=version,
        )
        for server, version, where, tools in _servers(document)
    ]


def _title(origin: Origin) -> str:
    """What `server.yaml` beside the file calls the server."""
    data = origin.beside("server.yaml") if origin.beside else None
    try:
        return text(mapping(decode(data, "server.yaml") if data else {}, "about"), "title")
    except SpecError:
        return ""


FORMAT = Format("mcp", recognise, read)
