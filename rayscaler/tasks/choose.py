"""Choosing what a call is about: rows that belong together, and new values that a user would want.

Nothing is asked yet about where an argument comes from; that is `bind`'s.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rayscaler.environment import Binding, Column, CompiledTool, Entity, Operator, Part, Semantic
from rayscaler.reasons import Reason
from rayscaler.task import ArgumentSource
from rayscaler.tasks.columns import column_of, from_outside, is_person, knowable, machine_made, named_entity, plain_word
from rayscaler.tasks.draft import Draft, Failed, Row, RowName, undoes
from rayscaler.tasks.lexicon import load
from rayscaler.tasks.lookup import fixed, only_value
from rayscaler.tasks.values import Wanted, new_value
from rayscaler.toolspec import words

_OF_PEOPLE = (Semantic.PERSON, Semantic.FIRST_NAME, Semantic.LAST_NAME, Semantic.EMAIL, Semantic.USERNAME)
_HARD = frozenset({Semantic.ID, Semantic.REFERENCE, Semantic.JSON, Semantic.URL, Semantic.LATITUDE,
                   Semantic.LONGITUDE, Semantic.PERCENT, Semantic.MILLISECONDS, Semantic.COLOR, Semantic.BASE64})
"""Optional values that are not worth a sentence."""


class Choice(NamedTuple):
    """Rows and new values for the arguments of one call, before anyone asked where they come from.

    anchor: the row of the tool's entity that the call is about, or None if it makes one or needs none.
    echoes: values of the anchor's columns that no person knows, to be read in an earlier answer.
    """

    draft: Draft
    tool: CompiledTool
    anchor: Row | None
    rows: dict[str, RowName]
    values: dict[str, tuple[Any, Column]]
    fixed: dict[str, tuple[Any, ArgumentSource]]
    echoes: dict[str, tuple[Any, str]]

    @property
    def arguments(self) -> dict[str, Any]:
        """The plain arguments."""
        keys = {p: r.key for p, r in self.rows.items()}
        return {**keys, **{p: v for p, (v, _) in [*self.values.items(), *self.fixed.items(), *self.echoes.items()]}}


def choose(draft: Draft, tool: CompiledTool, trial: int, *, refused: Sequence[Any] = ()) -> Choice:
    """Rows and values for a call. Later trials stray further from the rows that the task is about already.

    refused: keys of rows of its entity for which the call failed.
    """
    entity = draft.spec.entity(tool.entity)
    # Nobody disables what they have just made or enabled.
    untouched = undoes(tool) or tool.operator is Operator.TRANSITION
    but = [r.key for r in draft.spent(touched=untouched) if r.entity == tool.entity] + draft.used(tool.entity)
    but += refused
    if tool.operator is Operator.UPDATE and tool.entity in draft.graph.findable:
        but += [n.key for n, m in draft.mentions.items() if m.kind == "created" and n.entity == tool.entity]
    anchor = pick(draft, entity, {}, but=but, fresh=trial > 1) if _about_a_row(tool) else None
    if anchor is None and _about_a_row(tool):
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}: no {entity.singular} is there")
    choice = Choice(draft, tool, anchor, {}, {}, {}, {})
    for binding in _rows_first(draft, tool):
        named = named_entity(draft.spec, binding)
        if named is not None:
            own = binding.part is Part.KEY and named == tool.entity
            if own or binding.required or not tool.operator.writes or (_homely(draft, named) and draft.chance(0.3)):
                _choose_row(choice, binding, named)
        elif binding.required:
            _choose_value(choice, binding)
    _choose_optional(choice, wide=trial > 1)
    if tool.operator is Operator.CREATE and not choice.values and not choice.rows:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}: nothing that a person would say about a new one")
    if tool.operator is Operator.UPDATE and not choice.values and len(choice.rows) < 2:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}: nothing that a person would say is to change")
    return choice


def _rows_first(draft: Draft, tool: CompiledTool) -> list[Binding]:
    ends = set(load("lexicon")["end_words"])

    def order(binding: Binding) -> tuple[bool, bool, bool]:
        late = bool(set(words(binding.parameter)) & ends)
        return named_entity(draft.spec, binding) is None, not binding.required, late

    return sorted(tool.bindings, key=order)


def _homely(draft: Draft, named: str) -> bool:
    """Whether an optional row of this entity is worth a phrase: what things are in, and whom they are for."""
    entity = draft.spec.entity(named)
    inside = set(words(entity.singular)) & set(load("grammar")["containers"])
    return named in draft.graph.findable and (bool(inside) or is_person(entity))


def _about_a_row(tool: CompiledTool) -> bool:
    """Whether the call is about a row of its entity that is there already."""
    if tool.operator is Operator.LOOKUP:
        return False
    keyed = any(b.part is Part.KEY and b.entity == tool.entity for b in tool.bindings)
    return keyed or tool.operator not in (Operator.CREATE, Operator.RELATE, Operator.TRANSFER)


def _choose_row(choice: Choice, binding: Binding, named: str) -> None:
    draft, tool, anchor = choice.draft, choice.tool, choice.anchor
    entity = draft.spec.entity(named)
    taken = [r.key for r in choice.rows.values() if r.entity == named]
    held = None if anchor is None else anchor.get(binding.column or "")
    if anchor is not None and named == tool.entity and binding.part is Part.KEY and anchor[entity.key] not in taken:
        choice.rows[binding.parameter] = RowName(named, anchor[entity.key])
        return
    if held is not None and (binding.required or binding.part is not Part.VALUE) and held not in taken:
        choice.rows[binding.parameter] = RowName(named, held)
        return
    if not binding.required and (tool.operator is Operator.GET or named not in draft.graph.findable):
        return
    gone = [r.key for r in draft.spent() if r.entity == named]
    row = pick(draft, entity, choice.rows, but=[*taken, *gone, held])
    if row is not None:
        choice.rows[binding.parameter] = RowName(named, row[entity.key])
    elif binding.required:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}.{binding.parameter}: no {entity.singular} is there")


def _choose_value(choice: Choice, binding: Binding) -> None:
    draft, tool, anchor = choice.draft, choice.tool, choice.anchor
    column = column_of(draft.spec, tool, binding)
    if binding.part in (Part.LIMIT, Part.IGNORED) or only_value(tool, binding) is not None:
        choice.fixed[binding.parameter] = fixed(draft, tool, binding)
        return
    if binding.part in (Part.KEY, Part.FILTER, Part.QUERY) and anchor is not None:
        value = anchor.get(column.name)
        shown = tool.entity in draft.graph.findable or column.semantic in (Semantic.JSON, Semantic.BASE64)
        if value is not None and shown and not knowable(draft.spec.entity(tool.entity), column):
            choice.echoes[binding.parameter] = (value, column.name)
            return
    elif column.semantic is Semantic.REFERENCE or (machine_made(column) and not _outside(draft, tool, column)):
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}.{binding.parameter}: nobody makes up a value like this")
    else:
        value = _made_up(choice, binding, column)
    if value is None:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}.{binding.parameter}: no simple value fits")
    choice.values[binding.parameter] = (value, column)


def _outside(draft: Draft, tool: CompiledTool, column: Column) -> bool:
    """Whether a machine's name is of something that no table of this environment holds: an ARN of a role, a link."""
    if from_outside(draft.spec.entity(tool.entity), column):
        return True
    found = set(words(column.name)[:-1])
    own = {w for e in draft.spec.entities for w in words(e.singular)}
    return not found & own and not set(words(column.name)) & set(load("lexicon")["unmakeable"])


