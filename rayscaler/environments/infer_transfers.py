"""Transfers: tools that move a quantity from one row to another of the same table (`from_account, to_account, amount`).

A transfer is kept as a row of its own, and moves the quantity between two holders that must exist; what the source has
must suffice. Both sides must be told, be of one noun, and hold a number: a currency that is converted is no transfer.
"""

from __future__ import annotations

from typing import NamedTuple

from rayscaler.environment import Operator, Part
from rayscaler.environments.infer_bounds import Bound, Moved, Plan
from rayscaler.environments.infer_drafts import Draft, TableDraft
from rayscaler.environments.infer_entities import Placed, item_shape
from rayscaler.environments.lexicon import Phrase, joined, key_noun, lexicon, noun, phrase_of, word_set
from rayscaler.environments.operators import Reading
from rayscaler.environments.operators_route import Route
from rayscaler.environments.schemas import enum_of, properties, required, type_of

_MUST = 600
"""Score of a column that a transfer needs: above what a table may drop."""


class Sides(NamedTuple):
    """The parameters of a transfer, and the noun of the holders: empty where the sides are a bare from and to."""

    source: str
    target: str
    amount: str
    holder: Phrase


def sides_of(reading: Reading) -> Sides | None:
    """Source, target and amount of a tool that moves a quantity; None for any other."""
    moves = reading.verb in word_set("moving") or (reading.target[-1:] and reading.target[-1] in word_set("movements"))
    if not reading.operator.writes or not moves:
        return None
    given, needed = properties(reading.tool.parameters), required(reading.tool.parameters)
    ends: dict[str, dict[Phrase, str]] = {"from": {}, "to": {}}
    for name, schema in given.items():
        side, held = _side(name)
        if side and type_of(schema) in ("string", "integer") and not enum_of(schema) and held not in _never():
            ends[side].setdefault(held, name)
    for step in reading.route.steps:
        if step.parameter and step.noun in ends["to"]:
            ends["from"].setdefault(step.noun, step.parameter)
    amount = next((n for n in given if n in needed and _is_amount(n, given[n])), "")
    both = next((held for held in ends["from"] if held in ends["to"]), None)
    if both is None or not amount:
        return None
    return Sides(ends["from"][both], ends["to"][both], amount, both)


def _side(name: str) -> tuple[str, Phrase]:
    """Which side a parameter names, and whose: `from_account_id` -> (from, (account,)), `sender` -> (from, ())."""
    parts = phrase_of(name)
    for side, marks in lexicon()["sides"].items():
        for mark in marks:
            rest = tuple(p for p in parts if p != mark)
            if len(rest) < len(parts):
                held, suffix = key_noun("_".join(rest)) if rest else ((), "")
                return side, held if suffix else noun(rest)
    return "", ()


def _never() -> frozenset[Phrase]:
    return frozenset((word,) for word in word_set("no_holders"))


def _is_amount(name: str, schema: dict[str, object]) -> bool:
    return type_of(schema) in ("integer", "number") and bool(set(phrase_of(name)) & word_set("quantities"))


def read_transfers(readings: list[Reading], transfers: dict[str, Sides]) -> list[Reading]:
    """The readings; those that move a quantity make a row of a table of transfers. `transfers`: tool id -> sides."""
    nouns = {r.target for r in readings if r.tool.tool_id not in transfers}
    found = []
    for reading in readings:
        sides = transfers.get(reading.tool.tool_id)
        found.append(reading if sides is None else _making(reading, _record(reading, sides, nouns)))
    return found


def _making(reading: Reading, phrase: Phrase) -> Reading:
    return reading._replace(operator=Operator.CREATE, verb="transfer", route=Route(), target=phrase, full=phrase)


