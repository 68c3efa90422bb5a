"""What a parameter or an output field holds: its column, or one read off its JSON Schema or its value.

Also the three questions that the task maker asks of a column: can a person know its value, can a person make up a new
one, and whose key does it hold.
"""

from __future__ import annotations

from typing import Any

from rayscaler.environment import Binding, Column, CompiledTool, Entity, EnvironmentSpec, Part, Semantic
from rayscaler.tasks.lexicon import load
from rayscaler.toolspec import words

ROW_PARTS = frozenset({Part.KEY, Part.REFERENCE, Part.FILTER, Part.VALUE})

HIDDEN = frozenset({Semantic.ID, Semantic.REFERENCE, Semantic.JSON, Semantic.BASE64})
"""What a person does not know, or could not say, of a row that is there."""

UNSPOKEN = HIDDEN | {Semantic.TEXT, Semantic.URL, Semantic.LATITUDE, Semantic.LONGITUDE, Semantic.MILLISECONDS,
                     Semantic.COLOR}
"""What nobody would use to point at a row."""


def column_of(spec: EnvironmentSpec, tool: CompiledTool, binding: Binding) -> Column:
    """The column that `binding` is about; where it has none, one that its JSON Schema describes."""
    schema = tool.parameters.get("properties", {}).get(binding.parameter, {})
    if binding.entity and binding.column:
        entity = spec.entity(binding.entity)
        found = next((c for c in entity.columns if c.name == binding.column), None)
        if found is not None:
            return found
    return spoken_column(binding.parameter, schema)


def spoken_column(name: str, schema: dict[str, Any]) -> Column:
    """`column_from_schema` for an argument that no column holds: a sentence only where the name asks for prose."""
    column = column_from_schema(name, schema)
    if column.semantic is not Semantic.TEXT or machine_made(column):
        return column
    last, lexicon = _last_word(name), load("lexicon")
    kind = Semantic.TEXT if last in lexicon["prose_words"] else Semantic(lexicon["kinds"].get(last, "word"))
    return column.model_copy(update={"semantic": kind})


