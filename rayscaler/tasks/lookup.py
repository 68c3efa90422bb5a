"""The reads that find a row: which tool is asked, with what the user knows or an earlier answer holds."""

from __future__ import annotations

from typing import Any, NamedTuple

from rayscaler.canonical import dumps
from rayscaler.environment import Binding, CompiledTool, Entity, Operator, Part, Semantic
from rayscaler.reasons import Reason
from rayscaler.task import ArgumentSource
from rayscaler.tasks.columns import (
    column_of,
    from_outside,
    is_person,
    knowable,
    known_key,
    machine_made,
    named_entity,
    pointable,
    spoken_column,
)
from rayscaler.tasks.draft import Draft, DraftCall, Failed, Mention, Row, RowName, know
from rayscaler.tasks.finding import Place, currency_of, locate, objects, point_at
from rayscaler.tasks.lexicon import load
from rayscaler.tasks.values import Wanted, fit, new_value
from rayscaler.toolspec import words

MAX_DEPTH = 3
"""How many reads may stand before the one that finds a row."""

UNNAMED = 0.4
"""Chance that a thing which people call by its name is told otherwise (by its date, its status), and looked up."""

MAX_LOST = 3
"""Failed searches for rows of one entity after which an attempt looks for no other row of it."""

_FILTERS = frozenset({Semantic.STATUS, Semantic.ENUM, Semantic.EMAIL, Semantic.PERSON, Semantic.TITLE, Semantic.CITY,
                      Semantic.USERNAME, Semantic.PHONE, Semantic.CODE, Semantic.WORD, Semantic.COMPANY,
                      Semantic.COUNTRY, Semantic.LAST_NAME})


class _Read(NamedTuple):
    """A read about `row` whose arguments are being bound."""

    draft: Draft
    tool: CompiledTool
    entity: Entity
    row: Row
    depth: int
    arguments: dict[str, Any]
    sources: dict[str, ArgumentSource]
    rows: dict[str, RowName]


def source_of(draft: Draft, name: RowName, depth: int = MAX_DEPTH) -> ArgumentSource:
    """Where the key of a row comes from: an answer, or a fact if people name such rows by it.

    A key that the service makes is told only where the row cannot be looked up, and an id only where no tool of the
    environment finds such rows: then the user has it in front of them. Adds the reads that are needed. Raises Failed if
    the row cannot be found or told apart.
    """
    entity = draft.spec.entity(name.entity)
    key = entity.column(entity.key)
    told = draft.mentions.get(name, Mention("facts")).facts
    if any(draft.facts[f].column.name == key.name for f in told):
        return _by_key(draft, name)
    place = locate(draft, name)
    named = known_key(entity)
    given = not key.generated or entity.label in (None, key.name)
    if place is None and named and given and not (name.entity in draft.graph.findable and draft.chance(UNNAMED)):
        return _by_key(draft, name)
    mark = draft.mark()
    try:
        place = place or find(draft, name, depth)
        point_at(draft, name, place, without=key.name if given else "")
        if any(draft.facts[f].column.name == key.name for f in draft.mentions[name].facts):
            return _by_key(draft, name)
        return ArgumentSource(kind="output", call=place.call, path=place.path)
    except Failed:
        if not named and name.entity in draft.graph.findable:
            raise
        draft.back(mark)
        if name in draft.mentions and draft.mentions[name].kind == "created":
            raise
        return _by_key(draft, name)


def _by_key(draft: Draft, name: RowName) -> ArgumentSource:
    """The user calls the row by its key."""
    entity = draft.spec.entity(name.entity)
    fact = know(draft, name.key, entity.column(entity.key), entity, row=name)
    mention = draft.mentions.get(name, Mention("facts"))
    if mention.kind == "facts":
        draft.mentions[name] = mention._replace(facts=tuple(dict.fromkeys([*mention.facts, fact])))
    return ArgumentSource(kind="fact", fact=fact)


