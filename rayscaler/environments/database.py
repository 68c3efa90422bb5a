"""The `db` that tools write to: a few verbs over one SQLite connection.

Only these methods make SQL. Tables and columns come from the specification and are quoted, values are always
parameters. Rows are plain dicts in column order; JSON columns arrive and leave as Python values, booleans as booleans.
What SQLite refuses becomes a Fault that names the column.

    db.get("orders", order_id="ord-1007")      -> {"order_id": "ord-1007", "status": "pending", …}
"""

from __future__ import annotations

import marshal
from datetime import datetime
from typing import Any

import apsw

from rayscaler.environment import Column, Semantic, ToolErrorKind
from rayscaler.environments.language_runtime import MAX_NESTING, MAX_TEXT, BudgetExceeded, NestedTooDeep, pay, weigh
from rayscaler.environments.plans import Fault, TablePlan, is_time
from rayscaler.environments.sql import COUNTERS

READ_STEPS, WRITE_STEPS = 4, 40
"""Price of one db call; a read pays 1 more per row and per 256 bytes of what it gives, of JSON per 32."""
MAX_NEEDLE = 1_000
"""Longest text to search for, in characters."""
_SCALARS = (str, int, float, bool, type(None))
NEXT_ID = f'UPDATE {COUNTERS} SET "next" = "next" + 1 WHERE "entity" = ? RETURNING "next" - 1'


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
        if None in key.values():
            self._conditions(plan, key)  # nothing has no row; the other values are looked at all the same
            rows = []
        else:
            rows = self._select(plan, key)
        if not rows:
            raise plan.fault(ToolErrorKind.NOT_FOUND, f"no {plan.entity.singular} with {_said(key)}", next(iter(key)))
        return rows[0]

    def find(self, table: str, /, **equals: Any) -> list[dict[str, Any]]:
        """The rows with these values, by key. None is no filter; a list means any of its values."""
        return self._select(self._plans[table], equals)

    def search(self, table: str, text: Any, /, **equals: Any) -> list[dict[str, Any]]:
        """The rows with `text` in any text column, letters compared without case. None and "" are no filter."""
        plan = self._plans[table]
        self._weigh(plan, "", text)
        needle = "" if text is None else str(text).lower()
        if not needle:
            return self._select(plan, equals)
        if len(needle) > MAX_NEEDLE:
            text = f"the text to search for has {len(needle)} characters, at most {MAX_NEEDLE} are allowed"
            raise plan.fault(ToolErrorKind.INVALID_ARGUMENT, text)
        # SQLite looks for the text at every place of every row, which its count of instructions does not tell.
        pages = self._connection.execute("PRAGMA page_count").fetchall()[0][0]
        pay(self, (int(str(pages)) >> 3) * (1 + (len(needle) >> 5)))
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
        row = self._encoded(plan, values)
        self._fill(plan, row)
        return plan.row(self._write(plan, plan.insert_sql(tuple(row)), tuple(row.values()), row)[0])

    def update(self, table: str, row: dict[str, Any], /, **values: Any) -> dict[str, Any]:
        """Set columns of one row. None is left out, so what the caller does not give stays."""
        plan = self._plans[table]
        key = _key_of(plan, row)
        new = self._encoded(plan, values)
        if not new:
            return self.get(table, **{plan.key: key})
        for column in plan.refreshed:
            new.setdefault(column.name, self._time(column))
        found = self._write(plan, plan.update_sql(tuple(new)), (*new.values(), key), new)
        if not found:
            raise _absent(plan, key)
        return plan.row(found[0])

    def delete(self, table: str, row: dict[str, Any], /) -> dict[str, Any]:
        """Remove one row and give it back. Fault conflict if other rows need it."""
        plan = self._plans[table]
        key = _key_of(plan, row)
        found = self._write(plan, plan.delete_sql(), (key,), None, key)
        if not found:
            raise _absent(plan, key)
        return plan.row(found[0])

    def _weigh(self, plan: TablePlan, name: str, value: Any) -> None:
        """Pay for walking through a value before anything else does. A value that holds itself is refused."""
        if type(value) in _SCALARS:
            return
        try:
            characters = weigh(self, value)
        except NestedTooDeep:
            text = f"{name or 'the text'} takes at most {MAX_NESTING} levels, and no value that holds itself"
            raise plan.fault(ToolErrorKind.INVALID_ARGUMENT, text, name) from None
        if characters > MAX_TEXT:
            raise BudgetExceeded(f"a value would have {characters} characters, at most {MAX_TEXT} are allowed")

    def _encoded(self, plan: TablePlan, values: dict[str, Any]) -> dict[str, Any]:
        """Values as they are stored; None is left out."""
        row = {}
        for name, value in values.items():
            if value is not None:
                if type(value) not in _SCALARS:
                    self._weigh(plan, name, value)
                row[name] = plan.encode(name, value)
        return row

    def _select(self, plan: TablePlan, equals: dict[str, Any], needle: str | None = None) -> list[dict[str, Any]]:
        conditions, values = self._conditions(plan, equals)
        sql = plan.select_sql(conditions, needle is not None)
        rows = self._read(sql, values if needle is None else [needle, *values])
        if plan.json_places:
            pay(self, sum([len(values[i] or "") for values in rows for i in plan.json_places]) >> 5)
        make = plan.row
        return [make(values) for values in rows]

    def _conditions(self, plan: TablePlan, equals: dict[str, Any]) -> tuple[tuple[tuple[str, bool], ...], list[Any]]:
        conditions, values = [], []
        for name, value in equals.items():
            if value is None:
                continue
            if type(value) not in _SCALARS:
                self._weigh(plan, name, value)
            several = type(value) is list and plan.columns[name].semantic is not Semantic.JSON
            conditions.append((name, several))
            values.append(plan.json(name, value) if several else plan.encode(name, value))
        return tuple(conditions), values

    def _read(self, sql: str, values: list[Any]) -> list[tuple[Any, ...]]:
        try:
            rows: list[tuple[Any, ...]] = self._connection.execute(sql, values).fetchall()
        except apsw.InterruptError as error:
            raise BudgetExceeded("the call reads more rows than a tool may") from error
        # Rows can be long: what a tool keeps of them, and what JSON becomes, is bounded by their bytes.
        pay(self, READ_STEPS + len(rows) + (len(marshal.dumps(rows)) >> 8))
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
            raise BudgetExceeded("the database is full") from error
        return found

    def _fill(self, plan: TablePlan, row: dict[str, Any]) -> None:
        for column in plan.generated:
            if column.name in row:
                continue
            if column.name == plan.key:
                row[column.name] = self._next_id(plan)
            elif is_time(column):
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
            return plan.made_up(column, row.get(plan.key, ""))
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
                text = f"no {parent.entity.singular} with {parent.key} {_shown(value)}"
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


def _key_of(plan: TablePlan, row: Any) -> Any:
    """The key of the row that a tool gives. Raises Fault for what is no row."""
    if type(row) is not dict or type(row.get(plan.key, ())) not in _SCALARS:
        text = f"a {plan.entity.singular} is named by a row with its {plan.key}, found {_shown(row)}"
        raise plan.fault(ToolErrorKind.INVALID_ARGUMENT, text, plan.key)
    return row[plan.key]


def _absent(plan: TablePlan, key: Any) -> Fault:
    text = f"no {plan.entity.singular} with {_said({plan.key: key})}"
    return plan.fault(ToolErrorKind.NOT_FOUND, text, plan.key)


def _said(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_shown(value)}" for name, value in values.items())


def _shown(value: Any) -> str:
    """A value in an error, short. Of a list or dict only the length: shared parts can make its text vast."""
    if type(value) is str:
        return repr(value[:80])
    return str(value)[:80] if type(value) in _SCALARS else f"a {type(value).__name__} of {len(value)}"


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
