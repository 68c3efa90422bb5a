"""What the user asks for, and which reads a task can do without."""

from __future__ import annotations

import re
from typing import Any

from rayscaler.environment import Column, Entity, Operator, Semantic
from rayscaler.tasks.columns import UNSPOKEN, knowable, machine_made
from rayscaler.tasks.draft import Draft, DraftCall, Path, Question, Row, RowName, field_column
from rayscaler.tasks.finding import currency_of, is_row
from rayscaler.tasks.lexicon import load
from rayscaler.tasks.wording import column_words, say
from rayscaler.toolspec import words

_ASKED = frozenset(Semantic) - UNSPOKEN - {Semantic.BOOLEAN}


def ask(draft: Draft, *, read_only: bool) -> None:
    """Choose the questions: about every wish of a task that only reads, about one or two reads of one that writes.

    Of a task that writes, the reads that feed no later call come first: without a question they would fall away.
    """
    used = _fed(draft)
    reads = [i for i, c in enumerate(draft.calls) if not draft.spec.tool(c.tool).operator.writes]
    order = sorted(reads, key=lambda i: (i in used and not read_only, not draft.calls[i].goal, -i))
    asked: dict[int, list[Question]] = {}
    for index in order:
        if asked and not (draft.calls[index].goal and (read_only or (len(asked) < 2 and draft.chance(0.5)))):
            continue
        found = _candidates(draft, index, draft.calls[index])
        count = min(len(found), 1 + int(draft.chance(0.4)))
        if count:
            asked[index] = sorted(draft.shuffled(found)[:count], key=lambda q: str(q.path))
    draft.questions = [q for index in sorted(asked) for q in asked[index]]


def prune(draft: Draft) -> None:
    """Leave out the calls that neither write, nor answer, nor feed one that does; renumber what is left."""
    keep = {i for i, c in enumerate(draft.calls) if draft.spec.tool(c.tool).operator.writes}
    keep |= {q.call for q in draft.questions}
    for index in range(len(draft.calls) - 1, -1, -1):
        if index in keep:
            keep |= {s.call for s in draft.calls[index].sources.values() if s.kind == "output"}
    new = {old: i for i, old in enumerate(sorted(keep))}
    draft.calls = [_renumbered(draft.calls[old], new) for old in sorted(keep)]
    draft.questions = [q._replace(call=new[q.call]) for q in draft.questions]


def _renumbered(call: DraftCall, new: dict[int, int]) -> DraftCall:
    sources = {
        p: s.model_copy(update={"call": new[s.call]}) if s.kind == "output" else s for p, s in call.sources.items()
    }
    return call._replace(sources=sources)


def _fed(draft: Draft) -> set[int]:
    return {s.call for c in draft.calls for s in c.sources.values() if s.kind == "output"}


def _candidates(draft: Draft, index: int, call: DraftCall) -> list[Question]:
    """Values in the answer that a person would ask for and has not said already."""
    tool = draft.spec.tool(call.tool)
    entity = draft.spec.entity(tool.entity)
    if tool.operator is Operator.LOOKUP or call.target is None:
        shown = next(iter(call.shown), None)
        return [] if shown is None else _fields(draft, index, entity, *shown, target=None)
    if call.target.entity != tool.entity:
        return []
    row = draft.row(call.target)
    if row is None:
        return []
    for path, found in call.shown:
        if is_row(found, entity, row) or (tool.operator is Operator.GET and _all_of(found, entity, row)):
            return _fields(draft, index, entity, path, found, target=call.target)
    return []


def _all_of(found: Row, entity: Entity, row: Row) -> bool:
    """Whether an answer about one row, without its key, says nothing else of it."""
    common = [c.name for c in entity.columns if c.name in found]
    return entity.key not in found and bool(common) and all(found[n] == row.get(n) for n in common)


def _fields(
    draft: Draft, index: int, entity: Entity, path: Path, found: dict[str, Any], *, target: RowName | None
) -> list[Question]:
    said = {k.text for k in draft.facts.values()}
    mention = draft.mentions.get(target) if target is not None else None
    told = {draft.facts[f].column.name for f in mention.facts} if mention is not None else set()
    questions = []
    for name in sorted(found):
        value = found[name]
        if not isinstance(value, (str, int, float)) or isinstance(value, bool) or value == "" or len(str(value)) > 80:
            continue
        column = field_column(entity, name, value)
        if name in told or not _worth_asking(entity, column):
            continue
        text = say(value, column, currency=currency_of(entity, found))
        if text not in said and not _shown_before(draft, index, entity, name, target):
            called = re.sub(r" (?:on|at)$", " date", column_words(name, entity))
            questions.append(Question(index, (*path, name), value, text, called, target))
    return questions


def _shown_before(draft: Draft, index: int, entity: Entity, field: str, target: RowName | None) -> bool:
    """Whether an earlier answer shows the field already, so that the later read is not needed for it."""
    row = draft.row(target) if target is not None else None
    if row is None:
        return False
    earlier = (found for call in draft.calls[:index] for _, found in call.shown)
    return any(field in found and is_row(found, entity, row) for found in earlier)


def _worth_asking(entity: Entity, column: Column) -> bool:
    if machine_made(column):
        return False
    if set(words(column.name)) & set(load("lexicon")["secret_words"]):
        return False
    if len(column.enum) == 1:  # the account, the project: the same everywhere in this world
        return False
    own = any(c.name == column.name for c in entity.columns)
    if own and (not knowable(entity, column) or (column.generated and column.semantic is not Semantic.DATETIME)):
        return False
    return column.semantic in _ASKED
