"""The columns of one table, merged from everything that the tools of a domain say about its rows.

A column is known by its *canon*: its words without the table's own noun, so that `eventId`, `event_id` and `id` of an
event are one column. It is spelled as the API's own answers spell it.
"""

from __future__ import annotations

from functools import cache

from rayscaler.environment import Operator
from rayscaler.environments.infer_drafts import Draft, TableDraft, arguments, canon, is_scalar
from rayscaler.environments.infer_entities import Placed
from rayscaler.environments.infer_keys import choose_key
from rayscaler.environments.lexicon import (
    Phrase,
    is_limit,
    is_query,
    joined,
    key_noun,
    lexicon,
    norm,
    phrase_of,
    word_set,
)
from rayscaler.environments.schemas import enum_of, is_frame, matches, plain, properties, required, type_of
from rayscaler.toolspec import JsonSchema, snake

_WRITERS = (Operator.CREATE, Operator.UPDATE, Operator.TRANSITION, Operator.RELATE, Operator.TRANSFER)


def draft_table(
    table: Phrase, placed: list[Placed], keys: dict[str, str], *, link: bool = False, recorded: bool = False
) -> TableDraft:
    """All columns that the tools of a table speak of. `keys`: tool id -> the parameter that names its row, or empty.

    link: the table joins two others; its rows get a key of their own that no tool speaks of.
    recorded: every argument is a column, that of reads too.
    """
    draft = TableDraft(table, placed)
    silent = not any(p.reading.tool.response for p in placed)
    if silent and not link:
        _add_typical(draft)
    for one in placed:
        _add_properties(draft, one)
    for late in (False, True):
        for one in placed:
            _add_arguments(draft, one, keys[one.reading.tool.tool_id], silent or recorded, late=late)
    if link:
        draft.key = "linkid"
        draft.columns["linkid"] = Draft("link_id", "linkid", {"type": "string"})
        return draft
    choose_key(draft, placed, keys)
    return draft


def _add_typical(draft: TableDraft) -> None:
    """What rows of such a noun usually have, where the specification names tools and arguments only."""
    known: dict[str, str] = lexicon()["typical"].get(draft.noun[-1], {})
    made = any(p.reading.operator is Operator.CREATE for p in draft.placed)
    for name, kind in (known or ({} if made else {"name": "string"})).items():
        column = _column(draft, name, {"type": kind})
        column.score += 2


def _add_properties(draft: TableDraft, placed: Placed) -> None:
    item = placed.shape.item
    if placed.shape.kind not in ("item", "wrapped", "list") or type_of(item) != "object":
        return
    always = set(required(item))
    for name, schema in properties(item).items():
        if is_frame(name, schema) or not _usable(name):
            continue
        column = _column(draft, name, schema)
        column.score += 7 if name in always else 1
        column.answered = True
        column.told.append(values_of(schema))
        column.always = column.always or name in always


def values_of(schema: JsonSchema) -> tuple[str, ...]:
    """The values that a schema allows: texts, or whole numbers as text; empty if it is open."""
    values = plain(schema).get("enum")
    if type_of(schema) == "integer" and isinstance(values, list):
        return tuple(str(v) for v in values if isinstance(v, int) and not isinstance(v, bool))
    return enum_of(schema) if type_of(schema) in ("string", "") else ()


def _usable(name: str) -> bool:
    return bool(phrase_of(name)) and len(name) <= 60


def _column(draft: TableDraft, name: str, schema: JsonSchema) -> Draft:
    found = draft.columns.get(canon(name, draft.noun))
    if found is None:
        spelled = name if name.isidentifier() and name.isascii() and not name.startswith("_") else snake(name)
        found = draft.columns[canon(name, draft.noun)] = Draft(spelled, canon(name, draft.noun), schema)
    found.enums.append(
        enum_of(schema.get("items") if type_of(schema) == "array" and type_of(found.schema) != "array" else schema)
    )
    return found


