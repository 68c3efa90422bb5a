"""Rows made elsewhere put into a compiled environment: a benchmark's own tables, an export of a real system.

    {"#W1": {"user_id": "u1", "address": {"city": "Rome", "zip": "00100"}, "items": [{"item_id": "7"}], "gift": true}}
    orders: user_id, city, zip      the keys that are columns, nested ones too
            item_ids                the `item_id`s of `items`
            items, gift             kept as columns of their own

Nothing is dropped: what no column takes becomes a column, and `Note`s tell where each key went. The schema gives way
to the rows: enumerations grow, a column that rows leave out may be null, a reference that rows break is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rayscaler.environment import Column, Entity, EnvironmentSpec, Semantic
from rayscaler.environments.infer_drafts import canon
from rayscaler.environments.infer_semantics import semantic_of
from rayscaler.environments.lexicon import phrase_of, plural
from rayscaler.toolspec import snake

Row = dict[str, Any]


class Note(NamedTuple):
    """Where one key of a table's rows went: `how` is same, inside, gathered, told by, new column; or what gave way."""

    table: str
    key: str
    how: str
    column: str


class Imported(NamedTuple):
    """An environment whose schema takes the rows; rows per table, empty where none are given; what was done."""

    spec: EnvironmentSpec
    rows: dict[str, list[Row]]
    notes: list[Note]


def import_tables(spec: EnvironmentSpec, tables: Mapping[str, Mapping[str, Row] | Sequence[Row]]) -> Imported:
    """Fit `tables` (name -> rows, or key -> row) to `spec`. KeyError for a table that the environment has not.

    Load the result with `session.load_rows(table, rows)` for each table of `rows`.
    """
    notes: list[Note] = []
    entities = {e.name: e for e in spec.entities}
    rows: dict[str, list[Row]] = {e.name: [] for e in spec.entities}
    given = {name: _keyed(spec.entity(name), table) for name, table in tables.items()}
    for name, found in given.items():
        entities[name], rows[name], told = _fit(entities[name], found)
        notes += told
    keys = {name: {row.get(entities[name].key) for row in found} for name, found in rows.items()}
    for name in given:
        entities[name], told = _without_broken(entities[name], keys, rows[name])
        notes += told
    fitted = spec.model_copy(update={"entities": tuple(entities[e.name] for e in spec.entities)})
    return Imported(fitted, rows, notes)


def _keyed(entity: Entity, table: Mapping[str, Row] | Sequence[Row]) -> list[Row]:
    """The rows with the key under which a mapping has them, unless they tell it themselves."""
    if not isinstance(table, Mapping):
        return [dict(row) for row in table]
    told = {canon(k, _noun(entity)) for row in table.values() for k in row}
    keyed = canon(entity.key, _noun(entity)) in told
    return [dict(row) if keyed else {entity.key: key, **row} for key, row in table.items()]


def _noun(entity: Entity) -> tuple[str, ...]:
    return phrase_of(entity.singular)


def _fit(entity: Entity, given: list[Row]) -> tuple[Entity, list[Row], list[Note]]:
    notes: list[Note] = []
    rows: list[Row] = [{} for _ in given]
    columns = {canon(c.name, _noun(entity)): c for c in entity.columns}
    extra: list[Column] = []
    for key in dict.fromkeys(k for row in given for k in row):
        values = [row.get(key) for row in given]
        taken = _take(entity, columns, key, values)
        if any(_are_filled(rows, note.column, cells) for note, cells in taken):
            taken = []
        if not any(note.how in ("same", "inside") for note, _ in taken):
            extra.append(_new_column(entity, extra, key, values))
            taken.append((Note(entity.name, key, "new column", extra[-1].name), values))
        for note, cells in taken:
            notes.append(note)
            _fill(rows, note.column, cells)
    grown, told = _give_way(entity, rows)
    return grown.model_copy(update={"columns": (*grown.columns, *extra)}), rows, [*notes, *told]


def _fill(rows: list[Row], column: str, cells: list[Any]) -> None:
    for row, cell in zip(rows, cells, strict=True):
        if cell is not None:
            row[column] = cell


def _are_filled(rows: list[Row], column: str, cells: list[Any]) -> bool:
    """Whether another key has filled one of the cells: two spellings of a name, or a name inside and outside."""
    return any(cell is not None and column in row for row, cell in zip(rows, cells, strict=True))


