"""Swagger 2 documents -> operations.

    {"swagger": "2.0", "host": "api.petshop.com", "paths": {"/pets": {"post": {"parameters": [{"in": "body", "name":
     "pet", "schema": {"$ref": "#/definitions/Pet"}}], "responses": {"200": {"schema": {…}}}}}}}
"""

from __future__ import annotations

from typing import Any

from rayscaler.specs.documents import Document
from rayscaler.specs.operation import Arguments, Format, Origin, Specification
from rayscaler.specs.rest import Call, Dialect, specification
from rayscaler.specs.schemas import SchemaReader
from rayscaler.specs.values import text

_NOT_SCHEMA = frozenset({"name", "in", "required", "collectionFormat", "allowEmptyValue", "schema"})


def _schema(parameter: dict[str, Any]) -> Any:
    """A Swagger 2 parameter is its own schema; some files put one under `schema` all the same."""
    inline = {key: value for key, value in parameter.items() if key not in _NOT_SCHEMA}
    nested = parameter.get("schema")
    return {**nested, **inline} if isinstance(nested, dict) else inline


def _body(arguments: Arguments, call: Call, reader: SchemaReader) -> None:
    for parameter in call.parameters:
        required = parameter.get("required") is True
        if parameter.get("in") == "formData":
            arguments.add(text(parameter, "name"), _schema(parameter), "body", required=required)
        elif parameter.get("in") == "body":
            schema = parameter.get("schema", {})
            if isinstance(schema, dict) and "$ref" not in schema and "description" in parameter:
                schema = {"description": parameter["description"], **schema}
            arguments.add_body(reader, schema, name=text(parameter, "name") or "body", required=required)


def _answer(response: dict[str, Any]) -> Any:
    return response.get("schema")


def recognise(document: Any) -> bool:
    """It names the version of Swagger, 2.x; an unmarked document with paths and a host is taken for one."""
    if not isinstance(document, dict):
        return False
    marked = text(document, "swagger").startswith("2")
    return marked or (isinstance(document.get("paths"), dict) and "info" in document and "openapi" not in document)


def read(document: Any, origin: Origin) -> list[Specification]:
    """One API."""
    dialect = Dialect(_schema, _body, _answer)
    host = text(document, "host")
    return specification(Document(document, origin.beside), dialect, origin, [host] if host else [])


FORMAT = Format("swagger2", recognise, read)
