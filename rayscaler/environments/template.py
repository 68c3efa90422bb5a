"""The seeded start of sessions: a database image made once per seed, copied into each session.

Pages of 1 KiB and a cache of a few pages keep a session small: the image is the session's memory, and reading a page
of it is a memory copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import apsw

from rayscaler.environments.database import Database
from rayscaler.environments.language_runtime import STEPS, BudgetExceeded
from rayscaler.environments.plans import Fault, TablePlan
from rayscaler.environments.sql import COUNTERS, quote
from rayscaler.errors import EnvironmentSpecError

PAGE_BYTES = 1024
MAX_PAGES = 32_768
"""Largest database of one session: 32 MiB. A call that would grow it further fails and changes nothing."""
_CACHE_PAGES = 16
_STATEMENTS = 64
"""Prepared statements kept per session: with 16, calls that go round 19 tools prepare theirs again each time."""


class Start:
    """Where a session begins: an image of its database. `loaded` if rows were put in by hand after seeding.

    content: the sum of its rows' hashes (`digest`), None until a session asks for it.
    """

    __slots__ = ("content", "digest", "image", "loaded", "seed")

    def __init__(self, seed: int, image: bytes, *, loaded: bool = False) -> None:
        self.seed, self.image, self.loaded = seed, image, loaded
        self.digest = hashlib.sha256(image).hexdigest()[:16]
        self.content: int | None = None


def make_start(schema: str, plans: Mapping[str, TablePlan], rows: Mapping[str, list[dict[str, Any]]], now: str,
               seed: int) -> Start:
    """The start with these rows. Raises EnvironmentSpecError if they do not fit the schema."""
    connection = apsw.Connection(":memory:")
    connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
    try:
        connection.execute(schema)
    except apsw.SQLError as error:
        raise EnvironmentSpecError(f"the schema is no SQL that SQLite takes: {error}") from error
    for name in plans:
        connection.execute(f"INSERT INTO {COUNTERS} VALUES (?, 1)", (name,))
    try:
        for name, plan in plans.items():
            load_rows(connection, plan, rows.get(name, []), now)
    except ValueError as error:
        raise EnvironmentSpecError(f"seed {seed} makes a row that the schema refuses: {error}") from error
    dangling = connection.execute("PRAGMA foreign_key_check").fetchall()
    if dangling:
        raise EnvironmentSpecError(f"seed {seed} makes a row of {dangling[0][0]} that refers to no {dangling[0][2]}")
    image = connection.serialize("main")
    connection.close()
    return Start(seed, image)


def open_copy(image: bytes) -> apsw.Connection:
    """A connection to a private copy of `image`, ready for a session."""
    connection = apsw.Connection(":memory:", statementcachesize=_STATEMENTS)
    connection.deserialize("main", image)
    set_limits(connection)
    return connection


def set_limits(connection: apsw.Connection) -> None:
    """What a connection forgets when it gets another image."""
    connection.execute(
        # Without temp_store, SQLite may sort in a temporary file: a session never touches the disk.
        "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; "
        f"PRAGMA cache_size = {_CACHE_PAGES}; PRAGMA max_page_count = {MAX_PAGES}"
    ).fetchall()


def load_rows(connection: apsw.Connection, plan: TablePlan, rows: list[dict[str, Any]], now: str) -> None:
    """Put `rows` in place of all rows of a table, references unchecked. ValueError for a row that does not fit."""
    database = Database(connection, {plan.entity.name: plan}, now)
    connection.execute("PRAGMA foreign_keys = OFF; SAVEPOINT load")
    try:
        connection.execute(f"DELETE FROM {quote(plan.entity.name)}")
        for number, row in enumerate(rows):
            unknown = sorted(row.keys() - plan.columns.keys())
            if unknown:
                raise ValueError(f"{plan.entity.name}, row {number}: no column {', '.join(map(repr, unknown))}; there "
                                 f"are {', '.join(plan.names)}. importing.import_tables fits rows made elsewhere.")
            database.steps = STEPS
            try:
                database.insert(plan.entity.name, **row)
            except (Fault, BudgetExceeded) as fault:
                raise ValueError(f"{plan.entity.name}, row {number}: {fault}") from fault
        connection.execute(f'UPDATE {COUNTERS} SET "next" = ? WHERE "entity" = ?',
                           (_next_number(plan, rows), plan.entity.name))
    except BaseException:
        connection.execute("ROLLBACK TO load; RELEASE load; PRAGMA foreign_keys = ON")
        raise
    connection.execute("RELEASE load; PRAGMA foreign_keys = ON")


def _next_number(plan: TablePlan, rows: list[dict[str, Any]]) -> int:
    """One more than the largest number among the ids that look generated."""
    return max((plan.number_of(row.get(plan.key, "")) for row in rows), default=0) + 1
