"""The database schema of an environment, as SQL that a person can read.

STRICT tables, foreign keys, CHECKs for enumerations and ranges. Same entities, same text. A key that is not an INTEGER
makes the table WITHOUT ROWID: one B-tree instead of two. `_counters` holds the next generated id per table, inside the
database, so that a snapshot or a replay goes on with the same ids.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.errors import EnvironmentSpecError

COUNTERS = "_counters"
TYPES = ("TEXT", "INTEGER", "REAL")
_ON_DELETE = {"restrict": "RESTRICT", "cascade": "CASCADE", "set_null": "SET NULL"}


def quote(identifier: str) -> str:
    """An SQL identifier in double quotes."""
    return '"' + identifier.replace('"', '""') + '"'


def schema_sql(entities: Sequence[Entity]) -> str:
    """The CREATE statements of `entities`, in their order. Raises EnvironmentSpecError where they contradict."""
    check_entities(entities)
    keys = {e.name: e.key for e in entities}
    parts = [_table(entity, keys) for entity in entities]
    parts.append(
        f'CREATE TABLE {COUNTERS} (\n  "entity" TEXT PRIMARY KEY NOT NULL,\n  "next" INTEGER NOT NULL\n)'
        " STRICT, WITHOUT ROWID;\n"
    )
    return "\n".join(parts)


def check_entities(entities: Sequence[Entity]) -> None:
    """EnvironmentSpecError for what SQLite would not take: a repeated name, a key or a reference to nothing."""
    _check_names("entity", [e.name for e in entities])
    keys = {e.name: e for e in entities}
    for entity in entities:
        names = [c.name for c in entity.columns]
        _check_names(f"column of {entity.name}", names)
        for role, wanted in (("key", entity.key), ("label", entity.label)):
            if wanted is not None and wanted not in names:
                raise EnvironmentSpecError(f"{entity.name}: the {role} {wanted!r} is none of its columns {names}")
        for column in entity.columns:
            _check_column(entity, column, keys)


def _check_names(what: str, names: list[str]) -> None:
    # SQLite compares identifiers without case: calendarId and calendarid are one column.
    repeated = [name for name, n in Counter(n.lower() for n in names).items() if n > 1]
    if repeated:
        raise EnvironmentSpecError(f"{what} {repeated[0]!r} occurs more than once (case does not count)")
    for name in names:
        if not name or name == COUNTERS or name.lower().startswith("sqlite_") or "\0" in name:
            raise EnvironmentSpecError(f"{what} cannot be called {name!r}")


def _check_column(entity: Entity, column: Column, entities: dict[str, Entity]) -> None:
    where = f"{entity.name}.{column.name}"
    if column.type not in TYPES:
        raise EnvironmentSpecError(f"{where}: the type {column.type!r} is none of {', '.join(TYPES)}")
    if column.on_delete not in _ON_DELETE:
        raise EnvironmentSpecError(f"{where}: on_delete {column.on_delete!r} is none of {', '.join(_ON_DELETE)}")
    if column.references is None:
        return
    target = entities.get(column.references)
    if target is None:
        raise EnvironmentSpecError(f"{where} references {column.references!r}; there are {', '.join(entities)}")
    if target.column(target.key).type != column.type:
        raise EnvironmentSpecError(
            f"{where} is {column.type}, the key {target.name}.{target.key} is {target.column(target.key).type}"
        )
    if column.on_delete == "set_null" and (not column.nullable or column.name == entity.key):
        raise EnvironmentSpecError(f"{where}: on_delete set_null needs a nullable column")


def _table(entity: Entity, keys: dict[str, str]) -> str:
    lines = [_column(entity, column, keys) for column in entity.columns]
    rowid = entity.column(entity.key).type == "INTEGER"
    head = f"-- {_one_line(entity.description)}\n" if entity.description else ""
    table = f"{head}CREATE TABLE {quote(entity.name)} (\n  " + ",\n  ".join(lines) + "\n) STRICT"
    text = table + (";\n" if rowid else ", WITHOUT ROWID;\n")
    for column in entity.columns:
        if column.references and not column.unique and column.name != entity.key:
            index = quote(f"{entity.name}.{column.name}")
            text += f"CREATE INDEX {index} ON {quote(entity.name)} ({quote(column.name)});\n"
    return text


def _column(entity: Entity, column: Column, keys: dict[str, str]) -> str:
    parts = [quote(column.name), column.type]
    if column.name == entity.key:
        parts.append("PRIMARY KEY NOT NULL")
    elif not column.nullable:
        parts.append("NOT NULL")
    if column.unique and column.name != entity.key:
        parts.append("UNIQUE")
    if column.references:
        target = f"{quote(column.references)} ({quote(keys[column.references])})"
        parts.append(f"REFERENCES {target} ON DELETE {_ON_DELETE[column.on_delete]}")
    check = _check(column)
    if check:
        parts.append(f"CHECK ({check})")
    return " ".join(parts)


def _check(column: Column) -> str:
    name = quote(column.name)
    if column.semantic is Semantic.BOOLEAN and column.type == "INTEGER":
        return f"{name} IN (0, 1)"
    if column.enum:
        return f"{name} IN ({', '.join(_literal(v, column.type) for v in column.enum)})"
    if column.type == "TEXT":
        return ""
    bounds = [f"{name} {sign} {_number(bound)}" for sign, bound in ((">=", column.minimum), ("<=", column.maximum))
              if bound is not None and math.isfinite(bound)]
    return " AND ".join(bounds)


def _literal(value: str, type_: str) -> str:
    if type_ == "TEXT":
        return "'" + value.replace("'", "''") + "'"
    try:
        return _number(float(value))
    except ValueError:
        raise EnvironmentSpecError(f"the enumeration value {value!r} is no {type_}") from None


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(value)


def _one_line(text: str) -> str:
    return " ".join(text.split())