def find(draft: Draft, name: RowName, depth: int) -> Place:
    """Add the reads after which an answer holds the row. Raises Failed if no tool can."""
    lost = draft.lost.setdefault((name.entity, depth), [])
    if len(lost) >= MAX_LOST:
        raise lost[-1]
    options = [t for t in draft.spec.tools if name.entity in draft.graph.shows[t.name]]
    options = [t for t in options if not (t.operator is Operator.GET and t.entity == name.entity)]
    own = [t for t in options if t.entity == name.entity]
    failures = [Failed(Reason.UNBOUND_ARGUMENT, f"{name.entity}: no tool finds a row of it")]
    for tool in [*draft.shuffled(own), *draft.shuffled([t for t in options if t not in own])][:5]:
        mark = draft.mark()
        try:
            return look_up(draft, tool, name, depth, goal=False)
        except Failed as error:
            draft.back(mark)
            failures.append(error)
    lost.append(failures[min(1, len(failures) - 1)])
    raise lost[-1]


def look_up(draft: Draft, tool: CompiledTool, name: RowName, depth: int, *, goal: bool) -> Place:
    """Run a read whose answer holds the row `name`, with arguments from facts and earlier answers."""
    if depth <= 0:
        raise Failed(Reason.NO_WALK, f"{tool.name}: too many reads before it")
    entity = draft.spec.entity(tool.entity)
    row = draft.row(name) if tool.entity == name.entity else _holder(draft, entity, name)
    if row is None:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}: no {entity.singular} leads to the row")
    read = _Read(draft, tool, entity, row, depth, {}, {}, {})
    for binding in sorted(tool.bindings, key=lambda b: not b.required):
        if binding.required or _worth(read, binding):
            _argue(read, binding)
    run(draft, tool, read.arguments, read.sources, rows=read.rows, details={}, target=name, goal=goal)
    place = locate(draft, name)
    if place is None:
        raise Failed(Reason.AMBIGUOUS, f"{tool.name}: the answer does not hold the row that was looked for")
    point_at(draft, name, place)
    mention = draft.mentions[name]
    if mention.kind == "facts":
        told = [s.fact for s in read.sources.values() if s.kind == "fact" and draft.facts[s.fact].row == name]
        draft.mentions[name] = mention._replace(facts=tuple(dict.fromkeys([*mention.facts, *told])))
    return place


def run(
    draft: Draft, tool: CompiledTool, arguments: dict[str, Any], sources: dict[str, ArgumentSource], *,
    rows: dict[str, RowName], details: dict[str, str], target: RowName | None, goal: bool,
) -> None:
    """Execute a bound call and add it to the draft. Raises Failed if it fails, repeats a call, or is one too many."""
    if len(draft.calls) >= draft.max_calls:
        raise Failed(Reason.NO_WALK, f"{tool.name}: more than {draft.max_calls} calls")
    key = dumps([tool.name, arguments])
    if any(c.key == key for c in draft.calls):
        raise Failed(Reason.NO_WALK, f"{tool.name}: the same call again")
    result = draft.call(tool, arguments)
    if result.error is not None:
        raise Failed(Reason.GOLD_FAILED, f"{tool.name}: {result.error.kind.value}: {result.error.message}")
    draft.calls.append(DraftCall(
        tool.name, arguments, sources, result.value, result.changes, rows, details, target, goal, key,
        tuple(objects(result.value)),
    ))
    if result.changes:
        draft.refresh({c.table for c in result.changes})


def fixed(draft: Draft, tool: CompiledTool, binding: Binding) -> tuple[Any, ArgumentSource]:
    """A required argument without meaning for the database: a constant, else something that the user has to say.

    An account, a project … outside of this environment is the same one in all calls of a task.
    """
    value = constant(tool, binding)
    if value is not None:
        return value, ArgumentSource(kind="constant")
    schema = tool.parameters.get("properties", {}).get(binding.parameter, {})
    column, entity = spoken_column(binding.parameter, schema), draft.spec.entity(tool.entity)
    for known in draft.facts.values() if from_outside(entity, column) else ():
        if known.row is None and known.column == column:
            return known.value, ArgumentSource(kind="fact", fact=known.name)
    if not machine_made(column) or from_outside(entity, column):
        value = new_value(Wanted(column, schema, entity, draft.spec.now), draft.rng)
    if value is None:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}.{binding.parameter}: nothing fixes its value")
    fact = know(draft, value, column, entity, row=None)
    return value, ArgumentSource(kind="fact", fact=fact)


