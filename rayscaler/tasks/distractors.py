"""Whether what the user says of a row selects it among all rows of the state, and how many rows come near it.

A distractor is another row of the same table that all told facts but one fit, or that all of them fit and that lies
elsewhere (in another calendar, of another customer): an agent that does not look closely takes it for the one meant.
A row that is told by a single fact, or by its key, has distractors only elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable

from rayscaler.environment import EnvironmentSpec, Session
from rayscaler.reasons import Reason
from rayscaler.tasks.draft import Draft, Failed, Known, Row, RowName
from rayscaler.tasks.finding import same_value


def count_distractors(draft: Draft, start: Session, named: Iterable[RowName]) -> int:
    """Distractors of the rows `named`, together. Raises Failed(AMBIGUOUS) if the words about one fit several rows.

    start: the state before the first call of the task. Rows that the task makes, or changed before it speaks of them,
    are not judged here.
    """
    found = 0
    for name in named:
        mention = draft.mentions.get(name)
        if mention is None or mention.kind != "facts" or not mention.facts:
            continue
        entity = draft.spec.entity(name.entity)
        facts = [draft.facts[f] for f in mention.facts]
        rows = {row[entity.key]: row for row in start.rows(name.entity)}
        if name.key not in rows or not _fits(rows.pop(name.key), facts, len(facts)):
            continue
        places = {c: p.key for p in mention.parents for c in _columns_to(draft.spec, name.entity, p.entity)}
        for row in rows.values():
            there = all(row.get(column) == key for column, key in places.items())
            if there and _fits(row, facts, len(facts)):
                raise Failed(Reason.AMBIGUOUS, f"{entity.singular}: what the user says fits several rows")
            near = len(facts) > 1 and _fits(row, facts, len(facts) - 1)
            found += near or _fits(row, facts, len(facts))
    return found


def _columns_to(spec: EnvironmentSpec, entity: str, parent: str) -> list[str]:
    """The column that refers to the parent, if there is just one: else it is open by which the row was found."""
    columns = [c.name for c in spec.entity(entity).columns if c.references == parent]
    return columns if len(columns) == 1 else []


def _fits(row: Row, facts: list[Known], at_least: int) -> bool:
    return sum(same_value(f.column, row.get(f.column.name), f.value) for f in facts) >= at_least
