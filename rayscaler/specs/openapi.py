"""OpenAPI 3.0 and 3.1 documents -> operations.

    {"openapi": "3.0.3", "paths": {"/pets/{petId}": {"get": {"operationId": "getPet", "parameters": [{"name": "petId",
     "in": "path", "schema": {"type": "string"}}], "responses": {"200": {"content": {"application/json": {…}}}}}}}}
"""

from __future__ import annotations

from typing import Any

from rayscaler.specs.documents import Document
from rayscaler.specs.operation import Arguments, Format, Origin, Specification
from rayscaler.specs.rest import Call, Dialect, specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import listing, mapping, text

_PREFERRED = ("application/json", "multipart/form-data", "application/x-www-form-urlencoded")


def _content(holder: dict[str, Any]) -> Any:
    """The schema of the media type that a JSON caller would take."""
    content = {k: v for k, v in mapping(holder, "content").items() if isinstance(v, dict)}
    json_like = [k for k in content if "json" in k.lower()]
    for key in (_PREFERRED[0], *json_like, *_PREFERRED[1:], *content):
        schema = mapping(content, key).get("schema")
        if isinstance(schema, dict):
            return schema
    # A media type without a schema is a body all the same: a file, free text.
    return {"type": "string"} if content and not json_like else None


def _schema(parameter: dict[str, Any]) -> Any:
    return parameter["schema"] if "schema" in parameter else _content(parameter)


def _body(arguments: Arguments, call: Call, reader: SchemaReader) -> None:
    body = call.body
    if not isinstance(body, dict):
        return
    schema = _content(body)
    if schema is not None:
        required = body.get("required") is True
        if "description" in body and "$ref" not in schema:
            schema = {"description": body["description"], **schema}
        arguments.add_body(reader, schema, required=required)


def _servers(document: Any) -> list[str]:
    urls = []
    for server in listing(document, "servers"):
        url = text(server, "url")
        for name, variable in mapping(server, "variables").items():
            url = url.replace(f"{{{name}}}", text(variable, "default"))
        urls.append(url)
    return urls


def recognise(document: Any) -> bool:
    """It names the version of OpenAPI, 3.x."""
    return isinstance(document, dict) and text(document, "openapi").startswith("3")


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API."""
    dialect = Dialect(_schema, _body, _content)
    return specification(Document(document, origin.beside), dialect, origin, _servers(document))


FORMAT = Format("openapi3", recognise, read)
