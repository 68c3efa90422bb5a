"""Where a row stands in an answer, and by what a person can tell it from its neighbours there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import Any, NamedTuple

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.reasons import Reason
from rayscaler.tasks.columns import pointable
from rayscaler.tasks.draft import Draft, Failed, Mention, Path, Row, RowName, know

_NAMING = (Semantic.PERSON, Semantic.TITLE, Semantic.USERNAME, Semantic.EMAIL, Semantic.COMPANY, Semantic.PHONE)
_DATING = (Semantic.DATE, Semantic.CITY, Semantic.STREET, Semantic.COUNTRY, Semantic.MONEY, Semantic.QUANTITY,
           Semantic.STATUS, Semantic.ENUM)


class Place(NamedTuple):
    """The key of a row at `path` in the answer to call number `call`. `via`: the row that refers to it there."""

    call: int
    path: Path
    siblings: tuple[Row, ...] = ()
    via: RowName | None = None


def locate(draft: Draft, name: RowName) -> Place | None:
    """The first answer so far that holds the key of the row, as the row itself or as a reference to it."""
    entity, row = draft.spec.entity(name.entity), draft.row(name)
    if row is None:
        return None
    for index, call in enumerate(draft.calls):
        for path, found in call.shown:
            if is_row(found, entity, row):
                return Place(index, (*path, entity.key), _siblings(call.value, path, entity))
    places = (_reference(draft, index, name) for index in range(len(draft.calls)))
    return next((p for p in places if p is not None), None)


def objects(value: Any, path: Path = ()) -> Iterator[tuple[Path, Row]]:
    """All JSON objects inside `value` with their paths, outermost first."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from objects(item, (*path, i))


def is_row(found: Row, entity: Entity, row: Row) -> bool:
    """Whether the object is that row: the same key, and most of the rest equal (a write may have come between)."""
    if found.get(entity.key) is None or found[entity.key] != row[entity.key]:
        return False
    common = [c.name for c in entity.columns if c.name in found and c.name != entity.key]
    if not common:
        return len(found) == 1
    return len([n for n in common if found[n] == row.get(n)]) * 2 >= len(common)


def _reference(draft: Draft, index: int, name: RowName) -> Place | None:
    target = draft.calls[index].target
    holder = draft.spec.entity(target.entity) if target is not None else None
    row = draft.row(target) if target is not None else None
    if holder is None or row is None or target is None:
        return None
    columns = [c.name for c in holder.columns if c.references == name.entity and row.get(c.name) == name.key]
    for path, found in draft.calls[index].shown if columns else ():
        if not is_row(found, holder, row):
            continue
        for column in columns:
            if found.get(column) == name.key:
                return Place(index, (*path, column), via=target)
    return None


def _siblings(value: Any, path: Path, entity: Entity) -> tuple[Row, ...]:
    """The other objects of the list that the object at `path` stands in."""
    if not path or not isinstance(path[-1], int):
        return ()
    around = value
    for step in path[:-1]:
        around = around[step]
    return tuple(r for i, r in enumerate(around) if i != path[-1] and isinstance(r, dict) and entity.key in r)


def point_at(draft: Draft, name: RowName, place: Place, *, without: str = "") -> None:
    """Make sure that the user can tell which row is meant where the agent finds it; not by the column `without`.

    Raises Failed(AMBIGUOUS) if nothing that a person would say sets the row apart from its neighbours.
    """
    call = draft.calls[place.call]
    made = draft.mentions.get(name)
    if made is not None and made.kind == "created" and place.siblings:
        _check_label(draft, name, place)
    if made is not None:
        return
    if any(c.op == "insert" and c.table == name.entity and name.key in c.key.values() for c in call.changes):
        draft.mentions[name] = Mention("created")
        return
    if place.via is not None:
        draft.mentions[name] = Mention("via", parents=(place.via,))
        return
    entity, row = draft.spec.entity(name.entity), draft.row(name)
    shown: Any = call.value
    for step in place.path[:-1]:
        shown = shown[step]
    assert row is not None
    columns = telling(entity, shown, place.siblings, near=draft.chance(draft.near), without=without)
    if columns is None:
        raise Failed(Reason.AMBIGUOUS, f"{call.tool}: nothing sets {entity.singular} apart among its neighbours")
    currency = currency_of(entity, row)
    facts = [know(draft, told(c, shown[c.name]), by_day(c), entity, row=name, currency=currency) for c in columns]
    around = list(dict.fromkeys(r for r in call.rows.values() if r.entity != name.entity))
    above = {p for r in around if r in draft.mentions for p in draft.mentions[r].parents}
    parents = tuple(r for r in around if r not in above)
    draft.mentions[name] = Mention("facts", tuple(dict.fromkeys(facts)), parents)


