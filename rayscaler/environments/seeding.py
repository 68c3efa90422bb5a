"""seed -> database: rows that look real and agree with each other. The same arguments give the same bytes.

- Keys first, then tables with parents before children, so that a reference always has a row to go to and a child is
  younger than its parents. References that run in a circle are filled too; only ages then do not follow them.
- Half of the references go round the parents, half go anywhere: every parent has children, some have several. Two ways
  to the same ancestor meet: an invoice's customer is its order's customer.
- Enumerations and statuses are dealt out evenly, so every state of the world occurs when there are rows enough.
- What belongs to one status only (`cancel_reason`, `delivered_at`) is there in rows of that status and empty in others.
- Every fifth row has the title of the row before it, and another date: looking up matters.
- Inside a row, name, email and user name are one person's, and city, postcode and country one place's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from numpy.random import Generator

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.environments.plans import make_plans
from rayscaler.environments.seeding_times import Life, begin_life
from rayscaler.environments.seeding_values import Made, Source
from rayscaler.errors import EnvironmentSpecError
from rayscaler.seeds import rng, seed_of
from rayscaler.toolspec import words

_NULL_SHARE = 0.15
_ATTEMPTS = 40
_STEM = 6
"""Letters that a column's word and a status share at least: cancel and cancelled, not close and closet."""
_TWIN_EVERY = 5
"""Every how manieth row is a near-duplicate of the one before: same title, other date."""
_TELLING = frozenset({Semantic.DATE, Semantic.DATETIME, Semantic.STATUS, Semantic.ENUM, Semantic.MONEY, Semantic.EMAIL})
Row = dict[str, Any]


def seed_rows(entities: Sequence[Entity], *, seed: int, rows: int, now: str) -> dict[str, list[Row]]:
    """Rows per table for `entities`, up to `rows` each (fewer where a unique column has fewer values).

    now: ISO time that dates stand around. Values are Python values (booleans, JSON values unencoded).
    """
    # One stream per table: a table that goes or comes leaves the rows of the others as they were.
    sources = {e.name: Source(rng(seed, "state", e.name), seed_of(seed, "mimesis", e.name) % 2**32, now)
               for e in entities}
    counts = _counts(entities, rows)
    world = _World({e.name: e for e in entities}, _keys(entities, counts, sources), {e.name: {} for e in entities}, {})
    for entity in _parents_first(entities):
        _Table(entity, world, sources[entity.name]).fill()
    return {e.name: [{c.name: row[c.name] for c in e.columns} for row in world.rows[e.name].values()]
            for e in entities}


class _World(NamedTuple):
    """What is made so far, by table: all keys, the rows by key, and their lives by (table, key)."""

    entities: dict[str, Entity]
    keys: dict[str, list[Any]]
    rows: dict[str, dict[Any, Row]]
    lives: dict[tuple[str, Any], Life]

    def ancestors(self, table: str) -> set[str]:
        """Tables that `table` refers to, straight or through others."""
        found: set[str] = set()
        queue = [table]
        while queue:
            for column in self.entities[queue.pop()].columns:
                if column.references and column.references not in found:
                    found.add(column.references)
                    queue.append(column.references)
        return found


def _counts(entities: Sequence[Entity], rows: int) -> dict[str, int]:
    counts = {}
    for entity in entities:
        single = [c for c in entity.columns if c.unique or c.name == entity.key]
        limits = [len(c.enum) for c in single if c.enum]
        limits += [math.floor(c.maximum) - math.ceil(c.minimum) + 1 for c in single
                   if c.type == "INTEGER" and c.minimum is not None and c.maximum is not None]
        limits += [1 for c in single if c.type == "REAL" and c.minimum is not None and c.minimum == c.maximum]
        limits += [2 for c in single if c.type == "INTEGER" and c.semantic is Semantic.BOOLEAN]
        counts[entity.name] = min([rows, *limits])
    for _ in entities:  # a row per parent at most, where a reference is unique; chains settle in as many rounds
        for entity in entities:
            parents = [counts[c.references] for c in entity.columns if c.references and c.references != entity.name
                       and (c.name == entity.key or (c.unique and not c.nullable))]
            counts[entity.name] = min([counts[entity.name], *parents])
    return counts


def _parents_first(entities: Sequence[Entity]) -> list[Entity]:
    """Entities with the tables that they refer to before them; a circle is cut where the fewest are missing."""
    left, done = list(entities), set[str]()
    order = []
    while left:
        def missing(entity: Entity) -> int:
            return len({c.references for c in entity.columns if c.references} - done - {entity.name})

        chosen = min(left, key=missing)
        left.remove(chosen)
        done.add(chosen.name)
        order.append(chosen)
    return order


