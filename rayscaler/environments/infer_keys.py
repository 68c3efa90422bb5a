"""Keys: the parameter that names a tool's row, and the column of the table that it addresses."""

from __future__ import annotations

from typing import Any

from rayscaler.environment import Operator
from rayscaler.environments.infer_drafts import Draft, TableDraft, arguments, as_key, canon, is_scalar
from rayscaler.environments.infer_entities import Placed
from rayscaler.environments.lexicon import (
    Phrase,
    key_noun,
    norm,
    noun,
    phrase_of,
)
from rayscaler.environments.schemas import enum_of, properties, required, type_of
from rayscaler.toolspec import snake

_IDS = ("id", "identifier", "uuid", "guid", "arn", "key", "name", "number", "code", "slug", "resourcename")


def key_parameter(placed: Placed, others: frozenset[Phrase]) -> str:
    """The parameter that names the row a tool works on, or empty. `others` are the nouns of the other tables."""
    reading, table = placed.reading, placed.noun
    given = arguments(placed)
    needed = set(required(reading.tool.parameters))
    copies = reading.word in ("copy", "clone", "duplicate")
    makes = reading.operator is Operator.CREATE and bool(reading.word) and not copies
    if makes and not reading.route.action:
        return ""
    steps = [s for s in reading.route.steps if s.parameter and s.parameter in given]
    # `/documentVersions/{DocumentId}/versions/{VersionId}`: before the last, another table's id names no row of this.
    own = [
        s.parameter
        for s in steps
        if _names(s.parameter, table)
        or (s.noun == table and (s is steps[-1] or key_noun(s.parameter)[0] not in others))
    ]
    if own:
        return own[-1]
    if reading.verb == "send" and "id" in needed and reading.route.steps[-1:] and reading.route.steps[-1].noun == table:
        return "id"  # `drafts/send` sends the draft of this id
    if makes:
        return ""
    if steps and steps[-1] is reading.route.steps[-1] and _own_last(steps[-1].noun, steps[-1].parameter, table, others):
        return steps[-1].parameter
    ranked = sorted(given, key=lambda n: (n not in needed, _rank(n, table, others)))
    return next((n for n in ranked if _rank(n, table, others) < 99 and is_scalar(given[n])), "")


def _own_last(step: Phrase, parameter: str, table: Phrase, others: frozenset[Phrase]) -> bool:
    return (
        step not in others
        and key_noun(parameter)[0] not in others
        and (step == table or "".join(step) in "".join(table))
    )


def _names(parameter: str, table: Phrase) -> bool:
    found, suffix = key_noun(parameter)
    return (bool(suffix) and "".join(found) == "".join(table)) or noun(phrase_of(parameter)) == table


def _rank(parameter: str, table: Phrase, others: frozenset[Phrase]) -> int:
    """How well a parameter names rows of `table`: 0 is best, 99 not at all."""
    found, suffix = key_noun(parameter)
    order = _IDS.index(suffix) if suffix in _IDS else 50
    whole = "".join(table)
    if found and "".join(found) == whole:
        return order
    if noun(phrase_of(parameter)) == table:
        return 12
    if found and found not in others and whole.endswith("".join(found)) and len(found[-1]) > 2:
        return 15 + order
    if not found and norm(parameter) in _IDS:
        return 30 + _IDS.index(norm(parameter))
    return 99


def choose_key(draft: TableDraft, placed: list[Placed], keys: dict[str, str]) -> None:
    votes: dict[str, int] = {}
    for one in placed:
        parameter = keys[one.reading.tool.tool_id]
        if parameter:
            found = _key_canon(draft, parameter)
            votes[found] = votes.get(found, 0) + 1
            schema = properties(one.reading.tool.parameters)[parameter]
            if found not in draft.columns:
                draft.columns[found] = Draft(_spell(parameter), found, schema)
            draft.columns[found].enums.append(enum_of(schema))
    best = max(votes, key=lambda c: (votes[c], -_order(c)), default="")
    draft.keyed = sum(votes.values())
    draft.key = best or _handed_out(draft, placed, keys) or next(
        (c for c in ("id", "uuid", "identifier", "arn", "key", "name", "resourcename") if _can_be_key(draft, c)), ""
    )
    if not draft.key:
        draft.key = _synthetic(draft)
    as_key(draft.columns[draft.key])
    _spell_as_listed(draft, placed)
    draft.key_given = any(_given_key(draft, one) for one in placed if not keys[one.reading.tool.tool_id])
    for other in votes:
        draft.columns[other].score += 50
    given = [keys[one.reading.tool.tool_id] or _given_key(draft, one) for one in placed]
    for parameter in (g for g in given if g):
        own = canon(parameter, draft.noun)
        if own != draft.key and _key_canon(draft, parameter) == draft.key:
            draft.aliases[own] = draft.key
            if own in draft.columns and not draft.columns[own].answered:
                del draft.columns[own]


