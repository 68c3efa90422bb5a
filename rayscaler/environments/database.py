"""The `db` that tools write to: a few verbs over one SQLite connection.

Only these methods make SQL. Tables and columns come from the specification and are quoted, values are always
parameters. Rows are plain dicts in column order; JSON columns arrive and leave as Python values, booleans as booleans.
What SQLite refuses becomes a Fault that names the column.

    db.get("orders", order_id="ord-1007")      -> {"order_id": "ord-1007", "status": "pending", …}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import apsw

from rayscaler.canonical import dumps
from rayscaler.environment import Column, Entity, Semantic, ToolErrorKind
from rayscaler.environments.language_runtime import BudgetExceeded, pay
from rayscaler.environments.sql import COUNTERS, quote

READ_STEPS, WRITE_STEPS = 4, 40
"""Price of one db call; a read pays 1 more per row."""
NEXT_ID = f'UPDATE {COUNTERS} SET "next" = "next" + 1 WHERE "entity" = ? RETURNING "next" - 1'


class Fault(Exception):
    """A db call that cannot be done. `table` and `column` say what the value at fault belongs to."""

    def __init__(self, kind: ToolErrorKind, message: str, table: str = "", column: str = "") -> None:
        super().__init__(message)
        self.kind, self.table, self.column = kind, table, column


class TablePlan:
    """What is known of one table before any session lives: its SQL, and how its values are stored."""

    def __init__(self, entity: Entity, prefix: str) -> None:
        self.entity = entity
        self.prefix = prefix
        self.names = tuple(c.name for c in entity.columns)
        self.columns = {c.name: c for c in entity.columns}
        self.key = entity.key
        self.generated = tuple(c for c in entity.columns if c.generated)
        self.refreshed = tuple(c for c in entity.columns if c.generated and c.volatile and _is_time(c))
        self.selected = ", ".join(quote(n) for n in self.names)
        self.order = f" ORDER BY {quote(self.key)}"
        self.decoders = tuple((c.name, decode) for c in entity.columns if (decode := _decoder(c)))
        self.searched = tuple(c.name for c in entity.columns if c.type == "TEXT" and c.semantic is not Semantic.JSON)
        self._sql: dict[tuple[Any, ...], str] = {}

    def row(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Stored values as a row of Python values."""
        row = dict(zip(self.names, values, strict=True))
        for name, decode in self.decoders:
            if row[name] is not None:
                row[name] = decode(row[name])
        return row

    def encode(self, name: str, value: Any) -> Any:
        """One Python value as it is stored. Raises Fault for a value that the column cannot hold."""
        column = self.columns[name]
        if column.semantic is Semantic.JSON:
            return dumps(value)
        kind = type(value)
        if kind in (list, dict, tuple) or (kind is bool and column.type == "TEXT"):
            text = f"{name} takes {_type_word(column)}, found {kind.__name__}"
            raise self.fault(ToolErrorKind.INVALID_ARGUMENT, text, name)
        return int(value) if kind is bool else value

    def make_id(self, number: int) -> Any:
        """The generated key with this number: `ord-1007`, or the number itself for an INTEGER key."""
        return number if self.columns[self.key].type == "INTEGER" else f"{self.prefix}-{number:04d}"

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


