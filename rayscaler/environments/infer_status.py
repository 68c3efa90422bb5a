"""Statuses: which column a transition moves, what values it has, and where a new row begins."""

from __future__ import annotations

from collections.abc import Sequence

from rayscaler.environment import Operator, Semantic
from rayscaler.environments.infer_bounds import Plan
from rayscaler.environments.infer_drafts import Draft, TableDraft, kind_of
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
        changes = plan.operator is Operator.UPDATE and (plan.states or plan.status)
        if plan.operator is not Operator.TRANSITION and not changes:
            continue
        verb = plan.placed.reading.word
        flag = _flag(plan.table, plan.status, verb)
        if flag and plan.operator is Operator.TRANSITION and not plan.states:
            flag.score += 100
            plan.flag, plan.flag_value = flag, verb not in lexicon()["undo"]
        else:
            plan.status_column = _status_column(plan.table)
    for draft in tables.drafts.values():
        about = [p for p in tables.plans if p.table is draft and p.status_column is not None]
        if about:
            _widen(about)


def _flag(draft: TableDraft, status: str, verb: str) -> Draft | None:
    undone = lexicon()["undo"].get(verb, "")
    words = {status, verb, lexicon()["transitions"].get(undone, ""), undone} - {""}
    for column in draft.columns.values():
        text = joined(column.name).removeprefix("is ")
        if type_of(column.schema) == "boolean" and text in words:
            return column
    return None


def _status_column(draft: TableDraft) -> Draft:
    for column in draft.columns.values():
        if kind_of(draft, column) is Semantic.STATUS and type_of(column.schema) == "string":
            return column
    column = Draft("status", "status", {"type": "string"}, score=100)
    draft.columns["status"] = column
    return column


def _widen(about: list[Plan]) -> None:
    """Spell every status in the column's own style, and let the column hold it."""
    column = about[0].status_column
    assert column is not None
    known = list(dict.fromkeys(v for values in column.enums for v in values))
    own = bool(known)
    active = "pending" if any(p.status == "active" for p in about) else "active"
    known = known or list(dict.fromkeys(s for p in about for s in p.states)) or [active]
    for plan in about:
        plan.states = tuple(_spell(s, known) if own else s for s in plan.states)
        plan.status = _spell(plan.status, known) if own and plan.status else plan.status
        known = list(dict.fromkeys([*known, *plan.states, *([plan.status] if plan.status else [])]))
    if len(known) == 1:
        known = [*known, _spell("pending", [known[0], "PENDING"] if known[0].isupper() else known)]
    column.enums = [tuple(known)]
    column.schema = {**column.schema, "enum": known}
    column.score += 100


def _spell(status: str, known: list[str]) -> str:
    """`cancelled` as the enumeration has it (CANCELED, or a word of the same meaning), in its style if it has none."""
    meant = [status, *lexicon()["status_words"].get(status, ())]
    for word in meant:
        for value in known:
            if _letters(value) == _letters(word):
                return value
    stem = _letters(status)[:6]
    near = next((v for v in known if len(stem) == 6 and _letters(v).startswith(stem)), "")
    if near:
        return near
    if known and all(v.isupper() for v in known if v):
        return "_".join(status.upper().split())
    return status


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalpha()).replace("ll", "l")


def beginning(values: Sequence[str]) -> str:
    """Where a status begins: `pending`, `active`, … as far as the enumeration has one of them, else its first value."""
    order = [v for wanted in lexicon()["beginnings"] for v in values if " ".join(words(v)) == wanted]
    return [*order, *values][0]