def _keys(entities: Sequence[Entity], counts: dict[str, int], sources: dict[str, Source]) -> dict[str, list[Any]]:
    plans = make_plans(tuple(entities))
    keys: dict[str, list[Any]] = {}
    for entity in _parents_first(entities):
        column, n, source = entity.column(entity.key), counts[entity.name], sources[entity.name]
        if column.references and column.references in keys:
            keys[entity.name] = keys[column.references][:n]
        elif column.enum:
            keys[entity.name] = list(column.enum[:n])
        elif plans[entity.name].style.kind == "email":
            keys[entity.name] = _natural_keys(entity, column.model_copy(update={"semantic": Semantic.EMAIL}), n, source)
        elif _is_named_by_people(column):
            keys[entity.name] = _names(entity, column, n, source)
        elif column.semantic is Semantic.ID or column.references:
            # Numbers with gaps from a seeded start: an id cannot be guessed from another one or from another state.
            number = int(source.draw.integers(1000, 6000))
            numbers = [number := number + int(source.draw.integers(1, 12)) for _ in range(n)]
            keys[entity.name] = [plans[entity.name].make_id(i) for i in numbers]
        else:
            keys[entity.name] = _natural_keys(entity, column, n, source)
    return keys


def _is_named_by_people(column: Column) -> bool:
    """Whether the key is a name that somebody gave: the name of a bucket, not an id that the service made."""
    last = words(column.name)[-1:]
    plain = column.semantic in (Semantic.ID, Semantic.WORD, Semantic.CODE, Semantic.TITLE)
    return plain and column.type == "TEXT" and not column.generated and last in (["name"], ["alias"], ["slug"])


def _names(entity: Entity, column: Column, n: int, source: Source) -> list[Any]:
    """Names as people give them to such things: `harbor-orders`."""
    taken: set[Any] = set()

    return [_fresh(lambda: source.slug(entity.singular), taken, column, i) for i in range(n)]


def _natural_keys(entity: Entity, column: Column, n: int, source: Source) -> list[Any]:
    taken: set[Any] = set()

    def make() -> Any:
        return source.row(begin_life(source.now, None, source.draw)).value(entity, column)

    return [_fresh(make, taken, column, i) for i in range(n)]


class _Table:
    """The rows of one table while they are made."""

    def __init__(self, entity: Entity, world: _World, source: Source) -> None:
        self.entity, self.world, self.source, self.draw = entity, world, source, source.draw
        self.keys = world.keys[entity.name]
        self.distinct = {c.name for c in entity.columns if c.unique and c.name != entity.key} | _label(entity)
        self.taken: dict[str, set[Any]] = {name: set() for name in self.distinct}
        self.twins = _twins(entity, len(self.keys), self.draw)
        self.dealt = {c.name: self._deal(c) for c in entity.columns if c.enum or c.references}
        # Status first: other columns are empty or not because of it.
        ordered = sorted(entity.columns, key=lambda c: c.semantic is not Semantic.STATUS)
        self.ordered = [(column, self._statuses_of(column)) for column in ordered]

    def fill(self) -> None:
        """Make all rows."""
        for i, key in enumerate(self.keys):
            row: Row = {self.entity.key: key}
            self._refer(row, i)
            life = begin_life(self.source.now, self._youngest_parent(row), self.draw)
            self.world.lives[self.entity.name, key] = life
            made = self.source.row(life)
            made.adopt(self.entity.column(self.entity.key), key)
            for column, of_status in self.ordered:
                if column.name not in row:
                    belongs = not of_status or any(isinstance(v, str) and v in of_status for v in row.values())
                    row[column.name] = self._value(column, i, made) if belongs else None
            self.world.rows[self.entity.name][key] = row

    def _refer(self, row: Row, i: int) -> None:
        references = [c for c in self.entity.columns if c.references and c.name not in row]
        # The parent with the most ancestors first: what it refers to is then settled for this row too.
        references.sort(key=lambda c: -len(self.world.ancestors(str(c.references))))
        settled: dict[str, Any] = {}
        for column in references:
            target = str(column.references)
            if target == self.entity.name:
                row[column.name] = self._earlier(column, row, i)
            elif target in settled and not column.unique:
                row[column.name] = settled.pop(target)
            elif self._is_null(column):
                row[column.name] = None
            else:
                row[column.name] = self.dealt[column.name][i]
                self._settle(target, row[column.name], settled)

    def _settle(self, table: str, key: Any, settled: dict[str, Any]) -> None:
        """Note which rows the row `key` of `table` refers to, straight or through others."""
        row = self.world.rows[table].get(key)
        for column in self.world.entities[table].columns if row is not None else ():
            value = row[column.name] if row is not None else None
            if column.references and value is not None and column.references not in settled:
                settled[column.references] = value
                self._settle(column.references, value, settled)

    def _earlier(self, column: Column, row: Row, i: int) -> Any:
        """A row of the same table that is older; the first row refers to nothing, or to itself if it must."""
        if column.unique:
            return self.keys[i - 1] if i and column.nullable else None if column.nullable else row[self.entity.key]
        earlier = self.keys[:i]
        if not earlier or (column.nullable and self.draw.random() < 0.5):
            return None if column.nullable else row[self.entity.key]
        return earlier[int(self.draw.integers(len(earlier)))]

    def _youngest_parent(self, row: Row) -> Life | None:
        found = [(c.references, row[c.name]) for c in self.entity.columns if c.references and c.name in row]
        lives = [self.world.lives[parent] for parent in found if parent in self.world.lives]
        return max(lives, key=lambda life: life.created, default=None)

    def _deal(self, column: Column) -> list[Any]:
        """One value per row: enumerations evenly, references half evenly and half anywhere."""
        n = len(self.keys)
        values = list(column.enum) if column.enum else self.world.keys[str(column.references)]
        if not values:
            return [None] * n
        cards: list[Any] = []
        while len(cards) < n:
            cards += [values[i] for i in self.draw.permutation(len(values))]
            if column.unique:
                return [*cards, *[None] * n][:n]
        if column.references:
            cards = [c if self.draw.random() < 0.5 else values[int(self.draw.integers(len(values)))] for c in cards]
        return cards[:n]

    def _statuses_of(self, column: Column) -> set[str]:
        """The status values that a nullable column is named after: cancel_reason -> cancelled."""
        if not column.nullable or column.generated or column.semantic is Semantic.STATUS:
            return set()
        named = words(column.name)
        return {value for c in self.entity.columns if c.semantic is Semantic.STATUS for value in c.enum
                if any(_is_of(word, value.lower()) for word in named)}

    def _value(self, column: Column, i: int, made: Made) -> Any:
        if self._is_null(column):
            return None
        if column.enum:
            value = self.dealt[column.name][i]
            return value if column.type == "TEXT" else float(value)
        if column.name == self.entity.label and i in self.twins:
            return list(self.world.rows[self.entity.name].values())[-1][column.name]
        if column.name in self.distinct:
            return _fresh(lambda: made.value(self.entity, column), self.taken[column.name], column, i)
        return made.value(self.entity, column)

    def _is_null(self, column: Column) -> bool:
        if not column.nullable or column.name in (self.entity.key, self.entity.label):
            return False
        if column.semantic in (Semantic.STATUS, Semantic.BOOLEAN) or column.generated:
            return False
        return bool(self.draw.random() < _NULL_SHARE)


