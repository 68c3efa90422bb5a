"""What is known of each table before any session lives: its SQL, how its values are stored, and what a refusal says."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

from rayscaler.canonical import dumps
from rayscaler.environment import Column, Entity, Semantic, ToolErrorKind
from rayscaler.environments.ids import IdStyle, arn_of, is_arn, service_of, style_of
from rayscaler.environments.sql import quote
from rayscaler.errors import FingerprintError


class Fault(Exception):
    """A db call that cannot be done. `table` and `column` say what the value at fault belongs to."""

    def __init__(self, kind: ToolErrorKind, message: str, table: str = "", column: str = "") -> None:
        super().__init__(message)
        self.kind, self.table, self.column = kind, table, column


class TablePlan:
    """What is known of one table before any session lives: its SQL, and how its values are stored."""

    def __init__(self, entity: Entity, style: IdStyle, service: str = "") -> None:
        self.entity = entity
        self.style, self.service = style, service
        self.names = tuple(c.name for c in entity.columns)
        self.columns = {c.name: c for c in entity.columns}
        self.key = entity.key
        self.generated = tuple(c for c in entity.columns if c.generated)
        self.refreshed = tuple(c for c in entity.columns if c.generated and c.volatile and is_time(c))
        self.selected = ", ".join(quote(n) for n in self.names)
        self.order = f" ORDER BY {quote(self.key)}"
        self.decoders = tuple((c.name, decode) for c in entity.columns if (decode := _decoder(c)))
        self.json_places = tuple(i for i, c in enumerate(entity.columns) if c.semantic is Semantic.JSON)
        self.searched = tuple(c.name for c in entity.columns if c.type == "TEXT" and c.semantic is not Semantic.JSON)
        self.compared = tuple(i for i, c in enumerate(entity.columns) if not c.volatile)
        self._sql: dict[tuple[Any, ...], str] = {}

    def row(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Stored values as a row of Python values."""
        row = dict(zip(self.names, values, strict=True))
        for name, decode in self.decoders:
            if row[name] is not None:
                row[name] = decode(row[name])
        return row

    def encode(self, name: str, value: Any) -> Any:
        """One Python value, weighed before, as it is stored. Raises Fault for a value that the column cannot hold."""
        column = self.columns[name]
        if column.semantic is Semantic.JSON:
            return self.json(name, value)
        kind = type(value)
        if kind in (list, dict, tuple) or (kind is bool and column.type == "TEXT"):
            text = f"{name} takes {_type_word(column)}, found {kind.__name__}"
            raise self.fault(ToolErrorKind.INVALID_ARGUMENT, text, name)
        return int(value) if kind is bool else value

    def json(self, name: str, value: Any) -> str:
        """A value, weighed before, as canonical JSON. Raises Fault for one that has no JSON form."""
        try:
            return dumps(value)
        except FingerprintError as error:
            text = f"{name} takes a JSON value: {str(error)[:200]}"
            raise self.fault(ToolErrorKind.INVALID_ARGUMENT, text, name) from error

    def make_id(self, number: int) -> Any:
        """The generated key with this number: `ord-1007`, or the number itself for an INTEGER key."""
        return number if self.columns[self.key].type == "INTEGER" else self.style.make(number)

    def made_up(self, column: Column, key: Any) -> str:
        """What a generated text column that is no key begins with: the row's ARN, or its own name and the key."""
        return arn_of(self.entity.singular, str(key), self.service) if is_arn(column) else f"{column.name}-{key}"

    def number_of(self, key: Any) -> int:
        """The number of a key that looks generated; 0 for any other."""
        return self.style.number(str(key))

    def fault(self, kind: ToolErrorKind, message: str, column: str = "") -> Fault:
        """A Fault about this table."""
        return Fault(kind, message, self.entity.name, column)

    def select_sql(self, equals: tuple[tuple[str, bool], ...], search: bool = False) -> str:
        """SELECT with one condition per (column, whether it is one of several values), and a text search if asked."""
        return self._cached(("select", equals, search), self._select)

    def count_sql(self, equals: tuple[tuple[str, bool], ...]) -> str:
        """SELECT count(*) with the same conditions."""
        return self._cached(("count", equals, False), self._select)

    def insert_sql(self, names: tuple[str, ...]) -> str:
        """INSERT of these columns that gives the stored row."""
        return self._cached(("insert", names), self._insert)

    def update_sql(self, names: tuple[str, ...]) -> str:
        """UPDATE of these columns by key that gives the stored row."""
        return self._cached(("update", names), self._update)

    def delete_sql(self) -> str:
        """DELETE by key that gives the row that was."""
        return f"DELETE FROM {quote(self.entity.name)} WHERE {quote(self.key)} = ? RETURNING {self.selected}"

    def _cached(self, key: tuple[Any, ...], make: Callable[..., str]) -> str:
        found = self._sql.get(key)
        if found is None:
            found = self._sql[key] = make(*key)
        return found

    def _select(self, what: str, equals: tuple[tuple[str, bool], ...], search: bool) -> str:
        conditions = [
            f"{quote(name)} IN (SELECT value FROM json_each(?))" if several else f"{quote(name)} = ?"
            for name, several in equals
        ]
        if search:
            hits = [f"instr(lower({quote(name)}), ?1) > 0" for name in self.searched] or ["0"]
            conditions.insert(0, f"({' OR '.join(hits)})")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        head = "count(*)" if what == "count" else self.selected
        return f"SELECT {head} FROM {quote(self.entity.name)}{where}" + ("" if what == "count" else self.order)

    def _insert(self, _: str, names: tuple[str, ...]) -> str:
        columns, marks = ", ".join(map(quote, names)), ", ".join("?" * len(names))
        return f"INSERT INTO {quote(self.entity.name)} ({columns}) VALUES ({marks}) RETURNING {self.selected}"

    def _update(self, _: str, names: tuple[str, ...]) -> str:
        sets = ", ".join(f"{quote(n)} = ?" for n in names)
        return f"UPDATE {quote(self.entity.name)} SET {sets} WHERE {quote(self.key)} = ? RETURNING {self.selected}"


def make_plans(entities: tuple[Entity, ...]) -> dict[str, TablePlan]:
    """One plan per table. Id prefixes are short, readable and different: order -> ord, order_item -> oi."""
    plans: dict[str, TablePlan] = {}
    taken: set[str] = set()
    service = service_of(entities)
    for entity in entities:
        prefix = next(p for p in _prefixes(entity.singular) if p not in taken)
        taken.add(prefix)
        plans[entity.name] = TablePlan(entity, style_of(entity, prefix, service), service)
    return plans


def _prefixes(singular: str) -> Iterator[str]:
    words = [w for w in singular.lower().replace("-", "_").split("_") if w.isascii() and w.isalnum()] or ["row"]
    whole = "".join(words)
    initials = ["".join(w[0] for w in words)] if len(words) > 1 else []
    longer = [whole[:n] for n in range(3, len(whole) + 1)]
    yield from (*initials, *(longer or [whole]))
    yield from (f"{whole}{n}" for n in itertools.count(2))


def _decoder(column: Column) -> Callable[[Any], Any] | None:
    if column.semantic is Semantic.JSON:
        return json.loads
    if column.semantic is Semantic.BOOLEAN and column.type == "INTEGER":
        return bool
    return None


def is_time(column: Column) -> bool:
    """Whether a column holds a date, a time of day or both."""
    return column.semantic in (Semantic.DATE, Semantic.TIME, Semantic.DATETIME)


def _type_word(column: Column) -> str:
    return {"TEXT": "text", "INTEGER": "an integer", "REAL": "a number"}[column.type]
