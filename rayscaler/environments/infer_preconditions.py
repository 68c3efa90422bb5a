"""Rules that are told in words, settled against the tables: what becomes `require(…)`, UNIQUE and CHECK.

A rule is kept only where the world can be in the state that it speaks of: the table has a status that knows the word, a
flag of that name, or (where the specification shows no rows at all) a status of its own that a tool moves.
"""

from __future__ import annotations

from rayscaler.environment import Operator, Part, Semantic
from rayscaler.environments.infer_bounds import Plan
from rayscaler.environments.infer_drafts import Draft, TableDraft, kind_of
from rayscaler.environments.infer_rules import told_states, told_unique
from rayscaler.environments.infer_status import letters, spell
from rayscaler.environments.infer_tables import Tables
from rayscaler.environments.lexicon import joined
from rayscaler.environments.schemas import properties, type_of

_ON_ONE_ROW = (Operator.UPDATE, Operator.TRANSITION, Operator.DELETE)


def add_preconditions(tables: Tables) -> None:
    """Give each tool on one row the states that its description asks for, and columns their uniqueness."""
    for plan in tables.plans:
        if plan.operator in _ON_ONE_ROW and not (plan.upsert or plan.tagging or plan.children) and _names_one(plan):
            _add_states(tables, plan)
        elif plan.operator is Operator.CREATE and not plan.copies:
            _add_unique(tables, plan)


def _names_one(plan: Plan) -> bool:
    """Whether the tool is given a row: its key is one value, or several filters name it."""
    if plan.key:
        return type_of(properties(plan.placed.reading.tool.parameters)[plan.key]) != "array"
    return bool([b for b in plan.of(Part.FILTER) if b.needed]) and plan.operator is not Operator.DELETE


def _add_states(tables: Tables, plan: Plan) -> None:
    columns = [c for c in plan.table.columns.values() if kind_of(plan.table, c) is Semantic.STATUS]
    columns = [c for c in columns if type_of(c.schema) == "string"]
    listed = [v for c in columns for values in c.enums for v in values]
    booleans = [_flag_word(c) for c in plan.table.columns.values() if type_of(c.schema) == "boolean"]
    told = told_states(plan.placed.reading, plan.table.noun, (*(joined(v) for v in listed), *booleans))
    flags = {w: f for w in (*told.wanted, *told.barred) if (f := _flag(plan.table, w)) is not None}
    plan.flags += [(f, w in told.wanted) for w, f in flags.items() if f is not plan.flag]
    wanted = [w for w in told.wanted if w not in flags]
    barred = [w for w in told.barred if w not in flags]
    if listed:
        wanted, barred = ([w for w in words if spell(w, listed) in listed] for words in (wanted, barred))
    elif not columns and not _moves(tables, plan.table):
        return
    ends = letters(spell(plan.status, listed)) if plan.status else ""
    if not plan.states:
        plan.states = tuple(w for w in wanted if letters(spell(w, listed)) != ends)
    if not plan.states:
        plan.barred = tuple(w for w in barred if letters(spell(w, listed)) != ends)


def _flag(draft: TableDraft, state: str) -> Draft | None:
    """The boolean column that says whether a row is in a state: `archived`, `isArchived`."""
    named = (c for c in draft.columns.values() if type_of(c.schema) == "boolean")
    return next((c for c in named if _flag_word(c) == state), None)


def _flag_word(column: Draft) -> str:
    return joined(column.name).removeprefix("is ")


def _moves(tables: Tables, draft: TableDraft) -> bool:
    """Whether a tool moves the rows of a table whose answers nobody shows: then they have a status."""
    about = [p for p in tables.plans if p.table is draft]
    return all(p.placed.shape.kind == "silent" for p in about) and any(p.status or p.states for p in about)


def _add_unique(tables: Tables, plan: Plan) -> None:
    """A column that the maker of a row must give a value that no other row has."""
    makers = [p for p in tables.plans if p.table is plan.table and (p.operator is Operator.CREATE or p.upsert)]
    if any(p.copies or p.upsert for p in makers):
        return
    schemas = properties(plan.placed.reading.tool.parameters)
    for bound in plan.of(Part.VALUE):
        column = bound.column
        if column is None or column.canon == plan.table.key or not bound.needed or type_of(column.schema) != "string":
            continue
        single = (plan.table.noun, column.canon) not in {*tables.references, *tables.fixed}
        always = all(any(b.column is column and b.needed for b in p.of(Part.VALUE)) for p in makers)
        if single and always and not any(column.enums[i] for i in range(len(column.enums))):
            column.unique = column.unique or told_unique(str(schemas[bound.parameter].get("description", "")))
