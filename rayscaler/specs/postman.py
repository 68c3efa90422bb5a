"""Postman collections 2.0 and 2.1 -> operations.

    {"info": {"name": "Transfers", "schema": "https://schema.getpostman.com/…"}, "item": [{"name": "Transfers", "item":
     [{"name": "Get a transfer", "request": {"method": "GET", "url": {"path": ["transfers", ":id"], "variable": […]}},
       "response": [{"code": 200, "body": "{…}"}]}]}]}

A collection has examples where other formats have schemas: bodies and answers are read from them. A query parameter
that is switched off in the example is optional.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rayscaler.reasons import Reason
from rayscaler.specs.documents import Document, pointer
from rayscaler.specs.examples import parsed, schema_of
from rayscaler.specs.naming import api_of, file_label, function_name, route_nouns, slug, vendor_of
from rayscaler.specs.operation import Arguments, Format, Operation, Origin, Refused, Specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import listing, mapping, text

MAX_NESTING = 20
"""Folders inside folders. Real collections have at most 5."""

MAX_URL = 2_000
"""Characters of a URL that are looked at."""

_TRANSPORT = frozenset({"accept", "content-type", "authorization", "user-agent", "host", "x-api-key", "cache-control"})
_DEPRECATED = re.compile(r"\bdeprecated\b", re.I)
_SEGMENT = re.compile(r"\{\{([^{}]+)\}\}|^:([\w.-]+)")


def _requests(items: list[Any], where: str, gone: bool, level: int = 0) -> Iterator[tuple[str, Any, bool]]:
    """(pointer, item, whether it or its folder is called deprecated) of every request."""
    for i, item in enumerate(items):
        at = where + pointer(i)
        old = gone or bool(_DEPRECATED.search(text(item, "name")[:200]))
        if isinstance(item, dict) and isinstance(item.get("item"), list):
            if level < MAX_NESTING:
                yield from _requests(item["item"], at + "/item", old, level + 1)
        else:
            yield at, item, old


def _operations(document: Any, reader: SchemaReader) -> Iterator[Operation | Refused]:
    for where, item, deprecated in _requests(listing(document, "item"), "/item", False):
        request = mapping(item, "request")
        if not request or not text(item, "name"):
            yield Refused(where, Reason.INVALID_OPERATION, "expected a named item with a request")
            continue
        path = _path(request.get("url"))
        yield Operation(
            spelled=text(item, "name"),
            name=function_name(_DEPRECATED.sub("", text(item, "name"))),
            pointer=where,
            arguments=_arguments(request, path, reader),
            description=_text_of(request.get("description")) or text(item, "name"),
            response=_answer(item),
            method=text(request, "method").upper()[:10] or "GET",
            path=path,
            resources=route_nouns(path),
            deprecated=deprecated,
        )


def _path(url: Any) -> str:
    """The route of a URL, variables as `{name}`, without its host."""
    parts = [p if isinstance(p, str) else text(p, "value") for p in listing(url, "path")]
    if not parts:
        raw = (url if isinstance(url, str) else text(url, "raw"))[:MAX_URL].partition("?")[0]
        parts = re.sub(r"^\w+://[^/]*|^\{\{[^{}]*\}\}", "", raw).split("/")
    return "/" + "/".join(_SEGMENT.sub(lambda m: "{" + (m[1] or m[2]) + "}", part) for part in parts if part)


def _arguments(request: dict[str, Any], path: str, reader: SchemaReader) -> Arguments:
    arguments = Arguments()
    url = request.get("url")
    declared = {text(v, "key"): v for v in listing(url, "variable")}
    for name in re.findall(r"\{([^{}/]{1,100})\}", path):
        arguments.add(name, _field(declared.get(name)), "path", required=True)
    for entry in listing(url, "query"):
        needed = mapping(entry).get("disabled") is False or "(required)" in _text_of(mapping(entry).get("description"))
        arguments.add(text(entry, "key"), _field(entry), "query", required=needed)
    for entry in listing(request, "header"):
        if text(entry, "key").lower() not in _TRANSPORT:
            arguments.add(text(entry, "key"), _field(entry), "header", required=False)
    _body(arguments, mapping(request, "body"), reader)
    return arguments


def _body(arguments: Arguments, body: dict[str, Any], reader: SchemaReader) -> None:
    mode = text(body, "mode")
    if mode in ("urlencoded", "formdata"):
        for entry in listing(body, mode):
            needed = mapping(entry).get("disabled") is False
            arguments.add(text(entry, "key"), _field(entry), "body", required=needed)
    elif mode == "graphql":
        arguments.add("variables", {"type": "object"}, "body", required=False)
    elif mode == "file":
        arguments.add("file", {"type": "file"}, "body", required=True)
    elif text(body, "raw").strip():
        value = parsed(text(body, "raw"))
        arguments.add_body(reader, {"type": "string"} if value is None else schema_of(value), required=True)


def _field(entry: Any) -> dict[str, Any]:
    schema = {"type": text(entry, "type") if text(entry, "type") in ("file", "number", "boolean") else "string"}
    described = _text_of(mapping(entry).get("description"))
    example = text(entry, "value")
    made_up = not example or "{" in example or "<" in example or example.endswith("_example") or len(example) > 60
    return {**schema, "description": described} | ({} if made_up else {"example": example})


def _text_of(description: Any) -> str:
    return text(description, "content") if isinstance(description, dict) else text(description)


def _answer(item: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of the first saved success that is JSON."""
    for response in listing(item, "response"):
        if text(response, "code").startswith("2"):
            value = parsed(text(response, "body"))
            if isinstance(value, (dict, list)):
                return schema_of(value)
    return None


def recognise(document: Any) -> bool:
    """A collection has items, and an id or a schema of Postman's."""
    info = mapping(document, "info")
    return "item" in mapping(document) and ("_postman_id" in info or "getpostman.com" in text(info, "schema"))


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API. Its vendor is the owner of the first variable that holds a URL, else the file's label."""
    info = mapping(document, "info")
    reader = origin.reader(Document(document).locate)
    hosts = (vendor_of(text(variable, "value")) for variable in listing(document, "variable"))
    version = info.get("version")
    parts = [text(version, key) for key in ("major", "minor", "patch")] if isinstance(version, dict) else []
    return [
        Specification(
            vendor=next(filter(None, hosts), "") or slug(origin.source) or file_label(origin.file),
            api=api_of(text(info, "name"), origin.file),
            reader=reader,
            operations=_operations(document, reader),
            title=text(info, "name").strip()[:200],
            version=".".join(parts) or text(version)[:40],
        )
    ]


FORMAT = Format("postman", recognise, read)
