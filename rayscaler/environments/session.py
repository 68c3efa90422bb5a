"""A live session: one in-memory SQLite database, with SQLite's session extension noting every row that changes.

`changes()` is what the extension recorded since the seeded start: it costs what changed, not what exists. A call runs
inside a savepoint with a recorder of its own, so an error changes nothing and a result tells its rows. A snapshot is
the seed and the changeset since then, a fork applies that changeset to a fresh copy of the start: both are small, and
both keep what `changes()` says.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import apsw

from rayscaler.canonical import dumps
from rayscaler.changes import Changes, Difference, RowChange, explain_changes
from rayscaler.environment import CallResult, ToolError, ToolErrorKind
from rayscaler.environments.database import Database
from rayscaler.environments.digest import changed_content, digest_of, whole_content
from rayscaler.environments.language_runtime import STEPS, BudgetExceeded, RequirementFailed
from rayscaler.environments.plans import Fault
from rayscaler.environments.result import plain
from rayscaler.environments.sql import COUNTERS
from rayscaler.environments.template import Start, load_rows, open_copy, set_limits

if TYPE_CHECKING:
    from rayscaler.environments.hosting import HostedEnvironment, HostedTool

_UNMETERED = 1 << 62
_OPS: dict[str, Literal["insert", "update", "delete"]] = {"INSERT": "insert", "UPDATE": "update", "DELETE": "delete"}
_NO_CHANGES: Changes = ()


class SqliteSession:
    """One live copy of an environment's database; made by `HostedEnvironment.start`. Not thread-safe."""

    __slots__ = ("_connection", "_database", "_environment", "_recorder", "_start")

    def __init__(self, environment: HostedEnvironment, start: Start, changeset: bytes = b"") -> None:
        self._environment = environment
        self._start = start
        self._connection = open_copy(start.image)
        self._database = Database(self._connection, environment.plans, environment.spec.now)
        self._database.steps = _UNMETERED
        self._connection.set_progress_handler(self._database.spend, 1000)
        self._recorder = self._record()
        self._apply(changeset)

    @property
    def seed(self) -> int:
        """The seed of the start."""
        return self._start.seed

    def call(self, name: str, arguments: dict[str, Any]) -> CallResult:
        """Run one tool. Never raises for anything that an agent can send; an error changes nothing."""
        tool = self._environment.tools.get(name) if isinstance(name, str) else None
        if tool is None:
            return _failed(ToolErrorKind.UNKNOWN_TOOL, f"there is no tool {str(name)[:80]!r}")
        problem = tool.arguments.problem(arguments)
        if problem is not None:
            return CallResult(None, problem, _NO_CHANGES)
        self._database.steps = STEPS
        values = tool.arguments.in_order(arguments)
        try:
            value, changes = self._write(tool, values) if tool.writes else (self._run(tool, values), _NO_CHANGES)
        except Fault as fault:
            field = tool.arguments.field_of(fault.table, fault.column)
            return _failed(fault.kind, str(fault), field)
        except RequirementFailed as failed:
            return _failed(ToolErrorKind.PRECONDITION_FAILED, str(failed)[:500])
        except BudgetExceeded as exceeded:
            return _failed(ToolErrorKind.BUDGET_EXCEEDED, str(exceeded))
        except Exception as error:  # the boundary: a tool's own failure is data
            return _failed(ToolErrorKind.INTERNAL, f"the tool failed: {type(error).__name__}: {str(error)[:200]}")
        finally:
            self._database.steps = _UNMETERED
        return CallResult(value, None, changes)

    def changes(self) -> Changes:
        """Net row changes since the seeded start. Costs what changed."""
        return self._rows_of(self._recorder.changeset())

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, by primary key. KeyError if there is no such table."""
        plan = self._environment.plan(table)
        return [plan.row(values) for values in self._connection.execute(plan.select_sql(()))]

    def diff(self, other: SqliteSession) -> list[Difference]:
        """In what `other` differs from this one, row by row; empty exactly when the states mean the same.

        Up to generated ids and volatile columns, free of order. Costs what the two changed, not what exists. Raises
        ValueError if they did not begin in the same state.
        """
        if other._start.digest != self._start.digest:
            raise ValueError(f"the sessions began in different states (seeds {self.seed} and {other.seed}): "
                             f"their changes cannot be compared")
        return explain_changes(self.changes(), other.changes(), self._environment.spec.identity)

    def digest(self) -> str:
        """SHA-256 over all rows of all tables, volatile columns left out. Equal content, equal digest.

        The first one on a start costs what exists, each later one on it what changed.
        """
        plans = self._environment.plans
        changed = changed_content(self._connection, plans, self._recorder.changeset())
        if self._start.content is None:
            self._start.content = whole_content(self._connection, plans) - changed
        return digest_of(self._start.content + changed)

    def snapshot(self) -> bytes:
        """The state as bytes that `restore` takes: seed and changes since the start (and loaded rows with it)."""
        image = self._start.image if self._start.loaded else b""
        head = {"environment": self._environment.spec.environment_id, "seed": self._start.seed,
                "start": self._start.digest, "image": len(image)}
        return dumps(head).encode() + b"\n" + image + self._recorder.changeset()

    def restore(self, state: bytes) -> None:
        """Go back to a state made by `snapshot` of the same environment. ValueError if it is another's."""
        first, _, rest = state.partition(b"\n")
        head = json.loads(first)
        if head["environment"] != self._environment.spec.environment_id:
            here = self._environment.spec.environment_id
            raise ValueError(f"the snapshot is of {head['environment']!r}, this is {here!r}")
        image, changeset = rest[: head["image"]], rest[head["image"] :]
        start = Start(head["seed"], image, loaded=True) if image else self._environment.start_of(head["seed"])
        if start.digest != head["start"]:
            raise ValueError(f"seed {head['seed']} makes other rows here than where the snapshot was made")
        self._start = start
        self._begin()
        self._apply(changeset)

    def fork(self) -> SqliteSession:
        """An independent copy of the current state, with the same start."""
        return SqliteSession(self._environment, self._start, self._recorder.changeset())

    def reset(self, seed: int | None = None) -> None:
        """Back to the start; with `seed`, to that one's."""
        if seed is not None and (seed != self._start.seed or self._start.loaded):
            self._start = self._environment.start_of(seed)
        self._begin()

    def load_rows(self, table: str, rows: list[dict[str, Any]]) -> None:
        """Put `rows` in place of all rows of a table; the result is the new start, so `changes()` is empty after it.

        Columns that a row lacks are NULL or made up where they are generated. References are not checked here: load
        all tables, then call tools. Raises ValueError for a row that the schema does not take:
        `importing.import_tables` fits rows made elsewhere, nested ones too, and widens the schema for the rest.
        """
        plan = self._environment.plan(table)
        load_rows(self._connection, plan, rows, self._environment.spec.now)
        self._start = Start(self._start.seed, self._connection.serialize("main"), loaded=True)
        self._begin()

    def close(self) -> None:
        """Free the database. Any later use is an error."""
        self._recorder.close()
        self._connection.close()

    def _begin(self) -> None:
        self._recorder.close()
        self._connection.deserialize("main", self._start.image)
        set_limits(self._connection)
        self._recorder = self._record()

    def _record(self) -> apsw.Session:
        recorder = apsw.Session(self._connection, "main")
        recorder.attach()
        return recorder

    def _apply(self, changeset: bytes) -> None:
        if changeset:
            # The changeset has every row that a cascade touched: acting on foreign keys again would clash with it.
            apsw.Changeset.apply(changeset, self._connection, flags=apsw.SQLITE_CHANGESETAPPLY_FKNOACTION)

    def _run(self, tool: HostedTool, values: list[Any]) -> Any:
        return plain(tool.function(self._database, *values))

    def _write(self, tool: HostedTool, values: list[Any]) -> tuple[Any, Changes]:
        connection = self._connection
        recorder = self._record()
        connection.execute("SAVEPOINT call")
        try:
            value = self._run(tool, values)
            changes = self._rows_of(recorder.changeset())
        except BaseException:
            # A full database or an interrupted statement has already ended the transaction.
            if connection.in_transaction:
                connection.execute("ROLLBACK TO call")
                connection.execute("RELEASE call")
            raise
        else:
            connection.execute("RELEASE call")
        finally:
            recorder.close()
        return value, changes

    def _rows_of(self, changeset: bytes) -> Changes:
        if not changeset:
            return _NO_CHANGES
        plans = self._environment.plans
        found = []
        for change in apsw.Changeset.iter(changeset):
            if change.name == COUNTERS:
                continue
            plan = plans[change.name]
            old, new = (_values(plan.names, side) for side in (change.old, change.new))
            key = {plan.key: (new if change.op == "INSERT" else old)[plan.key]}
            if change.op == "UPDATE":
                old.pop(plan.key)
            found.append(RowChange.model_construct(
                table=change.name, op=_OPS[change.op], key=key,
                before=old if change.old is not None else None, after=new if change.new is not None else None,
            ))
        found.sort(key=lambda c: (c.table, *c.key.values()))
        return tuple(found)


def _values(names: tuple[str, ...], side: tuple[Any, ...] | None) -> dict[str, Any]:
    return {n: v for n, v in zip(names, side or (), strict=False) if v is not apsw.no_change}


def _failed(kind: ToolErrorKind, message: str, field: str = "") -> CallResult:
    return CallResult(None, ToolError(kind=kind, message=message, field=field), _NO_CHANGES)
