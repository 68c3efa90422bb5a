"""Formats that are recognised by their content and have no adapter. An adapter takes the place of its line here."""

from __future__ import annotations

from typing import Any

from rayscaler.specs.operation import Format, Origin, Specification
from rayscaler.specs.values import mapping


def _asyncapi(document: Any) -> bool:
    return "asyncapi" in mapping(document)


def _graphql(document: Any) -> bool:
    return "__schema" in mapping(document) or bool(mapping(document, "data", "__schema"))


def _har(document: Any) -> bool:
    return "entries" in mapping(document, "log")


def _server(document: Any) -> bool:
    """A registry's file about an MCP server; the tools themselves are in `tools.json` beside it."""
    return {"name", "about", "type"} <= mapping(document).keys() and document["type"] in ("server", "remote", "poci")


def _nothing(document: Any, origin: Origin) -> list[Specification]:
    del document, origin
    return []


FORMATS = (
    Format("asyncapi", _asyncapi, None),
    Format("graphql", _graphql, None),
    Format("har", _har, None),
    Format("mcp-server", _server, _nothing),
)
