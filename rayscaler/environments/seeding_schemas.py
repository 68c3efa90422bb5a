"""What seeding makes of the JSON Schemas of nested values: told once per schema, because every row asks again."""

from __future__ import annotations

from typing import Any, NamedTuple

from rayscaler.environment import Column, Semantic
from rayscaler.environments.infer_semantics import semantic_of

MAX_PROPERTIES = 8
"""Most properties of a made-up JSON object; its required ones come first."""

ANY_TEXT: dict[str, Any] = {"type": "string"}
"""What an item of a list is whose schema does not say."""


class Shapes(NamedTuple):
    """The properties that are filled of an object, and whether it is a person."""

    properties: dict[str, dict[str, Any]]
    of_person: bool


class KnownSchemas:
    """Answers by the identity of a schema; the schema that is kept beside an answer keeps its identity from others."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, int], tuple[dict[str, Any], Column]] = {}
        self._shapes: dict[int, tuple[dict[str, Any], Shapes]] = {}

    def column_of(self, path: str, schema: dict[str, Any]) -> Column:
        """A property of a JSON object, called by its path, as if it were a column."""
        kept = self._columns.get((path, id(schema)))
        if kept is None:
            kept = self._columns[path, id(schema)] = schema, _as_column(path, schema)
        return kept[1]

    def shapes_of(self, schema: dict[str, Any]) -> Shapes:
        """The properties that are filled of an object with this schema, required ones first."""
        kept = self._shapes.get(id(schema))
        if kept is None:
            kept = self._shapes[id(schema)] = schema, _shapes(schema)
        return kept[1]


def _shapes(schema: dict[str, Any]) -> Shapes:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return Shapes({}, False)
    required = [p for p in schema.get("required") or () if p in properties]
    names = [*required, *(p for p in properties if p not in required)][:MAX_PROPERTIES]
    shapes = {name: properties[name] if isinstance(properties[name], dict) else {} for name in names}
    return Shapes(shapes, any(semantic_of(n, s) is Semantic.EMAIL for n, s in shapes.items()))


def _as_column(path: str, schema: dict[str, Any]) -> Column:
    type_ = {"integer": "INTEGER", "number": "REAL", "boolean": "INTEGER"}.get(str(schema.get("type")), "TEXT")
    semantic = semantic_of(path.rpartition(".")[2], schema)
    if semantic is Semantic.JSON:
        semantic = Semantic.WORD
    return Column(name=path, type=type_, semantic=semantic, minimum=_bound(schema, "minimum"),
                  maximum=_bound(schema, "maximum"))


def _bound(schema: dict[str, Any], name: str) -> float | None:
    value = schema.get(name)
    return float(value) if isinstance(value, (int, float)) else None
