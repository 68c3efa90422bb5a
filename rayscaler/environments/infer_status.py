"""Statuses: which column a transition moves, what values it has, and where a new row begins."""

from __future__ import annotations

from collections.abc import Sequence

from rayscaler.environment import Operator, Part, Semantic
from rayscaler.environments.infer_bounds import Plan
from rayscaler.environments.infer_drafts import Draft, TableDraft, canon, kind_of
from rayscaler.environments.infer_tables import Tables
from rayscaler.environments.lexicon import (
    joined,
    lexicon,
)
from rayscaler.environments.schemas import type_of
from rayscaler.toolspec import words


def add_statuses(tables: Tables) -> None:
    """Give each transition the column that it moves: a flag of the same word, the status column, or a new one."""
    for plan in tables.plans:
        changes = plan.operator in (Operator.UPDATE, Operator.DELETE) and (plan.states or plan.barred or plan.status)
        if plan.operator is not Operator.TRANSITION and not changes:
            continue
        verb = plan.placed.reading.word
        flag = _flag(plan.table, plan.status, verb)
        if flag and plan.operator is Operator.TRANSITION and not (plan.states or plan.barred):
            flag.score += 100
            plan.flag, plan.flag_value = flag, verb not in lexicon()["undo"]
        else:
            statuses = [p.status for p in tables.plans if p.table is plan.table]
            statuses += [*plan.states, *plan.barred]
            plan.status_column = _status_column(plan.table, statuses, plan)
    for draft in tables.drafts.values():
        about = [p for p in tables.plans if p.table is draft]
        for column in {p.status_column.canon: p.status_column for p in about if p.status_column is not None}.values():
            _widen([p for p in about if p.status_column is column])


def _flag(draft: TableDraft, status: str, verb: str) -> Draft | None:
    undone = lexicon()["undo"].get(verb, "")
    words = {status, verb, lexicon()["transitions"].get(undone, ""), undone} - {""}
    for column in draft.columns.values():
        text = joined(column.name).removeprefix("is ")
        if type_of(column.schema) == "boolean" and text in words:
            return column
    return None


def _status_column(draft: TableDraft, statuses: list[str], plan: Plan) -> Draft | None:
    """The status column that knows most of the statuses that the tools lead to.

    A new one, that no answer shows, if there is none or if it lists values and the plan's is not among them: what the
    specification enumerates stays as it is.
    """
    columns = draft.columns.values()
    held = [c for c in columns if kind_of(draft, c) is Semantic.STATUS and type_of(c.schema) == "string"]
    known = {c.canon: list(dict.fromkeys(v for values in c.enums for v in values)) for c in held}
    if held:
        best = max(held, key=lambda c: sum(s != "" and spell(s, known[c.canon]) in known[c.canon] for s in statuses))
        listed = known[best.canon]
        writes_it = any(b.column is best for b in plan.of(Part.VALUE))
        if not listed or plan.states or writes_it or not plan.status or spell(plan.status, listed) in listed:
            return best
        if plan.operator is Operator.TRANSITION and plan.of(Part.VALUE) and not _is_transition(plan):
            # `comment(message)` writes a message; it makes no status that the specification does not have.
            plan.operator, plan.status = Operator.UPDATE, ""
            return None
    names = ("status", "state", "lifecycle_status", "stage_of_life", *(f"status_{n}" for n in range(2, 1000)))
    name = next(n for n in names if canon(n, draft.noun) not in draft.columns)
    column = Draft(name, canon(name, draft.noun), {"type": "string"}, score=100)
    draft.columns[column.canon] = column
    return column


def _is_transition(plan: Plan) -> bool:
    return plan.placed.reading.word in lexicon()["transitions"]


def _widen(about: list[Plan]) -> None:
    """Spell every status in the column's own style, and let the column hold it."""
    column = about[0].status_column
    assert column is not None
    known = list(dict.fromkeys(v for values in column.enums for v in values))
    own = bool(known)
    active = "pending" if any(p.status == "active" for p in about) else "active"
    known = known or list(dict.fromkeys(s for p in about for s in p.states)) or [active]
    for plan in about:
        plan.states = tuple(dict.fromkeys(spell(s, known) if own else s for s in plan.states))
        plan.status = spell(plan.status, known) if own and plan.status else plan.status
        plan.barred = tuple(dict.fromkeys(spell(s, known) if own else s for s in plan.barred))
        ends = [plan.status] if plan.status else []
        known = list(dict.fromkeys([*known, *plan.states, *(() if own else plan.barred), *ends]))
    if len(known) == 1:
        known = [*known, spell("pending", [known[0], "PENDING"] if known[0].isupper() else known)]
    column.enums, column.moved = [tuple(known)], True
    column.schema = {**column.schema, "enum": known}
    column.score += 100


def spell(status: str, known: list[str]) -> str:
    """`cancelled` as the enumeration has it (CANCELED, or a word of the same meaning), in its style if it has none."""
    meant = [status, *lexicon()["status_words"].get(status, ())]
    shared = _shared_words(known)
    for word in meant:
        for value in known:
            if letters(word) in (letters(value), letters("".join(words(value)[shared:]))):
                return value
    stem = letters(status)[:6]
    near = next((v for v in known if len(stem) == 6 and letters(v).startswith(stem)), "")
    if near:
        return near
    if known and all(v.isupper() for v in known if v):
        return "_".join(status.upper().split())
    return status


def _shared_words(values: list[str]) -> int:
    """How many words all values begin with: one for STATE_ACTIVE, STATE_CANCELLED."""
    split = [words(v) for v in values]
    shared = 0
    while len(split) > 1 and all(len(s) > shared + 1 and s[shared] == split[0][shared] for s in split):
        shared += 1
    return shared


def letters(text: str) -> str:
    """A status without case, spaces and the doubled l of British spelling."""
    return "".join(c for c in text.lower() if c.isalpha()).replace("ll", "l")


def beginning(values: Sequence[str]) -> str:
    """Where a status begins: `pending`, `active`, … as far as the enumeration has one of them, else its first value."""
    shared = _shared_words(list(values))
    order = [v for wanted in lexicon()["beginnings"] for v in values if " ".join(words(v)[shared:]) == wanted]
    return [*order, *values][0]
