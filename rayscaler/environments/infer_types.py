"""From a draft to an entity: types, semantics, nullability, defaults and who fills a column."""

from __future__ import annotations

from typing import Any

from rayscaler.environment import Column, Entity, Operator, Part, Semantic
from rayscaler.environments.infer_bounds import Plan
from rayscaler.environments.infer_drafts import Draft, TableDraft, is_stamp, kind_of, sql_type
from rayscaler.environments.infer_rules import rule_words
from rayscaler.environments.infer_status import beginning
from rayscaler.environments.infer_tables import Tables
from rayscaler.environments.lexicon import (
    Phrase,
    joined,
    lexicon,
    word_set,
)
from rayscaler.environments.schemas import bounded, properties, type_of

_MOST_VALUES = 60
"""An enumeration of more values is no list to choose from. Ours."""


def make_entity(tables: Tables, phrase: Phrase) -> Entity:
    """The entity of one draft: key first, then the columns in the order in which the API speaks of them."""
    draft = tables.drafts[phrase]
    order = [draft.key, *(c for c in draft.columns if c != draft.key)]
    columns = tuple(_column(tables, draft, c) for c in order)
    about = " ".join(phrase)
    label = _label(draft, columns)
    if label and not _creators(tables, draft):
        columns = tuple(c.model_copy(update={"nullable": False}) if c.name == label else c for c in columns)
    return Entity(
        name=tables.names[phrase],
        singular="_".join("_".join(phrase).split()),
        key=draft.columns[draft.key].name,
        label=label,
        description=f"{about[:1].upper()}{about[1:]} records.",
        columns=columns,
    )


def _creators(tables: Tables, draft: TableDraft) -> list[Plan]:
    """The tools that make rows of a table."""
    makes = (Operator.CREATE, Operator.RELATE, Operator.TRANSFER)
    return [p for p in tables.plans if p.table is draft and (p.operator in makes or p.upsert)]


def _label(draft: TableDraft, columns: tuple[Column, ...]) -> str | None:
    by_canon = {c: d.name for c, d in draft.columns.items()}
    texts = {
        c.name
        for c in columns
        if c.type == "TEXT" and c.semantic is not Semantic.JSON and not c.references and not c.enum
    }
    for wanted in lexicon()["labels"]:
        found = by_canon.get("".join(wanted.split()))
        if found in texts:
            return found
    return None


def _column(tables: Tables, draft: TableDraft, found: str) -> Column:
    column, phrase = draft.columns[found], draft.noun
    schema = column.schema
    target = tables.references.get((phrase, found))
    fixed = tables.fixed.get((phrase, found))
    is_key = found == draft.key
    semantic = (
        Semantic.ID if is_key else Semantic.REFERENCE if target else Semantic.CODE if fixed else kind_of(draft, column)
    )
    kind = sql_type(schema)
    said = joined(column.name)
    times = kind == "TEXT" and semantic in (Semantic.DATE, Semantic.DATETIME, Semantic.TIME)
    volatile = said in word_set("volatile") and not column.needed_by
    born = is_stamp(column)
    arn = (
        column.answered and not column.written and kind == "TEXT" and said.endswith("arn") and not is_key and not target
    )
    creators = _creators(tables, draft)
    needed = (
        all(_gives(p, column) or default_of(tables, draft, column) is not None for p in creators)
        if creators
        else column.scope or column.asked or (column.answered and column.score >= 4)
    )
    made_up = (
        creators
        and column.always
        and not column.written
        and not target
        and semantic is not Semantic.STATUS
        and not is_key
    )
    given_key = bool(creators) and all(_gives(p, column) for p in creators)
    named = not creators and bool(values_held(column))
    generated = bool((is_key and not given_key and not named) or (times and born) or arn or made_up)
    nullable = not (is_key or generated or (needed and not volatile) or (fixed and not creators))
    enum = (fixed,) if fixed else () if target or (is_key and generated) else values_held(column)
    low, high = (None, None) if is_key or target else _bounds(column, kind)
    return Column(
        name=column.name,
        type=kind,
        semantic=semantic,
        description=_about(schema),
        nullable=nullable,
        unique=not (is_key or target or enum)
        and kind != "REAL"
        and (column.unique or _names_rows(tables, draft, column)),
        enum=enum,
        minimum=low,
        maximum=high,
        references=tables.names[target] if target else None,
        on_delete="cascade" if target and (column.scope or not nullable) else "set_null" if target else "restrict",
        generated=generated,
        volatile=volatile,
        json_schema=_json_schema(column) if semantic is Semantic.JSON else None,
    )


