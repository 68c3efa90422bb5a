"""Rules that are told in words, settled against the tables: what becomes `require(…)`, UNIQUE and CHECK.

A rule is kept only where the world can be in the state that it speaks of: the table has a status that knows the word, a
flag of that name, or (where the specification shows no rows at all) a status of its own that a tool moves.
"""

from __future__ import annotations

from rayscaler.environment import Operator, Part, Semantic
from rayscaler.environments.infer_bounds import Bound, Plan
from rayscaler.environments.infer_drafts import Draft, TableDraft, canon, kind_of
from rayscaler.environments.infer_rules import rule_words, told_states, told_unique
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
    if not plan.states or not listed:
        plan.barred = tuple(w for w in barred if letters(spell(w, listed)) != ends and w not in plan.states)


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
        if single and always and not any(column.enums):
            column.unique = column.unique or told_unique(str(schemas[bound.parameter].get("description", "")))


def name_circumstances(tables: Tables) -> None:
    """Give what a transition is told of itself a column of its own: `cancel(reason)` fills `cancel_reason`.

    So does an argument that tools of other verbs write too: what is returned does not replace what was ordered. Columns
    that the specification's answers show stay as they are.
    """
    for plan in tables.plans:
        moves = plan.operator is Operator.TRANSITION or (plan.operator is Operator.UPDATE and plan.status)
        if moves and plan.placed.reading.word:
            plan.bounds = [_circumstance(tables, plan, b) for b in plan.bounds]
    for draft in tables.drafts.values():
        used = {id(b.column) for p in tables.plans if p.table is draft for b in p.bounds}
        draft.columns = {c: d for c, d in draft.columns.items() if not d.deserted or id(d) in used}


def _circumstance(tables: Tables, plan: Plan, bound: Bound) -> Bound:
    column, word = bound.column, plan.placed.reading.word
    if bound.part is not Part.VALUE or column is None or column.answered or column is plan.status_column:
        return bound
    others = [p for p in tables.plans if p.table is plan.table and p.placed.reading.word != word]
    shared = any(b.column is column for p in others for b in p.of(Part.VALUE))
    if not shared and joined(column.name) not in rule_words("circumstances"):
        return bound
    camel = any(ch.isupper() for ch in column.name)
    name = f"{word}{column.name[:1].upper()}{column.name[1:]}" if camel else f"{word}_{column.name}"
    found = canon(name, plan.table.noun)
    if found not in plan.table.columns:
        own = Draft(name, found, column.schema, score=column.score, written=True, enums=list(column.enums))
        plan.table.columns[found] = own
    column.deserted = True
    return bound._replace(column=plan.table.columns[found])