def _choose_optional(choice: Choice, *, wide: bool) -> None:
    """One to three optional values, the label of a new row among them; with `wide`, any that can be said at all."""
    draft, tool = choice.draft, choice.tool
    if not tool.operator.writes:
        return
    entity = draft.spec.entity(tool.entity)
    easy = [b for b in tool.bindings if _easy(draft, tool, b) and b.parameter not in choice.rows]
    if tool.operator in (Operator.CREATE, Operator.UPDATE) and not choice.values and (wide or not easy):
        easy = [b for b in tool.bindings if b.part is Part.VALUE and b.parameter not in choice.rows
                and _sayable(column_of(draft.spec, tool, b))]
    first = [b for b in easy if tool.operator is Operator.CREATE and b.column == entity.label]
    rest = draft.shuffled([b for b in easy if b not in first])
    must = tool.operator is Operator.UPDATE and not choice.values and len(choice.rows) < 2
    wanted = int(draft.rng.integers(1, 3)) if must or not choice.values else int(draft.rng.integers(0, 3))
    wanted = min(wanted, max(0, 4 - len(choice.values)))
    for binding in [*first, *rest]:
        if wanted <= 0:
            break
        column = column_of(draft.spec, tool, binding)
        if _given_before(choice, column):
            continue
        value = _made_up(choice, binding, column)
        if column.semantic is Semantic.BOOLEAN and (choice.anchor is None or choice.anchor.get(column.name) is None):
            value = True
        if value is not None:
            choice.values[binding.parameter] = (value, column)
            wanted -= 1


