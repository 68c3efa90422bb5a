"""ToolBench and StableToolBench -> operations: RapidAPI's tools, alone or in the rows of a benchmark.

    {"tool_name": "Vimeo", "api_list": [{"name": "SearchVideos", "method": "GET", "required_parameters": [{"name":
     "query", "type": "STRING", "description": "…"}], "optional_parameters": […], "template_response": {"id": "int"}}]}
    [{"query": "…", "api_list": [{"category_name": "Media", "tool_name": "Vimeo", "api_name": "SearchVideos", …}]}]

An API that many rows repeat is one tool and a duplicate for each repetition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rayscaler.reasons import Reason
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.examples import parsed, template_schema
from rayscaler.specs.lexicon import words_of
from rayscaler.specs.naming import function_name, label, route_nouns, vendor_of
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.values import listing, mapping, text

Item = tuple[str, Any]
"""A pointer and what stands there."""


def _items(document: Any) -> Iterator[tuple[str, Item]]:
    """(tool, item) of every API, in the file's order."""
    rows = [("", document)] if isinstance(document, dict) else [(pointer(i), row) for i, row in enumerate(document)]
    for where, row in rows:
        outer = text(row, "tool_name") or text(row, "title")
        for i, item in enumerate(listing(row, "api_list")):
            yield text(item, "tool_name") or outer or "unnamed", (where + pointer("api_list", i), item)


def _operations(items: list[Item]) -> Iterator[Operation | Refused]:
    for where, item in items:
        name = text(item, "api_name") or text(item, "name")
        if not isinstance(item, dict) or not name:
            yield Refused(where, Reason.INVALID_OPERATION, "expected an API with a name")
            continue
        path = _path(text(item, "url"))
        yield Operation(
            spelled=name,
            name=function_name(name),
            pointer=where,
            arguments=_arguments(item),
            description=text(item, "api_description") or text(item, "description") or name,
            response=_answer(item.get("template_response", item.get("schema"))),
            method=text(item, "method").upper()[:10],
            path=path,
            resources=route_nouns(path),
        )


def _arguments(item: dict[str, Any]) -> Arguments:
    arguments = Arguments()
    for key in ("required_parameters", "optional_parameters"):
        for parameter in listing(item, key):
            schema = {k: v for k, v in mapping(parameter).items() if k != "default" or v not in ("", None)}
            schema["type"] = text(parameter, "type") or "string"
            arguments.add(text(parameter, "name"), schema, "", required=key == "required_parameters")
    return arguments


def _answer(template: Any) -> dict[str, Any] | None:
    """The shape of an answer: an object or a list with type words for values, now and then spelled as JSON text.

    Many saved answers are RapidAPI's error for an expired subscription: these say nothing of a success.
    """
    value = parsed(template) if isinstance(template, str) else template
    if not isinstance(value, (dict, list)) or not value:
        return None
    failed = isinstance(value, dict) and all(key.lower().replace("_", " ") in words_of("error_answer") for key in value)
    return None if failed else template_schema(value)


def _path(url: str) -> str:
    return "/" + url.partition("://")[2].partition("/")[2].partition("?")[0] if "://" in url else ""


def recognise(document: Any) -> bool:
    """One of the first rows has a list of APIs, in RapidAPI's words."""
    rows = document[:5] if isinstance(document, list) else [document]
    for row in rows:
        first = mapping((listing(row, "api_list") or [None])[0])
        if {"required_parameters", "optional_parameters", "api_name"} & first.keys():
            return True
    return False


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API per RapidAPI tool: there each tool has its own publisher, so it is its own vendor too."""
    tools: dict[str, list[Item]] = {}
    for tool, item in _items(document):
        tools.setdefault(tool, []).append(item)
    return [
        Specification(
            vendor=vendor_of(text(items[0][1], "url")) or label(tool).lower(),
            api=label(tool),
            reader=origin.reader(Document(document).locate),
            operations=_operations(items),
            title=tool,
        )
        for tool, items in tools.items()
    ]


FORMAT = Format("toolbench", recognise, read)