def _check_label(draft: Draft, name: RowName, place: Place) -> None:
    """A row just made, looked up in a list, is known there by the label that the user gave it."""
    label, row = draft.spec.entity(name.entity).label, draft.row(name)
    given = None if label is None or row is None else row.get(label)
    same = [r for r in place.siblings if label is not None and r.get(label) == given]
    if given is None or same or not any(k.value == given for k in draft.facts.values()):
        raise Failed(Reason.AMBIGUOUS, f"{draft.calls[place.call].tool}: nothing tells which row is the new one")


def telling(
    entity: Entity, shown: Row, siblings: tuple[Row, ...], *, near: bool = False, without: str = ""
) -> list[Column] | None:
    """The fewest columns whose values a person would say and that no sibling shares; None if there are none.

    Names come first, then dates and amounts, then the rest; a name that another row shares is said with one of these.
    A row without siblings is told by its best column. With `near`, first two columns are tried of which neither is
    enough alone: other rows then come near this one.
    """
    columns = [c for c in entity.columns if c.name in shown and pointable(entity, c) and _sayable(shown[c.name])]
    columns = sorted((c for c in columns if c.name != without), key=lambda c: _rank(entity, c))
    ways = [chosen for size in (1, 2, 3) for chosen in combinations(columns, size)]
    ways.sort(key=lambda chosen: len(chosen) > 2 or chosen[0].name != entity.label)
    shared = [c for c in columns if any(same_value(c, other.get(c.name), shown[c.name]) for other in siblings)]
    for chosen in [*(combinations(shared, 2) if near else ()), *ways]:
        if not any(all(same_value(c, other.get(c.name), shown[c.name]) for c in chosen) for other in siblings):
            return list(chosen)
    return None if siblings or without else []


def currency_of(entity: Entity, row: Row) -> str:
    """The ISO code of the currency that the row's amounts are in, if it has a column for it."""
    names = [c.name for c in entity.columns if c.semantic is Semantic.CURRENCY]
    return str(row[names[0]]) if names and row.get(names[0]) else ""


def told(column: Column, value: Any) -> Any:
    """The value by which a person points at a row: of a moment, the day."""
    return value[:10] if column.semantic is Semantic.DATETIME and isinstance(value, str) else value


def by_day(column: Column) -> Column:
    """The column of what `told` gives."""
    return column.model_copy(update={"semantic": Semantic.DATE}) if column.semantic is Semantic.DATETIME else column


def same_value(column: Column, a: Any, b: Any) -> bool:
    """Whether a person who says the one value may mean the other: whatever the case, the day instead of the moment."""
    if column.semantic in (Semantic.DATE, Semantic.DATETIME) and isinstance(a, str) and isinstance(b, str):
        return a[:10] == b[:10]
    return a == b or (a is not None and b is not None and str(a).casefold() == str(b).casefold())


def _sayable(value: Any) -> bool:
    return isinstance(value, (int, float)) or (isinstance(value, str) and 0 < len(value) <= 80)


def _rank(entity: Entity, column: Column) -> int:
    if column.name == entity.label:
        return 0
    for rank, group in enumerate((_NAMING, _DATING), start=1):
        if column.semantic in group:
            return rank
    return 4 if column.generated or column.semantic in (Semantic.BOOLEAN, Semantic.CODE) else 3
