"""From drafts to tables: references, fixed scopes, status columns, the columns that are kept, and their types."""

from __future__ import annotations

import re
from collections import Counter

from rayscaler.environment import Part, Semantic
from rayscaler.environments.infer_bounds import Plan
from rayscaler.environments.infer_drafts import Draft, TableDraft, as_key, kind_of, sql_type
from rayscaler.environments.lexicon import (
    Phrase,
    joined,
    key_noun,
    noun,
    phrase_of,
    singular,
    table_name,
    word_set,
)
from rayscaler.environments.operators_route import Step
from rayscaler.environments.schemas import enum_of, required, type_of
from rayscaler.recipes import MaterializeRecipe

_WEIGHTS = {
    Semantic.JSON: 0,
    Semantic.BOOLEAN: 0,
    Semantic.STATUS: 6,
    Semantic.ENUM: 4,
    Semantic.DATETIME: 4,
    Semantic.DATE: 4,
    Semantic.MONEY: 5,
    Semantic.EMAIL: 5,
    Semantic.PERSON: 5,
    Semantic.QUANTITY: 3,
    Semantic.URL: 0,
    Semantic.CODE: 1,
}
"""How much a column's kind speaks for keeping it when a table has too many. Ours."""


_ALL_TOOLS = 0.4
"""Share of the tools from which a parameter that they need, and no table explains, has one fixed value. Ours."""


_MOST_COLUMNS = 24
"""Columns of a table whose every answer must tell so many. Ours: as many as an answer's schema keeps."""


class Tables:
    """The tables of one domain: drafts by noun, names, references and fixed values, filled in step by step."""

    def __init__(self, drafts: dict[Phrase, TableDraft], plans: list[Plan]) -> None:
        self.drafts = drafts
        self.plans = plans
        self.names = _table_names(sorted(drafts))
        self.references: dict[tuple[Phrase, str], Phrase] = {}
        self.fixed: dict[tuple[Phrase, str], str] = {}


def _table_names(phrases: list[Phrase]) -> dict[Phrase, str]:
    names: dict[Phrase, str] = {}
    for phrase in phrases:
        plain = name = table_name(phrase)
        number = 2
        while name in names.values():
            name, number = f"{plain}_{number}", number + 1
        names[phrase] = name
    return names


def link_tables(tables: Tables) -> None:
    """Find which columns hold the keys of which tables; columns that would close a circle stay plain.

    Scopes come first: that a revision is a file's matters more than that a file has a head revision. A folder may refer
    to its parent folder.
    """
    columns = [(phrase, found) for phrase, draft in tables.drafts.items() for found in draft.columns]
    for phrase, found in sorted(columns, key=lambda c: not tables.drafts[c[0]].columns[c[1]].scope):
        draft = tables.drafts[phrase]
        column = draft.columns[found]
        alone = found == draft.key or column.nested or column.measure
        target = None if alone else column.refers or _target(tables, draft, column)
        own = target == phrase and phrase_of(column.name)[:1] == ("parent",)
        if target and (own or (target != phrase and not _reaches(tables, target, phrase))):
            tables.references[phrase, found] = target
            as_key(column)


def _target(tables: Tables, draft: TableDraft, column: Draft) -> Phrase:
    """The table whose key a column holds, or ()."""
    scalar = type_of(column.schema) in ("string", "integer", "number", "")
    if not scalar or enum_of(column.schema) or _own_value(column):
        return ()
    step = _parent_step(draft, column)
    candidates = [(step.noun, False)] if step else []
    for name in (*column.parameters, column.name):
        found, suffix = key_noun(name)
        if found and suffix:
            candidates.append((found, False))
        candidates.append((noun(phrase_of(name)), True))
    for candidate, exact in candidates:
        target = _table_for(tables, candidate, exact)
        if (
            target
            and not _is_single(tables.drafts[target])
            and (step or _same_kind_of_key(tables.drafts[target], column))
            and _same_type(tables.drafts[target], column)
        ):
            return target
    return _told_target(tables, draft, column)


def _told_target(tables: Tables, draft: TableDraft, column: Draft) -> Phrase:
    """The table behind a `ResourceId`, where the tools' descriptions say what a resource is («a folder»)."""
    if not column.parameters or key_noun(column.name) not in ((("resource",), "id"), (("entity",), "id")):
        return ()
    said = {singular(w) for p in draft.placed for w in phrase_of(p.reading.tool.description)}
    found = [p for p, d in tables.drafts.items() if d is not draft and len(p) == 1 and p[0] in said and d.keyed]
    found = [p for p in found if _same_type(tables.drafts[p], column)]
    return max(found, key=lambda p: (len(tables.drafts[p].placed), p), default=())


def _parent_step(draft: TableDraft, column: Draft) -> Step | None:
    for placed in draft.placed:
        for step in placed.reading.route.steps:
            if step.parameter and step.parameter in column.parameters:
                return step
    return None


def _is_single(draft: TableDraft) -> bool:
    """Whether a table is one thing that no key names (`about`, `colors`): nothing refers to its rows."""
    return not draft.columns[draft.key].answered and not draft.columns[draft.key].parameters and draft.keyed == 0