def _sayable(column: Column) -> bool:
    return column.semantic not in (Semantic.JSON, Semantic.BASE64) and not machine_made(column)


def _given_before(choice: Choice, column: Column) -> bool:
    """Whether this task has made the row with a value there, or set it since: nobody sets what they have just set."""
    if choice.anchor is None or choice.anchor.get(column.name) is None:
        return False
    draft, entity = choice.draft, choice.draft.spec.entity(choice.tool.entity)
    row = draft.name(entity, choice.anchor)
    changes = (c for call in draft.calls for c in call.changes if c.table == row.entity)
    if any(row.key in c.key.values() and column.name in (c.after or {}) for c in changes):
        return True
    made = draft.mentions.get(row)
    return made is not None and made.kind == "created"


def _easy(draft: Draft, tool: CompiledTool, binding: Binding) -> bool:
    if binding.required or binding.part not in (Part.VALUE, Part.AMOUNT) or named_entity(draft.spec, binding):
        return False
    column = column_of(draft.spec, tool, binding)
    if only_value(tool, binding) is not None:
        return False
    if column.semantic in _HARD or column.references or machine_made(column):
        return False
    label = draft.spec.entity(tool.entity).label
    if column.semantic in (Semantic.WORD, Semantic.CODE) and column.name != label and not column.enum:
        return plain_word(column)
    found = words(binding.parameter)
    return len(found) <= 3 and not set(found) & set(load("lexicon")["dull_words"])


def _made_up(choice: Choice, binding: Binding, column: Column) -> Any:
    draft, tool, anchor = choice.draft, choice.tool, choice.anchor
    entity = draft.spec.entity(binding.entity or tool.entity)
    schema = tool.parameters.get("properties", {}).get(binding.parameter, {})
    others = tuple(r.get(column.name) for r in draft.rows(entity.name)) if binding.column else ()
    current = anchor.get(column.name) if anchor is not None and binding.part is Part.VALUE else None
    moments = [m for v, c in choice.values.values() for m in [_moment_in(v)] if c.semantic is column.semantic and m]
    if not moments and anchor is not None:
        starts = [c.name for c in entity.columns if {"start", "begin", "from"} & set(words(c.name))]
        moments = [m for name in starts for m in [_moment_in(anchor.get(name))] if m]
    after = moments[-1] if moments else ""
    said = tuple(k.value for k in draft.facts.values() if isinstance(k.value, str) and len(k.value) > 12)
    person = _person(choice, entity, column)
    offered = draft.offered.get((tool.name, binding.parameter), ())
    return new_value(
        Wanted(column, schema, entity, draft.spec.now, others, current, after, said, person, offered), draft.rng)