def _handed_out(draft: TableDraft, placed: list[Placed], keys: dict[str, str]) -> str:
    """The column of an id that the maker of a row answers and the readers ask for (`jobId`); notes it as their key."""
    makers = [p for p in placed if p.reading.operator is Operator.CREATE]
    answered = {canon(n, draft.noun) for p in makers for n in properties(p.shape.item)}
    taken = {canon(n, draft.noun) for p in makers for n in properties(p.reading.tool.parameters)}
    users = [p.reading.tool for p in placed if p not in makers]
    asked = [canon(n, draft.noun) for u in users for n in required(u.parameters) if key_noun(n)[1] in ("id", "arn")]
    found = next((c for c in asked if c in answered - taken and _can_be_key(draft, c)), "")
    for user in users if found else ():
        keys[user.tool_id] = next((n for n in properties(user.parameters) if canon(n, draft.noun) == found), "")
    return found


def _spell_as_listed(draft: TableDraft, placed: list[Placed]) -> None:
    """A key that every answer spells otherwise than the widest list is spelled as the list spells it."""
    lists = [p for p in placed if not p.reading.operator.writes and p.shape.kind == "list"]
    lists.sort(key=lambda p: sum(bool(key_noun(n)[1]) for n in required(p.reading.tool.parameters)))
    listed = [n for p in lists for n in properties(p.shape.item) if canon(n, draft.noun) == draft.key]
    name = draft.columns[draft.key].name
    if listed and listed[0] != name and listed[0].isidentifier() and not listed[0].startswith("_"):
        draft.columns[draft.key].name = listed[0]


def _can_be_key(draft: TableDraft, found: str) -> bool:
    column = draft.columns.get(found)
    return column is not None and column.answered and type_of(column.schema) in ("string", "integer")


def _order(found: str) -> int:
    return _IDS.index(found) if found in _IDS else 50


def _spell(parameter: str) -> str:
    return parameter if parameter.isidentifier() and not parameter.startswith("_") else snake(parameter)


def _key_canon(draft: TableDraft, parameter: str) -> str:
    """The column that a key parameter addresses: `ruleId` of an acl rule -> id, `tasklist` -> id, `Bucket` -> name."""
    own = canon(parameter, draft.noun)
    suffix = key_noun(parameter)[1]
    answered = {c for c, d in draft.columns.items() if d.answered and type_of(d.schema) in ("string", "integer")}
    for wanted in (own, norm(suffix) if suffix else "id", "id", "name"):
        if wanted in answered and (wanted == own or not suffix or wanted in ("id", suffix)):
            return wanted
    # No answer tells the id, all tell the ARN: where that is so, the ARN is what the id parameter takes.
    return "arn" if "arn" in answered and suffix in ("id", "identifier") else own


def _synthetic(draft: TableDraft) -> str:
    schema: dict[str, Any] = {"type": "string"}
    camel = any(any(ch.isupper() for ch in d.name) for d in draft.columns.values())
    name = (
        "id"
        if camel and "id" not in {d.name.lower() for d in draft.columns.values()}
        else f"{snake('_'.join(draft.noun))}_id"
    )
    draft.columns["id"] = Draft(name, "id", schema)
    return "id"


def _given_key(draft: TableDraft, placed: Placed) -> str:
    """The parameter by which the maker of a row chooses its key, or empty."""
    if placed.reading.operator is not Operator.CREATE:
        return ""
    given = arguments(placed)
    needed = [n for n in required(placed.reading.tool.parameters) if n in given and is_scalar(given[n])]
    own = [n for n in needed if canon(n, draft.noun) == draft.key]
    named = [n for n in needed if _key_canon(draft, n) == draft.key and _names(n, draft.noun)]
    return next(iter([*own, *named]), "")


def join_arns(drafts: dict[Phrase, TableDraft]) -> None:
    """A parameter `ContactId` that no answer tells, beside an answered `ContactArn`, is that column, unless contacts
    are known by another key here."""
    for draft in drafts.values():
        for found in [c for c, d in draft.columns.items() if c.endswith("id") and not d.answered and d.parameters]:
            column, arn = draft.columns[found], draft.columns.get(f"{found[:-2]}arn")
            owner = next((d for p, d in drafts.items() if "".join(p) == found[:-2]), None)
            if arn is None or not arn.answered or found == draft.key or (owner is not None and owner.key != "arn"):
                continue
            draft.aliases[found] = arn.canon
            arn.parameters += column.parameters
            arn.score += column.score
            arn.scope, arn.asked = arn.scope or column.scope, arn.asked or column.asked
            arn.written, arn.needed_by = arn.written or column.written, arn.needed_by + column.needed_by
            del draft.columns[found]