def _add_arguments(draft: TableDraft, placed: Placed, key: str, every: bool, *, late: bool) -> None:
    """The columns that a tool's parameters speak of; renaming ones (`newName`) come late, when columns are known.

    every: a read's parameters too, whatever they are called.
    """
    reading = placed.reading
    needed = set(required(reading.tool.parameters))
    paths = {s.parameter for s in reading.route.steps if s.parameter}
    for name, schema in arguments(placed).items():
        if name == key or not _usable(name) or bool(renamed(name, draft, placed)) != late:
            continue
        scope = name in paths and (reading.operator is not Operator.DELETE or bool(key))
        if reading.operator in _WRITERS:
            if _is_known(draft, placed, name):
                continue
            column = _column(draft, name, schema)
            column.written = True
            column.sent.append(values_of(schema))
            column.score += 4 if name in needed else 2
            column.needed_by += name in needed and reading.operator in (Operator.CREATE, Operator.RELATE)
        elif _is_filter(draft, name, schema, name in needed or scope, every):
            column = _column(draft, name, schema)
            column.score += 14 if name in needed else 2
        else:
            continue
        column.scope = column.scope or scope
        column.asked = column.asked or (name in needed and bool(key_noun(name)[1]))
        column.parameters.append(name)


def _is_known(draft: TableDraft, placed: Placed, name: str) -> bool:
    """Note what a written argument says of columns other than its own: those inside it, or the one it is a word for."""
    inside = body_properties(draft, placed, name)
    for inner, schema in inside.items():
        column = _column(draft, inner, schema)
        column.written, column.nested, column.score = True, True, column.score + 2
    base = renamed(name, draft, placed)
    if base and canon(base, draft.noun) in draft.columns:
        draft.columns[canon(base, draft.noun)].written = True
        return True
    return bool(inside)


def body_properties(draft: TableDraft, placed: Placed, name: str) -> dict[str, JsonSchema]:
    """The columns inside an argument that is the whole row (`contactGroup: {name: …}`); empty for any other."""
    schema = properties(placed.reading.tool.parameters)[name]
    inside = {
        n: s for n, s in properties(schema).items() if not is_frame(n, s) and not s.get("readOnly") and _usable(n)
    }
    whole = matches(name, draft.noun) or joined(name) in word_set("bodies")
    if not placed.reading.operator.writes or not whole or len(inside) < 2:
        return {}
    return inside


def renamed(name: str, draft: TableDraft, placed: Placed) -> str:
    """The column's words where a parameter is another word for it: `newName`, `destinationTasklist`, a new row's text.

    Empty where the parameter speaks for itself, as `new_item_ids` beside `item_ids` does.
    """
    reading, parts = placed.reading, phrase_of(name)
    moves = reading.verb == "move"
    if moves and parts in (("destination",), ("target",), ("to",)) and reading.route.parents:
        return reading.route.parents[-1].parameter
    if reading.operator is Operator.CREATE and is_query(name) and canon(name, draft.noun) not in draft.columns:
        return label_of(draft)
    if len(parts) < 2 or parts[0] not in word_set("renamed"):
        return ""
    base = "_".join(parts[1:])
    beside = norm(base) in {norm(n) for n in properties(reading.tool.parameters)}
    return "" if beside and not moves else base


def label_of(draft: TableDraft) -> str:
    """The column by which a person names a row, as far as it is known yet; empty if there is none."""
    for wanted in lexicon()["labels"]:
        found = draft.columns.get("".join(wanted.split()))
        if found is not None and type_of(found.schema) == "string":
            return found.name
    return ""


def _is_filter(draft: TableDraft, name: str, schema: JsonSchema, needed: bool, every: bool) -> bool:
    if canon(name, draft.noun) in draft.columns:
        return True
    if is_limit(name) or is_query(name) or not is_scalar(schema) or range_of(name)[0]:
        return False
    return every or (needed and (bool(key_noun(name)[1]) or bool(enum_of(schema))))


@cache
def range_of(name: str) -> tuple[str, str]:
    """How a parameter compares, and the column's words: `dueMin` -> (>=, due), `NamePrefix` -> (startswith, name)."""
    text = joined(name)
    for sign, marks in lexicon()["ranges"].items():
        for mark in marks:
            if text.endswith(f" {mark}"):
                return sign, text[: -len(mark) - 1]
            if text.startswith(f"{mark} ") and sign in (">=", "<="):
                return sign, text[len(mark) + 1 :]
    return "", text