def _take(entity: Entity, columns: dict[str, Column], key: str, values: list[Any]) -> list[tuple[Note, list[Any]]]:
    """The columns that a key fills, with their cells: its own, those of the object inside, or the ids of its list."""
    noun, name = _noun(entity), entity.name
    own = columns.get(canon(key, noun))
    if own is not None and all(_holds(own, v) for v in values):
        return [(Note(name, key, "same", own.name), values)]
    if all(isinstance(v, dict | None) for v in values):
        inside = list(dict.fromkeys(k for v in values if v for k in v))
        held = {k: columns.get(canon(k, noun)) for k in inside}
        cells = {k: [(v or {}).get(k) for v in values] for k in inside}
        apart = len({c.name for c in held.values() if c is not None}) == len(held)
        if inside and apart and all(c is not None and all(_holds(c, x) for x in cells[k]) for k, c in held.items()):
            return [(Note(name, f"{key}.{k}", "inside", c.name), cells[k]) for k, c in held.items() if c is not None]
    return [
        (Note(name, f"{key}[].{k}", "gathered", columns[many].name), [[x[k] for x in v or ()] for v in values])
        for k in _common_keys(values)
        if (many := canon("_".join((*phrase_of(k)[:-1], *map(plural, phrase_of(k)[-1:]))), noun)) in columns
        and columns[many].semantic is Semantic.JSON
    ]


def _common_keys(values: list[Any]) -> list[str]:
    """The keys that every object in every list has; none if the values are no lists of objects."""
    if not all(isinstance(v, list | None) for v in values):
        return []
    objects = [x for v in values for x in v or ()]
    if not objects or not all(isinstance(x, dict) for x in objects):
        return []
    return [k for k in objects[0] if all(k in x for x in objects)]


def _holds(column: Column, value: Any) -> bool:
    """Whether a column takes a value as it is. Any nested value fits a JSON column only."""
    if value is None:
        return True
    if column.semantic is Semantic.JSON:
        kind = (column.json_schema or {}).get("type")
        return isinstance(value, {"array": list, "object": dict}.get(str(kind), list | dict))
    if column.semantic is Semantic.BOOLEAN and column.type == "INTEGER":
        return isinstance(value, bool)
    kinds = {"TEXT": str, "INTEGER": int, "REAL": int | float}[column.type]
    return isinstance(value, kinds) and not isinstance(value, bool) and _storable(value)


def _storable(value: Any) -> bool:
    """Whether SQLite keeps a value as it is: an integer beyond 64 bits it does not."""
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _new_column(entity: Entity, extra: list[Column], key: str, values: list[Any]) -> Column:
    """A column for what no column takes: its type is that of the values, JSON where they are nested or differ."""
    name = key if key.isidentifier() and not key.startswith("_") else snake(key)
    taken = {c.name.lower() for c in (*entity.columns, *extra)}
    while name.lower() in taken:
        name += "_"
    kinds = {type(v) for v in values if v is not None}
    simple = next((t for k, t in _SIMPLE if kinds and kinds <= k), "") if all(map(_storable, values)) else ""
    if not simple:
        return Column(name=name, type="TEXT", semantic=Semantic.JSON, json_schema={})
    if simple == "boolean":
        return Column(name=name, type="INTEGER", semantic=Semantic.BOOLEAN)
    sql = {"string": "TEXT", "integer": "INTEGER", "number": "REAL"}[simple]
    semantic = semantic_of(name, {"type": simple})
    plain = Semantic.WORD if semantic in (Semantic.JSON, Semantic.ID, Semantic.REFERENCE) else semantic
    return Column(name=name, type=sql, semantic=plain)


_SIMPLE = (({str}, "string"), ({bool}, "boolean"), ({int}, "integer"), ({int, float}, "number"))


def _give_way(entity: Entity, rows: list[Row]) -> tuple[Entity, list[Note]]:
    """The entity with constraints that its rows meet."""
    notes: list[Note] = []
    columns = []
    for column in entity.columns:
        values = [row.get(column.name) for row in rows]
        present = [v for v in values if v is not None]
        change: dict[str, Any] = {}
        if not column.nullable and not column.generated and len(present) < len(rows):
            change["nullable"] = True
        beyond = list(dict.fromkeys(str(v) for v in present if str(v) not in column.enum)) if column.enum else []
        if beyond:
            change["enum"] = (*column.enum, *beyond)
        if column.minimum is not None and present and min(present) < column.minimum:
            change["minimum"] = float(min(present))
        if column.maximum is not None and present and max(present) > column.maximum:
            change["maximum"] = float(max(present))
        if column.unique and len(set(present)) < len(present):
            change["unique"] = False
        notes += [Note(entity.name, _said(k, v), "gave way", column.name) for k, v in change.items()]
        columns.append(column.model_copy(update=change))
    return entity.model_copy(update={"columns": tuple(columns)}), notes


def _said(what: str, value: Any) -> str:
    return f"{what} {'|'.join(value)}" if isinstance(value, tuple) else f"{what} {value}"


def _without_broken(entity: Entity, keys: dict[str, set[Any]], rows: list[Row]) -> tuple[Entity, list[Note]]:
    """The entity without references that its rows do not keep."""
    broken = [
        c.name
        for c in entity.columns
        if c.references and any(r.get(c.name) is not None and r[c.name] not in keys[c.references] for r in rows)
    ]
    loose = {"references": None, "on_delete": "restrict", "semantic": Semantic.CODE}
    columns = tuple(c.model_copy(update=loose) if c.name in broken else c for c in entity.columns)
    notes = [Note(entity.name, f"references {entity.column(n).references}", "gave way", n) for n in broken]
    return entity.model_copy(update={"columns": columns}), notes