def _label(entity: Entity) -> set[str]:
    if entity.label is None or entity.label == entity.key:
        return set()
    column = entity.column(entity.label)
    return set() if column.enum or column.references or column.type != "TEXT" else {column.name}


def _twins(entity: Entity, n: int, draw: Generator) -> frozenset[int]:
    """Numbers of rows that get the title of the row before: one in five, where a date or status tells them apart."""
    label = entity.column(entity.label) if entity.label else None
    if label is None or label.unique or label.name == entity.key or label.semantic is not Semantic.TITLE:
        return frozenset()
    telling = [c for c in entity.columns if c.semantic in _TELLING and not c.nullable and not c.volatile]
    telling += [c for c in entity.columns if c.generated and c.semantic is Semantic.DATETIME and not c.volatile]
    if not telling or n < 2 * _TWIN_EVERY:
        return frozenset()
    first = 1 + int(draw.integers(_TWIN_EVERY - 1))
    return frozenset(range(first, n, _TWIN_EVERY))


def _is_of(word: str, status: str) -> bool:
    """cancel and cancellation are of «cancelled»; delivery, which any order may wait for, is not of «delivered»."""
    if len(word) < _STEM or word[:_STEM] != status[:_STEM]:
        return False
    return status.startswith(word) or word.endswith("tion")


def _fresh(make: Callable[[], Any], taken: set[Any], column: Column, i: int) -> Any:
    """A value that is not in `taken`; once chance has run out, a number makes it different."""
    value = make()
    for _ in range(_ATTEMPTS):
        if str(value) not in taken:
            break
        value = make()
    if str(value) in taken:
        first = i + 2 if column.type == "TEXT" else 2
        others = (_numbered(value, number, column) for number in range(first, first + len(taken) + 1))
        value = next((other for other in others if str(other) not in taken), None)
    if value is None:
        raise EnvironmentSpecError(f"{column.name} is unique and has too few values for {len(taken) + 1} rows")
    taken.add(str(value))
    return value


def _numbered(value: Any, number: int, column: Column) -> Any:
    if column.type == "TEXT":
        name, at, domain = str(value).partition("@")
        if at:
            return f"{name}{number}@{domain}"
        return f"{value} {number}" if " " in str(value) else f"{value}-{number}"
    if column.semantic is Semantic.BOOLEAN and column.type == "INTEGER":
        return not value
    low, high = column.minimum, column.maximum
    if column.type == "REAL":
        if low is not None and high is not None:
            return high - (high - low) / number
        return float(value + number if high is None else high - number + 2)
    if low is not None:
        return math.ceil(low) + number - 2
    return value + number if high is None else math.floor(high) - number + 2
