"""A task in the making: the calls so far, what the user has to know for them, and the rows that it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from numpy.random import Generator

from rayscaler.canonical import dumps
from rayscaler.changes import Changes
from rayscaler.environment import CallResult, Column, CompiledTool, Entity, EnvironmentSpec, Operator, Session
from rayscaler.reasons import Reason
from rayscaler.task import ArgumentSource
from rayscaler.tasks.columns import column_from_value
from rayscaler.tasks.lexicon import load
from rayscaler.tasks.walk import ToolGraph
from rayscaler.tasks.wording import column_words, noun, say
from rayscaler.toolspec import snake, words

Row = dict[str, Any]
Path = tuple[str | int, ...]


class RowName(NamedTuple):
    """One row of one entity, by primary key."""

    entity: str
    key: Any


class Failed(Exception):
    """This attempt, or this way of going on with it, leads nowhere."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Known(NamedTuple):
    """A fact in the making. `words` is how a person calls it: `delivery date`."""

    name: str
    value: Any
    text: str
    column: Column
    words: str
    row: RowName | None


class Mention(NamedTuple):
    """How the user points at a row: by facts, as the one just created, or as what another row refers to (`via`).

    parents: rows that it was found in, the nearest ones; for `via` the row that refers to it.
    """

    kind: Literal["facts", "created", "via"]
    facts: tuple[str, ...] = ()
    parents: tuple[RowName, ...] = ()


class DraftCall(NamedTuple):
    """One call as bound and run. A call without `goal` only looks something up.

    key: canonical JSON of tool and arguments. shown: all JSON objects in the answer with their paths, outermost first.
    """

    tool: str
    arguments: dict[str, Any]
    sources: dict[str, ArgumentSource]
    value: Any
    changes: Changes
    rows: dict[str, RowName]
    details: dict[str, str]
    target: RowName | None
    goal: bool
    key: str
    shown: tuple[tuple[Path, Row], ...]


class Question(NamedTuple):
    """A value that the user asks for: at `path` in the answer to call number `call`."""

    call: int
    path: Path
    value: Any
    text: str
    words: str
    target: RowName | None


@dataclass
class Draft:
    """The state of one attempt. Functions of this package read it and add to it; `mark` and `back` undo.

    near: chance that a row is chosen, or told, so that other rows come near it. only_new: goals are about rows that no
    goal was about before. offered: values that a model thought of, by (tool, parameter).
    lost: why no way was found to rows of an entity, by (entity, reads allowed before).
    """

    spec: EnvironmentSpec
    graph: ToolGraph
    session: Session
    rng: Generator
    max_calls: int
    near: float = 0.0
    offered: Mapping[tuple[str, str], tuple[Any, ...]] = field(default_factory=dict)
    calls: list[DraftCall] = field(default_factory=list)
    facts: dict[str, Known] = field(default_factory=dict)
    mentions: dict[RowName, Mention] = field(default_factory=dict)
    targets: dict[str, Any] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)
    only_new: bool = False
    lost: dict[tuple[str, int], list[Failed]] = field(default_factory=dict)
    _rows: dict[str, list[Row]] = field(default_factory=dict)
    _by_key: dict[str, dict[Any, Row]] = field(default_factory=dict)
    _reads: dict[str, CallResult] = field(default_factory=dict)

    def rows(self, entity: str) -> list[Row]:
        """The rows of a table now."""
        if entity not in self._rows:
            self._rows[entity] = self.session.rows(entity)
        return self._rows[entity]

    def call(self, tool: CompiledTool, arguments: dict[str, Any]) -> CallResult:
        """Run a tool; a read that was tried before on this state is not run again."""
        if tool.operator.writes:
            return self.session.call(tool.name, arguments)
        key = dumps([tool.name, arguments])
        if key not in self._reads:
            self._reads[key] = self.session.call(tool.name, arguments)
        return self._reads[key]

    def row(self, name: RowName) -> Row | None:
        """The row called `name`, or None if it is not there (any more)."""
        if name.entity not in self._by_key:
            key = self.spec.entity(name.entity).key
            self._by_key[name.entity] = {r[key]: r for r in self.rows(name.entity)}
        return self._by_key[name.entity].get(name.key)

    def name(self, entity: Entity, row: Row) -> RowName:
        """The name of `row`."""
        return RowName(entity.name, row[entity.key])

    def refresh(self, tables: set[str]) -> None:
        """Forget what was read of these tables, and all answers: the state has changed."""
        for table in sorted(tables):
            self._rows.pop(table, None)
            self._by_key.pop(table, None)
        self._reads = {}

    def spent(self, *, touched: bool = False) -> set[RowName]:
        """Rows that a goal has done away with; with `touched`, all rows that a write was about: nobody undoes those."""
        found: set[RowName] = set()
        for call in self.calls:
            tool = self.spec.tool(call.tool)
            if call.target is not None and undoes(tool):
                found.add(call.target)
            if touched and tool.operator.writes:
                found |= {*call.rows.values(), *([call.target] if call.target is not None else [])}
        return found

    def used(self, entity: str) -> list[Any]:
        """Keys of the rows that a further goal must not be about, where goals are to be about new rows."""
        return [n.key for n in self.mentions if n.entity == entity] if self.only_new else []

    def mark(self) -> tuple[Any, ...]:
        """Where the draft stands, for `back`. The session is not in it: only reads lie between a mark and `back`."""
        return len(self.calls), dict(self.facts), dict(self.mentions), dict(self.targets)

    def back(self, mark: tuple[Any, ...]) -> None:
        """Undo everything since `mark`."""
        n_calls, self.facts, self.mentions, self.targets = mark
        del self.calls[n_calls:]

    def chance(self, probability: float) -> bool:
        """A biased coin."""
        return bool(self.rng.random() < probability)

    def shuffled(self, items: list[Any]) -> list[Any]:
        """`items` in random order."""
        return [items[int(i)] for i in self.rng.permutation(len(items))]


def undoes(tool: CompiledTool) -> bool:
    """Whether the tool ends what it is about: deletes it, cancels it, takes it out."""
    if tool.operator in (Operator.DELETE, Operator.UNRELATE):
        return True
    return tool.operator is Operator.TRANSITION and bool(set(words(tool.name)) & set(load("lexicon")["undoing"]))


def know(
    draft: Draft, value: Any, column: Column, entity: Entity, *, row: RowName | None, currency: str = ""
) -> str:
    """The name of the fact that holds `value` of `column`; a fact about the same row and column is used again."""
    for known in draft.facts.values():
        if known.row is not None and known.row == row and known.column.name == column.name and known.value == value:
            return known.name
    base = "_".join([*words(noun(entity)), *words(column_words(column.name, entity))])
    name, count = snake(base), 1
    while name in draft.facts:
        count += 1
        name = f"{snake(base)}_{count}"
    text = say(value, column, currency=currency)
    draft.facts[name] = Known(name, value, text, column, column_words(column.name, entity), row)
    return name


def field_column(entity: Entity, name: str, value: Any) -> Column:
    """The column of an answer's field: the entity's own, or one made from the value."""
    return next((c for c in entity.columns if c.name == name), column_from_value(name, value))