class Database:
    """The `db` of one session. `steps` is what is left of the budget of the call that runs."""

    __slots__ = ("_connection", "_now", "_plans", "steps")

    def __init__(self, connection: apsw.Connection, plans: dict[str, TablePlan], now: str) -> None:
        self._connection = connection
        self._plans = plans
        self._now = now
        self.steps = 0

    def spend(self) -> bool:
        """Pay for 1,000 instructions of SQLite; True, which interrupts the statement, once the budget is spent."""
        self.steps -= 16
        return self.steps < 0

    def now(self) -> str:
        """The frozen clock of the environment."""
        return self._now

    def get(self, table: str, /, **key: Any) -> dict[str, Any]:
        """The row with these values, the first by key if there are several. Fault not_found if there is none."""
        plan = self._plans[table]
        rows = [] if None in key.values() else self._select(plan, key)
        if not rows:
            raise plan.fault(ToolErrorKind.NOT_FOUND, f"no {plan.entity.singular} with {_said(key)}", next(iter(key)))
        return rows[0]

    def find(self, table: str, /, **equals: Any) -> list[dict[str, Any]]:
        """The rows with these values, by key. None is no filter; a list means any of its values."""
        return self._select(self._plans[table], equals)

    def search(self, table: str, text: Any, /, **equals: Any) -> list[dict[str, Any]]:
        """The rows with `text` in any text column, letters compared without case. None and "" are no filter."""
        plan = self._plans[table]
        needle = "" if text is None else str(text).lower()
        if not needle:
            return self._select(plan, equals)
        if needle.isascii():
            return self._select(plan, equals, needle)
        # SQLite's lower() knows ASCII only; a search for «Zoë» compares here.
        rows = self._select(plan, equals)
        return [row for row in rows if any(needle in row[n].lower() for n in plan.searched if row[n] is not None)]

    def count(self, table: str, /, **equals: Any) -> int:
        """How many rows have these values."""
        plan = self._plans[table]
        conditions, values = self._conditions(plan, equals)
        return int(self._read(plan.count_sql(conditions), values)[0][0])

    def insert(self, table: str, /, **values: Any) -> dict[str, Any]:
        """A new row. None is left out; generated columns are filled. Fault for what the schema does not allow."""
        plan = self._plans[table]
        row = {name: plan.encode(name, value) for name, value in values.items() if value is not None}
        self._fill(plan, row)
        return plan.row(self._write(plan, plan.insert_sql(tuple(row)), tuple(row.values()), row)[0])

    def update(self, table: str, row: dict[str, Any], /, **values: Any) -> dict[str, Any]:
        """Set columns of one row. None is left out, so what the caller does not give stays."""
        plan = self._plans[table]
        key = row[plan.key]
        new = {name: plan.encode(name, value) for name, value in values.items() if value is not None}
        if not new:
            return self.get(table, **{plan.key: key})
        for column in plan.refreshed:
            new.setdefault(column.name, self._time(column))
        found = self._write(plan, plan.update_sql(tuple(new)), (*new.values(), key), new)
        if not found:
            raise plan.fault(ToolErrorKind.NOT_FOUND, f"no {plan.entity.singular} with {plan.key} {key!r}", plan.key)
        return plan.row(found[0])

    def delete(self, table: str, row: dict[str, Any], /) -> dict[str, Any]:
        """Remove one row and give it back. Fault conflict if other rows need it."""
        plan = self._plans[table]
        key = row[plan.key]
        found = self._write(plan, plan.delete_sql(), (key,), None, key)
        if not found:
            raise plan.fault(ToolErrorKind.NOT_FOUND, f"no {plan.entity.singular} with {plan.key} {key!r}", plan.key)
        return plan.row(found[0])

    def _select(self, plan: TablePlan, equals: dict[str, Any], needle: str | None = None) -> list[dict[str, Any]]:
        conditions, values = self._conditions(plan, equals)
        sql = plan.select_sql(conditions, needle is not None)
        rows = self._read(sql, values if needle is None else [needle, *values])
        make = plan.row
        return [make(values) for values in rows]

    def _conditions(self, plan: TablePlan, equals: dict[str, Any]) -> tuple[tuple[tuple[str, bool], ...], list[Any]]:
        conditions, values = [], []
        for name, value in equals.items():
            if value is None:
                continue
            several = type(value) is list and plan.columns[name].semantic is not Semantic.JSON
            conditions.append((name, several))
            values.append(dumps(value) if several else plan.encode(name, value))
        return tuple(conditions), values

    def _read(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(sql, values).fetchall()
        except apsw.InterruptError as error:
            raise BudgetExceeded("the call reads more rows than a tool may") from error
        pay(self, READ_STEPS + len(rows))
        return rows

    def _write(
        self, plan: TablePlan, sql: str, values: tuple[Any, ...], row: dict[str, Any] | None, key: Any = None
    ) -> list[tuple[Any, ...]]:
        pay(self, WRITE_STEPS)
        try:
            found: list[tuple[Any, ...]] = self._connection.execute(sql, values).fetchall()
        except apsw.ConstraintError as error:
            raise self._refused(plan, str(error), row, key) from error
        except (apsw.FullError, apsw.TooBigError, apsw.InterruptError) as error:
            raise BudgetExceeded("the database of this session is full") from error
        return found

    def _fill(self, plan: TablePlan, row: dict[str, Any]) -> None:
        for column in plan.generated:
            if column.name in row:
                continue
            if column.name == plan.key:
                row[column.name] = self._next_id(plan)
            elif _is_time(column):
                row[column.name] = self._time(column)
            elif not column.nullable:
                row[column.name] = self._made_up(plan, column, row)

    def _next_id(self, plan: TablePlan) -> Any:
        name = plan.entity.name
        return plan.make_id(int(str(self._connection.execute(NEXT_ID, (name,)).fetchall()[0][0])))

    def _made_up(self, plan: TablePlan, column: Column, row: dict[str, Any]) -> Any:
        """A value for a generated column that is no key and no time: what such a column starts with."""
        if column.references:
            parent = self._plans[column.references]
            rows = self._read(f"{parent.select_sql(())} LIMIT 1", [])
            return rows[0][parent.names.index(parent.key)] if rows else ""
        if column.enum:
            return column.enum[0] if column.type == "TEXT" else float(column.enum[0])
        if column.semantic is Semantic.JSON:
            return "{}" if (column.json_schema or {}).get("type") == "object" else "[]"
        if column.type == "TEXT":
            return f"{column.name}-{row.get(plan.key, '')}"
        return max(column.minimum or 0, 0) if column.semantic is not Semantic.BOOLEAN else 0

    def _time(self, column: Column) -> Any:
        if column.type != "TEXT":
            seconds = datetime.fromisoformat(self._now.replace("Z", "+00:00")).timestamp()
            return int(seconds) if column.type == "INTEGER" else seconds
        if column.semantic is Semantic.DATE:
            return self._now[:10]
        return self._now[11:19] if column.semantic is Semantic.TIME else self._now

    def _refused(self, plan: TablePlan, message: str, row: dict[str, Any] | None, key: Any) -> Fault:
        """What SQLite's constraint error means to the caller."""
        singular = plan.entity.singular
        column = message.rpartition(".")[2]
        if message.startswith("UNIQUE") and row is not None:
            text = f"there is already a {singular} with {_said({column: row[column]})}"
            return plan.fault(ToolErrorKind.CONFLICT, text, column)
        if message.startswith("NOT NULL"):
            return plan.fault(ToolErrorKind.INVALID_ARGUMENT, f"a {singular} needs a value for {column}", column)
        if message.startswith("FOREIGN KEY"):
            return self._dangling(plan, row) if row is not None else self._needed(plan, key)
        if message.startswith("CHECK") and row is not None:
            return _out_of_range(plan, row)
        kind = ToolErrorKind.INVALID_ARGUMENT if "cannot store" in message else ToolErrorKind.CONFLICT
        return plan.fault(kind, f"a {singular} cannot be stored: {message}", column if column in plan.columns else "")

    def _dangling(self, plan: TablePlan, row: dict[str, Any]) -> Fault:
        for column in plan.entity.columns:
            if column.references is None or row.get(column.name) is None:
                continue
            parent, value = self._plans[column.references], row[column.name]
            if not self._read(parent.count_sql(((parent.key, False),)), [value])[0][0]:
                text = f"no {parent.entity.singular} with {parent.key} {value!r}"
                return plan.fault(ToolErrorKind.NOT_FOUND, text, column.name)
        return plan.fault(ToolErrorKind.CONFLICT, f"other rows refer to this {plan.entity.singular}", plan.key)

    def _needed(self, plan: TablePlan, key: Any) -> Fault:
        for child in self._plans.values():
            for column in child.entity.columns:
                if column.references != plan.entity.name:
                    continue
                n = self._read(child.count_sql(((column.name, False),)), [key])[0][0]
                if n and column.on_delete == "restrict":
                    text = f"{n} {child.entity.name} refer to this {plan.entity.singular}; delete them first"
                    return plan.fault(ToolErrorKind.CONFLICT, text, plan.key)
        return plan.fault(ToolErrorKind.CONFLICT, f"other rows refer to this {plan.entity.singular}", plan.key)


def make_plans(entities: tuple[Entity, ...]) -> dict[str, TablePlan]:
    """One plan per table. Id prefixes are short, readable and different: order -> ord, order_item -> oi."""
    plans: dict[str, TablePlan] = {}
    taken: set[str] = set()
    for entity in entities:
        prefix = next(p for p in _prefixes(entity.singular) if p not in taken)
        taken.add(prefix)
        plans[entity.name] = TablePlan(entity, prefix)
    return plans


def _prefixes(singular: str) -> list[str]:
    words = [w for w in singular.lower().replace("-", "_").split("_") if w.isascii() and w.isalnum()] or ["row"]
    whole = "".join(words)
    initials = ["".join(w[0] for w in words)] if len(words) > 1 else []
    longer = [whole[:n] for n in range(3, len(whole) + 1)]
    return [*initials, *(longer or [whole]), *(f"{whole}{n}" for n in range(2, 1000))]


def _decoder(column: Column) -> Callable[[Any], Any] | None:
    if column.semantic is Semantic.JSON:
        return json.loads
    if column.semantic is Semantic.BOOLEAN and column.type == "INTEGER":
        return bool
    return None


def _is_time(column: Column) -> bool:
    return column.semantic in (Semantic.DATE, Semantic.TIME, Semantic.DATETIME)


def _type_word(column: Column) -> str:
    return {"TEXT": "text", "INTEGER": "an integer", "REAL": "a number"}[column.type]


def _said(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {str(value)[:80]!r}" if isinstance(value, str) else f"{name} {str(value)[:80]}"
                     for name, value in values.items())


def _out_of_range(plan: TablePlan, row: dict[str, Any]) -> Fault:
    for name, value in row.items():
        column = plan.columns[name]
        if column.enum and str(value) not in column.enum:
            text = f"{name} must be one of {', '.join(column.enum[:20])}; found {str(value)[:80]!r}"
        elif column.type == "TEXT" or (column.minimum is None and column.maximum is None):
            continue
        elif column.minimum is not None and value < column.minimum:
            text = f"{name} must be at least {column.minimum:g}; found {value}"
        elif column.maximum is not None and value > column.maximum:
            text = f"{name} must be at most {column.maximum:g}; found {value}"
        else:
            continue
        return plan.fault(ToolErrorKind.INVALID_ARGUMENT, text, name)
    return plan.fault(ToolErrorKind.INVALID_ARGUMENT, f"a value of this {plan.entity.singular} is out of range")