def _json_schema(column: Draft) -> dict[str, Any]:
    """The shape of a JSON column. Tags get the keys and values that tags have, so that seeded ones read well."""
    schema = bounded(column.schema, depth=2, width=8)
    if joined(column.name) not in ("tags", "tag", "labels", "tag list"):
        return schema
    tags: dict[str, list[str]] = lexicon()["tag_values"]
    if schema.get("type") == "object" and not schema.get("properties"):
        return {"type": "object", "properties": {k: {"type": "string", "enum": v} for k, v in list(tags.items())[:2]}}
    inside = properties(schema.get("items"))
    if schema.get("type") == "array" and len(inside) == 2:
        pairs = {
            n: {"type": "string", "enum": list(tags) if joined(n).endswith("key") else list(tags["project"])}
            for n in inside
        }
        return {"type": "array", "items": {"type": "object", "properties": pairs, "required": list(pairs)}}
    return schema


def default_of(tables: Tables, draft: TableDraft, column: Draft) -> str | int | float | bool | None:
    """What a new row has in a column that every answer must have, where the caller is silent; None if nothing fits."""
    held = (draft.noun, column.canon) in tables.references or (draft.noun, column.canon) in tables.fixed
    if held or not column.always or not column.written or is_stamp(column) or column.canon == draft.key:
        return None
    kind, values = type_of(column.schema), values_held(column)
    if values:
        return int(values[0]) if kind == "integer" else beginning(values)
    if kind == "boolean":
        return False
    if kind in ("integer", "number"):
        return max(0, _bounds(column, "REAL")[0] or 0)
    return "" if kind == "string" and kind_of(draft, column) in (Semantic.TEXT, Semantic.TITLE, Semantic.WORD) else None


def _names_rows(tables: Tables, draft: TableDraft, column: Draft) -> bool:
    """Whether a tool names a row by this column alone, though it is not the key: by its ARN, by its resource name."""
    plans = [p for p in tables.plans if p.table is draft and not p.tagging]
    keyed = any(b.column is column for p in plans for b in p.of(Part.KEY))
    return keyed and type_of(column.schema) != "array"


def _gives(plan: Plan, column: Draft) -> bool:
    """Whether a row that `plan` makes always has a value for the column."""
    parts = (Part.VALUE, Part.FILTER, Part.KEY) if plan.upsert else (Part.VALUE, Part.AMOUNT)
    return any(b.column is column and b.needed for b in plan.of(*parts)) or (plan.copies and column.scope)


def values_held(column: Draft) -> tuple[str, ...]:
    """What the column may hold: what all answers can tell and what writes send, else all values of all schemas.

    Nothing is fixed where a write takes any text and no answer says what it may be.
    """
    if type_of(column.schema) not in ("string", "integer", ""):
        return ()
    enums = [set(e) for e in column.told if e]
    common = set.intersection(*enums) if enums and len(enums) == len(column.told) else set()
    every = tuple(dict.fromkeys(v for enum in (*column.told, *column.sent, *column.enums) for v in enum))
    sent = {v for enum in (*column.sent, *(() if column.told else column.enums)) for v in enum}
    if common and len(every) <= _MOST_VALUES and not column.moved:
        return tuple(v for v in every if v in common or v in sent)
    if type_of(column.schema) == "integer":
        return ()
    values = tuple(dict.fromkeys(v for enum in column.enums for v in enum))
    open_write = column.written and any(not enum for enum in column.enums)
    return () if open_write or not values or len(values) > _MOST_VALUES else values


def _bounds(column: Draft, kind: str) -> tuple[float | None, float | None]:
    if kind == "TEXT" or type_of(column.schema) == "boolean":
        return None, None
    schema = bounded(column.schema)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and joined(column.name) in rule_words("never_negative"):
        low = 0
    return (float(low) if low is not None else None), (float(high) if high is not None else None)


def _about(schema: dict[str, Any]) -> str:
    text = " ".join(str(schema.get("description", "")).split())
    return text.split(". ")[0][:120]
