"""Record types of a benchmark, made from the JSON Schema that its data brings: pydantic models as its own tools have.

The order of fields, the defaults and what is accepted (`"3"` for a number) are the schema's and pydantic's, so a record
is written, read and refused as upstream does it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field, create_model

Schema = Mapping[str, Any]

SCALARS: dict[str, Any] = {"string": str, "number": float, "integer": int, "boolean": bool, "null": None}


class Shapes:
    """The models of one schema: those of `$defs` by name, and the tables of the database."""

    def __init__(self, schema: Schema) -> None:
        self._defs = schema.get("$defs", {})
        self._made: dict[str, type[BaseModel]] = {}
        self.tables = {name: self._type(part) for name, part in schema["properties"].items()}
        self.database = self._model("Database", schema)

    def __getitem__(self, name: str) -> type[BaseModel]:
        """The model called `name`."""
        if name not in self._made:
            self._made[name] = self._model(name, self._defs[name])
        return self._made[name]

    def _model(self, name: str, schema: Schema) -> type[BaseModel]:
        extra: Literal["forbid", "ignore"] = "forbid" if schema.get("additionalProperties") is False else "ignore"
        required = schema.get("required", ())
        fields: dict[str, Any] = {key: self._field(part, key in required) for key, part in schema["properties"].items()}
        config = ConfigDict(extra=extra, protected_namespaces=())
        made: type[BaseModel] = create_model(name, __config__=config, **fields)
        return made

    def _field(self, schema: Schema, required: bool) -> tuple[Any, Any]:
        found = self._type(schema)
        if "default" in schema:
            return found, Field(default=schema["default"], validate_default=True)
        if required:
            return found, ...
        # A default that the schema does not spell out: an empty list or map, or a record of defaults.
        return found, Field(default_factory=found if isinstance(found, type) else get_origin(found))

    def _type(self, schema: Schema) -> Any:
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            return self[name] if "properties" in self._defs[name] else self._type(self._defs[name])
        if "const" in schema:
            return Literal[schema["const"]]
        if "enum" in schema:
            return Literal[tuple(schema["enum"])]
        if "anyOf" in schema:
            return reduce(or_, [self._type(part) for part in schema["anyOf"]])
        if schema.get("type") == "array":
            return list[self._type(schema["items"])]  # type: ignore[misc]
        if schema.get("type") == "object" and "additionalProperties" in schema:
            names: Any = self._type(schema["propertyNames"]) if "propertyNames" in schema else str
            return dict[names, self._type(schema["additionalProperties"])]  # type: ignore[misc]
        if schema.get("format") in ("date", "date-time"):
            return datetime.date if schema["format"] == "date" else datetime.datetime
        return SCALARS[schema["type"]] if "type" in schema else Any
