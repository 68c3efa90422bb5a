"""Tools that no table of their domain explains get a table of their own, where what they do can be one.

A read is looked up in what is recorded: its table holds arguments and answers side by side, and a call finds the row
with its arguments (`calculate_tax(income, status)` -> tax_calculations). A write is kept as what was asked: one row per
call. Nothing else in the domain speaks of such a table, so nothing is claimed that another tool would contradict.
"""

from __future__ import annotations

from rayscaler.environment import Operator, Part
from rayscaler.environments.infer_bounds import Bound, Plan, Unplanned, bind
from rayscaler.environments.infer_columns import draft_table
from rayscaler.environments.infer_drafts import TableDraft, arguments, is_scalar
from rayscaler.environments.infer_entities import Placed, is_batch, is_tagging, item_shape
from rayscaler.environments.infer_plans import checked
from rayscaler.environments.lexicon import Phrase, is_query, joined, lexicon, noun, phrase_of, word_set
from rayscaler.environments.operators import Reading
from rayscaler.environments.schemas import properties, required, type_of


def plan_alone(readings: list[Reading], taken: frozenset[Phrase]) -> tuple[dict[Phrase, TableDraft], list[Plan]]:
    """Tables and plans for tools that no table explains; a tool that has no plan here stays without one.

    taken: the nouns that are tables already.
    """
    groups: dict[Phrase, list[Placed]] = {}
    for reading in readings:
        placed = _recorded(reading, taken) if not reading.operator.writes else _asked(reading, taken)
        if placed is not None:
            groups.setdefault(placed.noun, []).append(placed)
    drafts: dict[Phrase, TableDraft] = {}
    plans: list[Plan] = []
    for phrase, members in groups.items():
        drafts[phrase] = draft_table(phrase, members, {m.reading.tool.tool_id: "" for m in members}, recorded=True)
        found = [_plan(m, drafts[phrase]) for m in members]
        plans += [p for p in found if isinstance(p, Plan)]
    return drafts, plans


def _recorded(reading: Reading, taken: frozenset[Phrase]) -> Placed | None:
    """A read with an answer that a row can hold, and arguments that a row can be found by."""
    phrase = _free(_deed(reading), taken, "record")
    if not phrase or is_tagging(reading):
        return None
    shape = item_shape(reading, phrase)
    answers = properties(shape.item) or (shape.kind == "list" and type_of(shape.item) in ("string", "integer"))
    if shape.kind not in ("item", "wrapped", "list") or not answers:
        return None
    many = shape.kind == "list"
    placed = Placed(reading._replace(operator=Operator.LIST if many else Operator.LOOKUP), phrase, shape, False)
    given = arguments(placed)
    needed = [n for n in required(reading.tool.parameters) if n in given]
    found = not needed or any(_finds(given[n]) for n in needed)
    return placed if found and not {joined(n) for n in needed} & word_set("unheard_of") else None


def _asked(reading: Reading, taken: frozenset[Phrase]) -> Placed | None:
    """A write whose call can be kept as a row."""
    gone = reading.operator in (Operator.DELETE, Operator.UNRELATE)
    if gone or reading.verb == "watch" or is_batch(reading) or is_tagging(reading):
        return None
    phrase = _free(_words(reading), taken, "request")
    if not phrase:
        return None
    placed = Placed(reading._replace(operator=Operator.CREATE), phrase, item_shape(reading, phrase), False)
    return placed if arguments(placed) or reading.tool.method in ("", "POST") else None


def _deed(reading: Reading) -> Phrase:
    """What a read tells of: the noun, or for a computation what it does to it (`tax calculation`)."""
    words = _words(reading)
    if reading.verb != "check":
        return words
    deed = str(lexicon()["deeds"].get(reading.word, "result"))
    return (*words, deed) if words[-1:] != (deed,) else words


def _words(reading: Reading) -> Phrase:
    """The noun of a tool, whole; the words of its name where it has none."""
    named = tuple(w for w in phrase_of(reading.tool.name) if w != reading.word)
    return reading.full or next(iter(reading.tail), ()) or noun(named) or noun(phrase_of(reading.tool.name))


def _free(phrase: Phrase, taken: frozenset[Phrase], more: str) -> Phrase:
    spelled = {"".join(t) for t in taken}
    return phrase if "".join(phrase) not in spelled else (*phrase, more)


def _finds(schema: dict[str, object]) -> bool:
    return is_scalar(schema) or type_of(schema) == "boolean"


def _plan(placed: Placed, table: TableDraft) -> Plan | Unplanned:
    plan = Plan(placed, table, placed.reading.operator, "", recorded=True)
    if plan.operator is Operator.LIST and (
        placed.reading.verb == "search" or any(is_query(n) for n in arguments(placed))
    ):
        plan.operator = Operator.SEARCH
    plan.bounds = [_looked_for(plan, bind(plan, n)) for n in properties(placed.reading.tool.parameters)]
    return checked(plan)


def _looked_for(plan: Plan, bound: Bound) -> Bound:
    """A search that answers one row takes text that the row contains, not a cell that equals it."""
    alone = plan.placed.reading.verb == "search" and plan.operator is Operator.LOOKUP
    first = alone and is_query(bound.parameter) and not plan.of(Part.QUERY)
    return Bound(bound.parameter, Part.QUERY, needed=bound.needed) if first else bound