def _person(choice: Choice, entity: Entity, column: Column) -> dict[Semantic, str]:
    """What this call, or the row that it is about, says of the person whom the column is of."""
    whose = _whose(column)
    row = choice.anchor if choice.anchor is not None and column in entity.columns else {}
    told = [(c, row.get(c.name)) for c in entity.columns] + [(c, value) for value, c in choice.values.values()]
    return {c.semantic: value for c, value in told
            if c.semantic in _OF_PEOPLE and c.name != column.name and isinstance(value, str) and _whose(c) == whose}


def _whose(column: Column) -> list[str]:
    return [w for w in words(column.name) if w not in load("lexicon")["about_people"]]


def _moment_in(value: Any) -> str:
    """The ISO date or moment that a value is or holds, or empty."""
    inner = value.get("dateTime") or value.get("date") if isinstance(value, dict) else value
    return inner if isinstance(inner, str) and re.match(r"\d{4}-\d{2}-\d{2}", inner) else ""


def pick(
    draft: Draft, entity: Entity, chosen: dict[str, RowName], *, but: list[Any] | None = None, fresh: bool = False
) -> Row | None:
    """A row of `entity` that fits the rows chosen so far: the one that the task is about already, else a random one."""
    rows = [r for r in draft.rows(entity.name) if r[entity.key] not in (but or [])]
    about = draft.targets.get(entity.name)
    if not fresh:
        for row in rows:
            if row[entity.key] == about:
                return row
    picked = {c.entity: c.key for c in chosen.values()}
    for others in ({**draft.targets, **picked}, {**_persons(draft), **picked}, _persons(draft)):
        near = [r for r in rows if _fits(draft, entity, r, others)]
        if near:
            break
    if near and draft.chance(draft.near):
        near = _twins(entity, near, draft.rows(entity.name)) or near
    return near[int(draft.rng.integers(len(near)))] if near else None


def _twins(entity: Entity, rows: list[Row], every: list[Row]) -> list[Row]:
    """Those of `rows` whose label another row has too."""
    if entity.label is None:
        return []
    count = Counter(str(r.get(entity.label)) for r in every)
    return [r for r in rows if count[str(r.get(entity.label))] > 1]


def _persons(draft: Draft) -> dict[str, Any]:
    """The customer, guest, patient … that the task is about: no row of somebody else belongs in it."""
    names = [n for c in draft.calls for n in c.rows.values()] + [RowName(e, k) for e, k in draft.targets.items()]
    found: dict[str, Any] = {}
    for name in names:
        row, entity = draft.row(name), draft.spec.entity(name.entity)
        for near in [name, *(_ancestors(draft, entity, row, depth=3) if row is not None else ())]:
            if is_person(draft.spec.entity(near.entity)):
                found.setdefault(near.entity, near.key)
    return found


def _fits(draft: Draft, entity: Entity, row: Row, others: dict[str, Any]) -> bool:
    """Whether `row` leads to the chosen rows where it leads to their entities, and they refer to it."""
    for name, key in _ancestors(draft, entity, row, depth=3):
        if others.get(name, key) != key:
            return False
    for name, key in others.items():
        other = draft.row(RowName(name, key))
        for column in draft.spec.entity(name).columns:
            held = None if other is None else other.get(column.name)
            if column.references == entity.name and held is not None and held != row[entity.key]:
                return False
    return True


def _ancestors(draft: Draft, entity: Entity, row: Row, *, depth: int) -> Iterator[RowName]:
    """The rows that `row` refers to, directly and through others."""
    for column in entity.columns:
        if column.references is None or column.references == entity.name or row.get(column.name) is None:
            continue
        name = RowName(column.references, row[column.name])
        yield name
        above = draft.row(name)
        if above is not None and depth > 1:
            yield from _ancestors(draft, draft.spec.entity(name.entity), above, depth=depth - 1)
