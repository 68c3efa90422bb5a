"""A tool's parameters as the agent reads them: what has an effect, required first, cut to what a prompt can carry.

A parameter without effect on the database (pagination tokens, formats, columns that were not kept) is left out unless
the specification requires it; `left_out` names them. What is left is bounded: nested objects to the recipe's depth and
width, descriptions to whole sentences, and, should that still be too much, detail by detail until it fits. Lists of
allowed values stay.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rayscaler.canonical import dumps
from rayscaler.environment import Part
from rayscaler.environments.infer_bounds import Bound, Plan
from rayscaler.environments.infer_tables import Tables
from rayscaler.environments.infer_types import values_held
from rayscaler.environments.lexicon import is_boilerplate
from rayscaler.environments.schemas import SCALARS, bounded, enum_of, properties, required, type_of
from rayscaler.recipes import MaterializeRecipe
from rayscaler.toolspec import JsonSchema

_MANY_VALUES = 60
"""An enumeration of more values is no list to choose from; columns have none of them either. Ours."""


class _Detail(NamedTuple):
    """How much of a schema is told: levels below a parameter, properties per object, characters of a description."""

    depth: int
    width: int
    said: int
    said_inside: int


def offered(plan: Plan) -> list[Bound]:
    """The parameters that the tool has: those with an effect and those that are required; required ones first."""
    kept = [b for b in plan.bounds if not _is_left_out(plan, b)]
    return sorted(kept, key=lambda b: (not b.needed, b.part is not Part.KEY))


def left_out(plan: Plan) -> tuple[str, ...]:
    """The specification's optional parameters that would have no effect here, by name."""
    return tuple(b.parameter for b in plan.bounds if _is_left_out(plan, b))


def _is_left_out(plan: Plan, bound: Bound) -> bool:
    """Without effect, and optional or a header of the protocol (an authentication token)."""
    place = plan.placed.reading.tool.locations.get(bound.parameter)
    return bound.part is Part.IGNORED and (not bound.needed or (place == "header" and is_boilerplate(bound.parameter)))


def write_parameters(plan: Plan, tables: Tables, recipe: MaterializeRecipe) -> JsonSchema:
    """The JSON Schema of the tool's arguments: in the first of ever shorter versions that fits the recipe's bound."""
    depth, width, said = recipe.max_depth, recipe.max_properties, recipe.max_description
    written: JsonSchema = {}
    for detail in (
        _Detail(depth, width, said, said // 2),
        _Detail(depth, width, said, 0),
        _Detail(min(depth, 1), width, said * 3 // 4, 0),
        _Detail(min(depth, 1), min(width, 4), said // 2, 0),
        _Detail(0, min(width, 4), said // 2, 0),
        _Detail(0, 0, said // 4, 0),
    ):
        written = _object(plan, tables, detail)
        if len(dumps(written)) <= recipe.max_parameters:
            break
    return written


def _object(plan: Plan, tables: Tables, detail: _Detail) -> JsonSchema:
    schemas = properties(plan.placed.reading.tool.parameters)
    bounds = offered(plan)
    return {
        "type": "object",
        "properties": {b.parameter: _parameter(schemas[b.parameter], b, plan, tables, detail) for b in bounds},
        "required": [b.parameter for b in bounds if b.needed],
        "additionalProperties": False,
    }


def _parameter(given: JsonSchema, bound: Bound, plan: Plan, tables: Tables, detail: _Detail) -> JsonSchema:
    """One parameter. A fixed scope is an enumeration of one value; a whole row has the columns that are kept."""
    cut: dict[str, Any] = {"width": detail.width, "said": detail.said, "said_inside": detail.said_inside}
    if bound.inside:
        schema = bounded(given, **{**cut, "depth": 0})
        inside = {name: bounded(properties(given)[name], depth=detail.depth, **cut) for name, _ in bound.inside}
        schema["properties"] = inside
        schema["required"] = [n for n in required(given) if n in inside]
        return schema if schema["required"] else {k: v for k, v in schema.items() if k != "required"}
    schema = bounded(given, depth=detail.depth, writable=True, **cut)
    values = enum_of(given)
    column = bound.column if bound.part is Part.VALUE else None
    held = values_held(column) if column is not None and type_of(column.schema) == type_of(schema) else ()
    if values and len(values) <= _MANY_VALUES:
        schema["enum"] = list(values)
    elif held and type_of(schema) in ("string", "integer"):
        # What the column may hold is said where it is written: an open text would be refused.
        schema["enum"] = [int(v) for v in held] if type_of(schema) == "integer" else list(held)
    else:
        schema.pop("enum", None)
    fixed = tables.fixed.get((plan.table.noun, bound.column.canon)) if bound.column else _elsewhere(tables, bound)
    if fixed and type_of(schema) == "string":
        schema["enum"] = [fixed]
    _align(schema, bound)
    if bound.part is Part.LIMIT:
        schema["minimum"] = max(schema.get("minimum", 1), 0)
    return schema


def _elsewhere(tables: Tables, bound: Bound) -> str | None:
    """The fixed value that a required argument without effect has in other tools (`parent`, the one partner)."""
    plans = [p for p in tables.plans if bound.part is Part.IGNORED]
    named = [(p.table.noun, b.column) for p in plans for b in p.bounds if b.parameter == bound.parameter]
    same = [(noun, column.canon) for noun, column in named if column is not None]
    return next((tables.fixed[s] for s in same if s in tables.fixed), None)


def _align(schema: JsonSchema, bound: Bound) -> None:
    """A parameter that fills one cell has the cell's type: routes spell numbers as text, rows do not."""
    column = bound.column
    if column is None or bound.part in (Part.IGNORED, Part.LIMIT, Part.QUERY):
        return
    held, given = type_of(column.schema), type_of(schema)
    if held and given != held and {held, given} <= SCALARS:
        for word in ("enum", "format", "minimum", "maximum"):
            schema.pop(word, None)
        schema["type"] = held