def place_transfers(
    placed: list[Placed | None], readings: list[Reading], transfers: dict[str, Sides]
) -> list[Placed | None]:
    """The tools as they were placed, but a transfer never in the table of its holders."""
    return [
        Placed(r, r.target, item_shape(r, r.target), False)
        if r.tool.tool_id in transfers and (p is None or p.noun[-1] not in word_set("movements"))
        else p
        for p, r in zip(placed, readings, strict=True)
    ]


def _record(reading: Reading, sides: Sides, nouns: set[Phrase]) -> Phrase:
    """The noun of the table that keeps a transfer: one that other tools are about, if there is one."""
    own = (*sides.holder, "transfer")
    known = [reading.target, *(s.noun for s in reading.route.steps), *(p for p in (own, ("transfer",)) if p in nouns)]
    return next((p for p in known if p and p[-1] in word_set("movements")), own)


def add_transfers(plans: list[Plan], drafts: dict[Phrase, TableDraft], transfers: dict[str, Sides]) -> None:
    """Make transfers of the plans that move a quantity: find or draft what holds it, and bind both sides to it.

    transfers: tool id -> its sides.
    """
    for plan in plans:
        sides = transfers.get(plan.placed.reading.tool.tool_id)
        if sides is None or plan.operator is not Operator.CREATE:
            continue
        columns = {b.parameter: b.column for b in plan.bounds}
        source, target, amount = (columns.get(n) for n in (sides.source, sides.target, sides.amount))
        if source is None or target is None or source is target:
            continue
        if amount is None or type_of(amount.schema) not in ("integer", "number"):
            continue
        holder = _holder(sides, plan, drafts)
        quantity = _quantity(holder, type_of(properties(plan.placed.reading.tool.parameters)[sides.amount]))
        if quantity is None:
            continue
        plan.operator = Operator.TRANSFER
        amount.score, amount.measure = amount.score + _MUST, True
        for column in (source, target):
            column.refers, column.score = holder.noun, column.score + _MUST
            column.schema = {**column.schema, "type": type_of(holder.columns[holder.key].schema) or "string"}
        plan.moved = Moved(sides.source, sides.target, sides.amount, holder, quantity)
        plan.bounds = [_amount_of(b, sides.amount) for b in plan.bounds]


def _amount_of(bound: Bound, amount: str) -> Bound:
    return bound._replace(part=Part.AMOUNT) if bound.parameter == amount else bound


def _holder(sides: Sides, plan: Plan, drafts: dict[Phrase, TableDraft]) -> TableDraft:
    """The table that holds what is moved: of the sides' noun, for a bare from and to one that has a balance."""
    others = {p: d for p, d in drafts.items() if d is not plan.table}
    if sides.holder in others:
        return others[sides.holder]
    near = [p for p in sorted(others) if sides.holder and p[-len(sides.holder) :] == sides.holder]
    if not sides.holder:
        near = [p for p in sorted(others) if p[-1] in word_set("holders")]
    if near:
        return others[near[0]]
    phrase = sides.holder or ("account",)
    made = drafts[phrase] = TableDraft(phrase, [], key="id")
    made.columns["id"] = Draft("_".join((*phrase, "id")), "id", {"type": "string"}, asked=True)
    return made


def _quantity(holder: TableDraft, kind: str) -> Draft | None:
    """The number that a transfer changes: the holder's balance, stock or points; a new balance if it has none.

    None if what it holds is no number: a balance with its currency cannot be moved.
    """
    for wanted in lexicon()["balances"]:
        found = next((c for c in holder.columns.values() if joined(c.name) == wanted), None)
        if found is not None and type_of(found.schema) in {"number", kind}:
            break
    else:
        if "balance" in holder.columns and type_of(holder.columns["balance"].schema) not in ("integer", "number"):
            return None
        found = holder.columns["balance"] = Draft("balance", "balance", {"type": kind})
    found.asked, found.measure, found.score = True, True, found.score + _MUST
    found.schema = {**found.schema, "minimum": max(0, found.schema.get("minimum", 0))}
    return found