def column_from_schema(name: str, schema: dict[str, Any]) -> Column:
    """A column that is no column of a table, made of a name and a JSON Schema."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "string")
    enum = tuple(v for v in schema.get("enum") or () if isinstance(v, str) and v)
    return Column(
        name=name, type={"integer": "INTEGER", "number": "REAL", "boolean": "INTEGER"}.get(str(kind), "TEXT"),
        semantic=_semantic(name, str(kind or "string"), schema, bool(enum)), enum=enum,
        minimum=_limit(schema, "minimum"), maximum=_limit(schema, "maximum"),
        json_schema=schema if kind in ("array", "object") else None,
    )


def column_from_value(name: str, value: Any) -> Column:
    """A column for a field of an answer that no table has (`total`)."""
    kind = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "number"
    if isinstance(value, str):
        kind = "string"
    return column_from_schema(name, {"type": kind})


def _semantic(name: str, kind: str, schema: dict[str, Any], enum: bool) -> Semantic:
    found = words(name)
    if kind in ("array", "object"):
        return Semantic.JSON
    if enum:
        return Semantic.ENUM
    if kind == "boolean":
        return Semantic.BOOLEAN
    if kind in ("integer", "number"):
        money = {"price", "total", "amount", "cost", "fee", "balance"} & set(found)
        return Semantic.MONEY if money and kind == "number" else Semantic[kind.upper()]
    by_format = {"date": Semantic.DATE, "date-time": Semantic.DATETIME, "email": Semantic.EMAIL, "uri": Semantic.URL}
    if schema.get("format") in by_format:
        return by_format[schema["format"]]
    if found and found[-1] in ("id", "ids", "arn", "token", "key", "etag"):
        return Semantic.ID
    return Semantic.TEXT


def _limit(schema: dict[str, Any], name: str) -> float | None:
    value = schema.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def named_entity(spec: EnvironmentSpec, binding: Binding) -> str | None:
    """The entity one of whose rows the argument names by primary key, or None."""
    if binding.part not in ROW_PARTS or not binding.entity or not binding.column:
        return None
    entity = spec.entity(binding.entity)
    column = next((c for c in entity.columns if c.name == binding.column), None)
    if column is None:
        return None
    if column.references:
        return column.references
    return entity.name if column.name == entity.key and binding.part is not Part.VALUE else None


def is_person(entity: Entity) -> bool:
    """Whether a row of it can be the user in person: a customer, a guest, a patient."""
    return _last_word(entity.singular) in load("lexicon")["self_nouns"]


def _last_word(name: str) -> str:
    return (words(name) or [""])[-1]


def machine_made(column: Column) -> bool:
    """Whether the name says that the value is made for machines: an ARN, a token, an etag."""
    found = words(column.name)
    while len(found) > 1 and found[-1].isdigit():
        found = found[:-1]
    return bool(found) and bool({found[-1], found[-1].removesuffix("s")} & set(load("lexicon")["machine_words"]))


def knowable(entity: Entity, column: Column) -> bool:
    """Whether a person can know the value of this column of a row.

    A key, if it is a name or a number that people call the thing by, or was given by somebody; an identifier, if it is
    of something outside of this table (an account, a directory, a project): its owner brought it along.
    """
    if column.name == entity.key:
        return not machine_made(column) and (not column.generated or given_name(column))
    if column.semantic in HIDDEN or column.references or column.volatile:
        return False
    if column.generated and column.semantic not in (Semantic.DATE, Semantic.DATETIME):
        return False
    return not machine_made(column) or from_outside(entity, column)


def given_name(column: Column) -> bool:
    """Whether the column holds what people call the thing by: the name of a bucket, the number of a flight."""
    return _last_word(column.name) in load("lexicon")["name_words"]


def from_outside(entity: Entity, column: Column) -> bool:
    """Whether the column identifies something that is no row of this table: `directoryId` of a computer, `parent`."""
    found = words(column.name)
    if column.references or found[-1:] == ["parent"]:
        return not column.references
    if len(found) < 2 or found[-1] not in load("lexicon")["outside_words"]:
        return False
    return not set(found[:-1]) & {*words(entity.singular), *words(entity.name), *load("lexicon")["unmakeable"]}


def speakable(entity: Entity, column: Column) -> bool:
    """Whether a person would point at a row by this column."""
    return knowable(entity, column) and column.semantic not in UNSPOKEN


def pointable(entity: Entity, column: Column) -> bool:
    """Whether a person would tell a row from its neighbours by this column: by a name, a date, a status, a price.

    Not by a switch, by a code that only a program reads, by a bare word without a meaning, or by a number that counts
    something inside.
    """
    if not speakable(entity, column) or column.semantic is Semantic.BOOLEAN:
        return False
    if column.name in (entity.label, entity.key):
        return True
    if _last_word(column.name) in load("lexicon")["no_nouns"]:
        return False
    if column.enum:
        return len(words(column.name)) <= 2
    found, lexicon = words(column.name), load("lexicon")
    if column.semantic is Semantic.CODE:
        return bool(set(found) & set(lexicon["known_codes"])) or plain_word(column)
    if column.semantic is Semantic.WORD:
        return plain_word(column)
    if column.semantic in (Semantic.INTEGER, Semantic.NUMBER, Semantic.QUANTITY, Semantic.PERCENT):
        return len(found) <= 2 and bool(set(found) & set(lexicon["known_numbers"]))
    return True


def plain_word(column: Column) -> bool:
    """Whether a word or code of this column is one that people say: a role, a category, a colour, a file's name."""
    return _last_word(column.name) in load("lexicon")["plain_words"]


def known_key(entity: Entity) -> bool:
    """Whether a person names the rows of this entity by their primary key: a bucket's name, not a generated id."""
    return knowable(entity, entity.column(entity.key))
