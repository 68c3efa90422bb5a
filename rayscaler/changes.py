"""Row-level changes of a database, and when two sets of them mean the same.

A verdict is a comparison of two change sets: what the agent's run changed and what gold changed, from the same seeded
start. Two runs that create the same booking in another order give it another generated id, so equality is decided up to
generated ids and declared volatile columns (`Identity`), free of order.

    RowChange(table="orders", op="update", key={"order_id": "ord-0007"},
              before={"status": "pending"}, after={"status": "cancelled"})
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Scalar = str | int | float | None
Row = dict[str, Scalar]


class RowChange(BaseModel):
    """One row that differs between two states of one database.

    insert: `before` is None and `after` the whole row. delete: `after` is None and `before` the whole row.
    update: `before` and `after` hold the changed columns only. `key` is the primary key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    op: Literal["insert", "update", "delete"]
    key: Row
    before: Row | None = None
    after: Row | None = None


Changes = tuple[RowChange, ...]
"""At most one change per (table, key), sorted by table, then key."""


class Identity(BaseModel):
    """Which values carry no meaning of their own.

    generated: table -> columns whose value the environment made up (a primary key from a counter).
    references: table -> column -> the table whose primary key it holds.
    volatile: table -> columns left out of every comparison (`updated_at`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    generated: dict[str, tuple[str, ...]] = {}
    references: dict[str, dict[str, str]] = {}
    volatile: dict[str, tuple[str, ...]] = {}
