"""Binding a walk: rows are chosen, every argument gets its source, every call is run as it is bound.

An argument is bound from an earlier answer (keys: a person does not know them), from a fact that the user knows, or by
a constant. A step that cannot be bound is left out of the walk; what is left decides whether there is a task.
"""

from __future__ import annotations

from typing import Any

from rayscaler.changes import Changes, same_changes
from rayscaler.environment import CompiledTool, Operator, Part, Semantic
from rayscaler.reasons import Reason
from rayscaler.task import ArgumentSource
from rayscaler.tasks.choose import Choice, choose, pick
from rayscaler.tasks.draft import Draft, Failed, Mention, RowName, know
from rayscaler.tasks.finding import currency_of
from rayscaler.tasks.lookup import MAX_DEPTH, look_up, run, source_of

MAX_GOALS = 5
"""Wishes in one request; more reads like a work order. Of a longer gold run than usual, three for four calls."""

TRIALS = 6
"""Choices of rows and values tried per step."""


def bind_walk(draft: Draft, walk: list[str], *, enough: int) -> list[Failed]:
    """Bind and run the tools of `walk` in order until there are `enough` calls; the failures of those left out."""
    failures = []
    for name in walk:
        if len(draft.calls) >= enough or sum(c.goal for c in draft.calls) >= max(MAX_GOALS, 3 * draft.max_calls // 4):
            break
        mark = draft.mark()
        try:
            bind_step(draft, draft.spec.tool(name))
        except Failed as failure:
            draft.back(mark)
            failures.append(failure)
    return failures


def bind_step(draft: Draft, tool: CompiledTool) -> None:
    """Bind and run one tool, and the reads that it needs. Raises Failed; only reads have run then."""
    if tool.operator in (Operator.LIST, Operator.SEARCH):
        _bind_search(draft, tool)
        return
    failure = Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}: no choice of rows")
    refused: list[Any] = []
    for trial in range(TRIALS):
        mark = draft.mark()
        anchor = None
        try:
            choice = choose(draft, tool, trial, refused=refused)
            anchor = choice.anchor
            _preview(choice)
            _commit(choice)
            return
        except Failed as error:
            draft.back(mark)
            failure = error if trial == 0 or error.reason is not Reason.UNBOUND_ARGUMENT else failure
            if anchor is not None and error.reason is not Reason.UNBOUND_ARGUMENT:
                refused.append(anchor[draft.spec.entity(tool.entity).key])
    raise failure


def _bind_search(draft: Draft, tool: CompiledTool) -> None:
    """Look for a row whose neighbours the answer holds too; for another one where it does not hold the first."""
    entity = draft.spec.entity(tool.entity)
    gone = [r.key for r in draft.spent() if r.entity == tool.entity] + draft.used(tool.entity)
    failure = Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}: no row of {tool.entity} to look for")
    for _ in range(TRIALS):
        row = pick(draft, entity, {}, but=gone)
        if row is None:
            break
        name, mark = draft.name(entity, row), draft.mark()
        try:
            look_up(draft, tool, name, MAX_DEPTH, goal=True)
            draft.targets[tool.entity] = name.key
            return
        except Failed as error:
            draft.back(mark)
            failure = error
            gone.append(name.key)
            if error.reason is not Reason.AMBIGUOUS:
                break
    raise failure


def _overridden(draft: Draft, changes: Changes) -> bool:
    """Whether these changes leave nothing of what an earlier call of the task did to the same row."""
    before = [c for call in draft.calls for c in call.changes]
    return any(
        (c.op == "delete" or set(earlier.after or {}) <= set(c.after or {}))
        for c in changes if c.op != "insert"
        for earlier in before if (earlier.table, earlier.key) == (c.table, c.key)
    )


def _preview(choice: Choice) -> None:
    """Try the call and undo it, before any read is added for it."""
    draft, tool = choice.draft, choice.tool
    state = draft.session.snapshot() if tool.operator.writes else b""
    result = draft.call(tool, choice.arguments)
    if tool.operator.writes:
        draft.session.restore(state)
    if result.error is not None:
        raise Failed(Reason.GOLD_FAILED, f"{tool.name}: {result.error.kind.value}: {result.error.message}")
    if tool.operator.writes and same_changes((), result.changes, draft.spec.identity):
        raise Failed(Reason.UNNECESSARY_WRITE, f"{tool.name}: changes nothing on these arguments")
    if _overridden(draft, result.changes):
        raise Failed(Reason.UNNECESSARY_WRITE, f"{tool.name}: undoes what the task has just done")


