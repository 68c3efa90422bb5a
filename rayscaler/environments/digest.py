"""A digest of a database whose cost follows what changed, not what exists.

Each row is hashed by itself, the state is the sum of its rows' hashes, and the digest is SHA-256 of that sum. A sum has
no order and can be taken apart again: the state after some changes is the start's sum, minus the rows that went, plus
the rows that came. The start's sum is taken once per seeded start and kept with it.

    digest(state) = SHA-256( sum over rows of SHA-512(table, values)  mod 2**512 )

Equal content, equal digest, whatever led to it. Two states that differ have the same one by chance only; somebody who
chooses rows in order to make two sums meet is not what this defends against (verdicts compare changes, not digests).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import apsw

from rayscaler.environments.plans import TablePlan
from rayscaler.environments.sql import COUNTERS, quote

BITS = 512


def digest_of(content: int) -> str:
    """The digest of a state whose rows' hashes add up to `content`."""
    return hashlib.sha256((content % 2**BITS).to_bytes(BITS // 8, "big")).hexdigest()


def whole_content(connection: apsw.Connection, plans: Mapping[str, TablePlan]) -> int:
    """The sum over all rows of all tables. Costs what exists."""
    total = 0
    for table, plan in plans.items():
        rows: list[tuple[Any, ...]] = connection.execute(f"SELECT {plan.selected} FROM {quote(table)}").fetchall()
        total += sum(_hash(plan, values) for values in rows)
    return total


def changed_content(connection: apsw.Connection, plans: Mapping[str, TablePlan], changeset: bytes) -> int:
    """What the changes of `changeset`, which led to the state of `connection`, added to the sum. Costs what changed."""
    total = 0
    for change in apsw.Changeset.iter(changeset) if changeset else ():
        if change.name == COUNTERS:
            continue
        plan = plans[change.name]
        if change.op == "INSERT":
            total += _hash(plan, change.new or ())
        elif change.op == "DELETE":
            total -= _hash(plan, change.old or ())
        else:
            total += _updated(connection, plan, change.old or ())
    return total


def _updated(connection: apsw.Connection, plan: TablePlan, old: Sequence[Any]) -> int:
    """New row minus old row. A changeset has of an update only the key and the columns that changed."""
    sql = f"SELECT {plan.selected} FROM {quote(plan.entity.name)} WHERE {quote(plan.key)} = ?"
    new: tuple[Any, ...] = connection.execute(sql, (old[plan.names.index(plan.key)],)).fetchall()[0]
    before = tuple(n if o is apsw.no_change else o for o, n in zip(old, new, strict=True))
    return _hash(plan, new) - _hash(plan, before)


def _hash(plan: TablePlan, values: Sequence[Any]) -> int:
    kept = [plan.entity.name, *(values[i] for i in plan.compared)]
    text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
    return int.from_bytes(hashlib.sha512(text.encode()).digest(), "big")