def _table_for(tables: Tables, phrase: Phrase, exact_only: bool) -> Phrase:
    if phrase in tables.drafts:
        return phrase
    whole = "".join(phrase)
    exact = [p for p in tables.drafts if "".join(p) == whole]
    ends = [p for p in tables.drafts if len(phrase) > len(p) and phrase[-len(p) :] == p]
    if exact or (ends and not exact_only):
        return (exact or ends)[0]
    if not exact_only and phrase and phrase[-1] in word_set("roles"):
        return next((p for p in tables.drafts if len(p) == 1 and p[0] in word_set("people")), ())
    return ()


def _same_kind_of_key(target: TableDraft, column: Draft) -> bool:
    """A `userArn` does not hold a key that is a `userId`."""
    suffixes = {key_noun(n)[1] for n in (*column.parameters, column.name)} - {""}
    kind = {"identifier": "id", "uuid": "id", "guid": "id"}
    key = singular(phrase_of(target.columns[target.key].name)[-1])
    wanted = kind.get(key, key)
    if wanted == "arn" and "id" in target.aliases and "id" in {kind.get(s, s) for s in suffixes}:
        return True
    if not suffixes:
        return "id" in wanted or joined(column.name) == " ".join(target.noun)
    return wanted in {kind.get(s, s) for s in suffixes}


def _same_type(target: TableDraft, column: Draft) -> bool:
    held = type_of(column.schema)
    return sql_type(target.columns[target.key].schema) == ("INTEGER" if held == "number" else sql_type(column.schema))


def _reaches(tables: Tables, start: Phrase, goal: Phrase) -> bool:
    """Whether `start` refers to `goal` already, over any number of tables."""
    seen, queue = {start}, [start]
    while queue:
        here = queue.pop()
        if here == goal:
            return True
        for (phrase, _), target in tables.references.items():
            if phrase == here and target not in seen:
                seen.add(target)
                queue.append(target)
    return False


def fix_scopes(tables: Tables, n_tools: int) -> None:
    """Scopes that no table explains get one value: the environment lives inside that account, instance or project."""
    uses = Counter(n for plan in tables.plans for n in required(plan.placed.reading.tool.parameters))
    for phrase, draft in tables.drafts.items():
        for found, column in draft.columns.items():
            if found == draft.key or (phrase, found) in tables.references or type_of(column.schema) != "string":
                continue
            if column.canon.startswith("parent") and not column.scope:
                continue
            common = max((uses[p] for p in column.parameters), default=0)
            named = any(key_noun(p)[1] in ("id", "arn", "identifier", "name") for p in column.parameters)
            if column.scope or (named and common >= max(3, _ALL_TOOLS * n_tools)):
                tables.fixed[phrase, found] = _fixed_value(draft, column)


_SPECIAL = re.compile(r"special value\W{1,3}(me|self)\b|[\"`](me)[\"`]")


def _own_value(column: Draft) -> str:
    """What a scope stands at by itself (`me`, the user who is signed in), as the specification says; or empty."""
    found = _SPECIAL.search(str(column.schema.get("description", "")))
    default = column.schema.get("default")
    if column.scope and isinstance(default, str) and re.fullmatch(r"[\w-]{1,30}", default):
        return default
    return next((word for word in found.groups() if word), "") if found and column.parameters else ""


def _fixed_value(draft: TableDraft, column: Draft) -> str:
    if _own_value(column):
        return _own_value(column)
    allowed = enum_of(column.schema)
    if allowed:
        return allowed[0]
    step = _parent_step(draft, column)
    named = key_noun(column.parameters[0])
    base = (named[1] and named[0]) or (step.noun if step else phrase_of(column.parameters[0]))
    return "-".join((*base, "main"))


def _tell_apart(draft: TableDraft) -> None:
    """SQLite reads names without case: a column called like another one gets an underscore."""
    taken: set[str] = set()
    for column in draft.columns.values():
        while column.name.lower() in taken:
            column.name += "_"
        taken.add(column.name.lower())


def keep_columns(tables: Tables, recipe: MaterializeRecipe) -> None:
    """Drop the least used columns beyond the recipe's bound, and the bindings to them."""
    for plan in tables.plans:
        values = [c for b in plan.of(Part.VALUE) for c in (b.column, *(c for _, c in b.inside)) if c is not None]
        if values:
            max(values, key=lambda c: c.score).score += 100
    for phrase, draft in tables.drafts.items():
        for found, column in draft.columns.items():
            column.score += 60 if column.always and column.answered else 0
            must = found in (draft.key, "arn") or column.scope or (phrase, found) in tables.fixed
            column.score += 1000 if must else 20 if (phrase, found) in tables.references else 0
            column.score += (
                30 if joined(column.name) in word_set("labels") and type_of(column.schema) == "string" else 0
            )
            column.score += 12 if joined(column.name) in word_set("core") else 0
            column.score += _WEIGHTS.get(kind_of(draft, column), 2)
        order = sorted(draft.columns, key=lambda c: -draft.columns[c].score)
        # Where no answer is known, the arguments that tools write are all that there is: none is left out.
        silent = not any(c.answered for c in draft.columns.values())
        always = sum(c.always and c.answered for c in draft.columns.values())
        most = max(recipe.max_columns, min(always, _MOST_COLUMNS))
        kept = {*order[:most], *(c for c in order if silent and draft.columns[c].written)}
        draft.columns = {c: d for c, d in draft.columns.items() if c in kept}
        _tell_apart(draft)