def _commit(choice: Choice) -> None:
    """Give every argument its source, adding reads where needed, and run the call."""
    draft, tool = choice.draft, choice.tool
    entity = draft.spec.entity(tool.entity)
    sources = {p: source for p, (_, source) in choice.fixed.items()}
    for parameter, name in choice.rows.items():
        sources[parameter] = source_of(draft, name)
    if choice.echoes and choice.anchor is not None:
        seen = source_of(draft, draft.name(entity, choice.anchor))
        for parameter, (value, name_of) in choice.echoes.items():
            sources[parameter] = _echo(draft, tool, seen, value=value, column=name_of)
    about = next((r for r in choice.rows.values() if r.entity == tool.entity), None)
    row = draft.row(about) if about is not None else None
    details = {p: source.fact for p, (_, source) in choice.fixed.items() if source.kind == "fact"}
    currencies = [str(v) for v, c in choice.values.values() if c.semantic is Semantic.CURRENCY]
    currency = next(iter(currencies), currency_of(entity, row) if row else "")
    for parameter, (value, column) in choice.values.items():
        binding = tool.binding(parameter)
        pointing = binding is not None and binding.part in (Part.KEY, Part.FILTER, Part.QUERY) and choice.anchor
        at = draft.name(entity, choice.anchor) if pointing and choice.anchor is not None else None
        fact = know(draft, value, column, entity, row=at, currency=currency)
        sources[parameter] = ArgumentSource(kind="fact", fact=fact)
        if at is None:
            details[parameter] = fact
        else:
            mention = draft.mentions.get(at, Mention("facts"))
            draft.mentions[at] = mention._replace(facts=tuple(dict.fromkeys([*mention.facts, fact])))
            about = about or at
    if about is not None:
        _place(draft, about, list(choice.rows.values()))
    before = {c.key for c in choice.rows.values()}
    run(draft, tool, choice.arguments, sources, rows=choice.rows, details=details, target=about, goal=True)
    _remember(choice, before)


def _place(draft: Draft, about: RowName, rows: list[RowName]) -> None:
    """Let the user say where the row is: the rows that the call names and that the row refers to."""
    mention, row = draft.mentions.get(about), draft.row(about)
    if mention is None or mention.kind != "facts" or row is None:
        return
    if any(c.target == about or about in c.rows.values() for c in draft.calls if c.goal and c.changes):
        return  # it has been spoken of before, and may have been moved since
    known = list(mention.parents)
    for name in known:
        known += [p for p in (draft.mentions[name].parents if name in draft.mentions else ()) if p not in known]
    missing = tuple(r for r in rows if r.entity != about.entity and r not in known and r.key in row.values())
    draft.mentions[about] = mention._replace(parents=(*mention.parents, *missing))


def _echo(draft: Draft, tool: CompiledTool, seen: ArgumentSource, *, value: Any, column: str) -> ArgumentSource:
    """The source of a value that stands beside the key of its row in an earlier answer."""
    shown: Any = draft.calls[seen.call].value if seen.kind == "output" else None
    for step in seen.path[:-1] if seen.kind == "output" else ():
        shown = shown[step]
    if not isinstance(shown, dict) or shown.get(column) != value:
        raise Failed(Reason.UNBOUND_ARGUMENT, f"{tool.name}.{column}: no person knows it and no answer shows it")
    return seen.model_copy(update={"path": (*seen.path[:-1], column)})


def _remember(choice: Choice, before: set[Any]) -> None:
    """The rows that the task is about now: those named, the one made, not the one deleted."""
    draft, tool = choice.draft, choice.tool
    for name in choice.rows.values():
        draft.targets[name.entity] = name.key
    call = draft.calls[-1]
    for change in call.changes:
        entity = draft.spec.entity(change.table)
        key = change.key.get(entity.key)
        if change.op == "insert" and key not in before:
            draft.targets[change.table] = key
            draft.mentions[RowName(change.table, key)] = Mention("created")
            if change.table == tool.entity:
                draft.calls[-1] = call._replace(target=RowName(change.table, key))
        if change.op == "delete" and draft.targets.get(change.table) == key:
            del draft.targets[change.table]