def constant(tool: CompiledTool, binding: Binding) -> Any:
    """What the schema fixes or proposes for an argument, or any text for a token; None if it is silent."""
    schema = tool.parameters.get("properties", {}).get(binding.parameter, {})
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if schema.get("enum"):
        vague = ("unspecified", "undefined", "unknown")
        return min(schema["enum"], key=lambda v: any(word in str(v).lower() for word in vague))
    if schema.get("type") == "boolean":
        return True
    if schema.get("type") in ("integer", "number"):
        return int(min(schema.get("maximum", 100), max(schema.get("minimum", 1), 100)))
    found = words(binding.parameter)
    token = set(found) & set(load("lexicon")["token_words"]) or found[-1:] == ["token"]
    return "request-1" if token and schema.get("type") == "string" else None


def _holder(draft: Draft, holder: Entity, name: RowName) -> Row | None:
    """The row of `holder` that the row `name` refers to."""
    row = draft.row(name)
    entity = draft.spec.entity(name.entity)
    for column in entity.columns:
        if row is not None and column.references == holder.name and row.get(column.name) is not None:
            return draft.row(RowName(holder.name, row[column.name]))
    return None


def only_value(tool: CompiledTool, binding: Binding) -> Any:
    """The one value that the schema allows, or None."""
    enum: list[Any] = list(tool.parameters.get("properties", {}).get(binding.parameter, {}).get("enum") or ())
    return enum[0] if len(enum) == 1 else None


def _worth(read: _Read, binding: Binding) -> bool:
    """Whether an optional argument of a read is given: what narrows the answer as a person would."""
    if only_value(read.tool, binding) is not None:
        return False
    draft, tool, entity, row, _, arguments, _, rows = read
    if binding.part is Part.QUERY:
        return not arguments and (tool.operator is Operator.SEARCH or draft.chance(0.5))
    if binding.part not in (Part.FILTER, Part.KEY, Part.REFERENCE) or row.get(binding.column or "") is None:
        return False
    named = named_entity(draft.spec, binding)
    if named == tool.entity or (named is not None and rows):
        return False
    if named is not None:
        held = locate(draft, RowName(named, row[binding.column or ""])) is not None
        if is_person(draft.spec.entity(named)):
            return held or named in draft.graph.findable
        return draft.chance(0.9 if held else 0.6) if held or named in draft.graph.findable else False
    column = column_of(draft.spec, tool, binding)
    return column.semantic in _FILTERS and pointable(entity, column) and not arguments and draft.chance(0.35)


def _argue(read: _Read, binding: Binding) -> None:
    """Bind one argument of a read."""
    draft, tool, entity, row, depth, arguments, sources, rows = read
    parameter = binding.parameter
    schema = tool.parameters.get("properties", {}).get(parameter, {})
    if binding.part in (Part.LIMIT, Part.IGNORED) or only_value(tool, binding) is not None:
        arguments[parameter], sources[parameter] = fixed(draft, tool, binding)
        return
    if binding.part is Part.QUERY:
        column = next((c for c in entity.columns if c.name == entity.label and isinstance(row.get(c.name), str)), None)
        text = [c for c in entity.columns if c.semantic in _FILTERS and pointable(entity, c) and not c.enum]
        column = column or next((c for c in text if isinstance(row.get(c.name), str)), None)
    else:
        column = column_of(draft.spec, tool, binding)
    value = None if column is None else row.get(column.name)
    named = named_entity(draft.spec, binding)
    if column is None or value is None:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}.{parameter}: the row holds no value for it")
    if named is not None:
        rows[parameter] = RowName(named, value)
        sources[parameter] = source_of(draft, rows[parameter], depth - 1)
    elif knowable(entity, column):
        name, value = RowName(entity.name, row[entity.key]), fit(value, schema)
        if value is None:
            raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}.{parameter}: {column.name} does not fit its schema")
        fact = know(draft, value, column, entity, row=name, currency=currency_of(entity, row))
        sources[parameter] = ArgumentSource(kind="fact", fact=fact)
    else:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}.{parameter}: no person knows {column.name}")
    arguments[parameter] = value
