"""What each tool does to its table, once the whole domain is known: the operator is settled against key and shape.

A verb alone does not decide. `comment` on an approval that is named by its id changes that approval; `start` without
any id begins something new; `put` on a thing that nothing creates makes it or changes it.
"""

from __future__ import annotations

from rayscaler.environment import Operator, Part
from rayscaler.environments.infer_bounds import Bound, Plan, Unplanned, bind, is_scope, names_row
from rayscaler.environments.infer_drafts import Draft, TableDraft, arguments, canon
from rayscaler.environments.infer_entities import Placed
from rayscaler.environments.lexicon import is_query, key_noun, norm, phrase_of, plural, word_set
from rayscaler.environments.operators import Reading, participle
from rayscaler.environments.schemas import properties, required, type_of


def plan_tool(placed: Placed, table: TableDraft, key: str, kinds: frozenset[Operator]) -> Plan | Unplanned:
    """Settle one tool. `kinds` are the operators that the tools of its table have by their verbs."""
    plan = Plan(placed, table, placed.reading.operator, key, states=placed.reading.states)
    parent = _parent_column(plan)
    if parent is not None:
        plan.key = ""
    problem = _settle_write(plan, kinds) if plan.operator.writes else _settle_read(plan)
    if problem:
        return Unplanned(placed.reading.tool.tool_id, problem)
    needed = required(placed.reading.tool.parameters)
    plan.bounds = [
        Bound(name, Part.FILTER, parent, needed=name in needed) if parent and name == key else bind(plan, name)
        for name in properties(placed.reading.tool.parameters)
    ]
    return checked(plan)


def checked(plan: Plan) -> Plan | Unplanned:
    """The plan, or why it makes no sense after all."""
    problem = _check(plan)
    return Unplanned(plan.placed.reading.tool.tool_id, problem) if problem else plan


def _parent_column(plan: Plan) -> Draft | None:
    """The column that says which row a row is inside of, for a tool on the contents of one (`list folder contents`)."""
    full, noun = plan.placed.reading.full, plan.table.noun
    many = plan.placed.shape.kind == "list" or plan.operator is Operator.DELETE
    if not plan.key or not many or full[:-1] != noun or full[-1] not in word_set("contents"):
        return None
    columns = plan.table.columns.values()
    return next((c for c in columns if key_noun(c.name)[0] == ("parent", *noun)), None)


def plan_tags(placed: Placed, table: TableDraft) -> Plan | Unplanned:
    """Plan a tool that reads or writes the tags of any row: here, of the rows of `table`."""
    tool = placed.reading.tool
    given = properties(tool.parameters)
    needed = required(tool.parameters)
    key = next((n for n, s in given.items() if type_of(s) == "string" and n in needed), "")
    tags = table.columns.get("tags")
    if not key or tags is None:
        return Unplanned(tool.tool_id, "it does not say whose tags")
    words = phrase_of(tool.name)
    kind = (
        "list"
        if not placed.reading.operator.writes
        else "untag"
        if {"untag", "remove", "delete"} & set(words)
        else "tag"
    )
    plan = Plan(placed, table, Operator.GET if kind == "list" else Operator.UPDATE, key, tagging=kind, tags=tags)
    for name, schema in given.items():
        if name == key:
            plan.bounds.append(Bound(name, Part.KEY, table.columns["arn"], needed=True))
        elif kind != "list" and type_of(schema) in ("array", "object") and norm(name).startswith("tag"):
            plan.bounds.append(Bound(name, Part.VALUE, tags, needed=name in needed))
        else:
            plan.bounds.append(Bound(name, Part.IGNORED, needed=name in needed))
    writes_value = kind == "list" or any(b.part is Part.VALUE for b in plan.bounds)
    return plan if writes_value else Unplanned(tool.tool_id, "it does not say which tags")


def _settle_read(plan: Plan) -> str:
    placed, shape = plan.placed, plan.placed.shape
    verb = placed.reading.verb
    has_query = any(is_query(n) for n in arguments(placed))
    if verb == "check" and not plan.key and shape.kind != "list":
        return "a computation: it names no row that it could be about"
    if verb == "check" and shape.kind == "list" and type_of(shape.item) not in ("object",):
        return "a computation: its answer holds no rows"
    if shape.kind == "list" and not _is_facet_list(plan):
        plan.operator = Operator.SEARCH if verb == "search" or has_query else Operator.LIST
    elif shape.kind == "list":
        plan.operator = Operator.GET
    elif shape.kind in ("item", "wrapped") or (shape.kind == "empty" and plan.key):
        if verb == "search" and not plan.key:
            return "a search whose answer holds no rows"
        plan.operator = Operator.GET if plan.key or verb in ("get", "list", "") else Operator.LOOKUP
    elif plan.operator is Operator.GET and not plan.key and _names_many(plan):
        plan.operator = Operator.LIST
    if verb == "check" and plan.operator is Operator.GET:
        plan.operator = Operator.LOOKUP
    return ""


def _names_many(plan: Plan) -> bool:
    """Whether name or route of a tool whose answer is unknown speak of its rows in the plural."""
    tool, last = plan.placed.reading.tool, plan.table.noun[-1]
    spoken = {*phrase_of(tool.name), *phrase_of(tool.path)}
    return plural(last) != last and bool(spoken & set(plural(last).split()))


def _is_facet_list(plan: Plan) -> bool:
    """A list inside one row (`labels` of the file `fileId`): the items are unlike the table's own."""
    shape = plan.placed.shape
    if not plan.key or type_of(properties(plan.placed.reading.tool.parameters)[plan.key]) == "array":
        return False
    names = {canon(n, plan.table.noun) for n in properties(shape.item)}
    return not names or len(names & set(plan.table.columns)) / len(names) < 0.6


def _settle_write(plan: Plan, kinds: frozenset[Operator]) -> str:
    reading = plan.placed.reading
    if reading.verb == "watch":
        return "a webhook: no tool of this world would see what it does"
    noun = plan.table.noun
    part = plan.placed.facet or (len(reading.full) > len(noun) and reading.full[: len(noun)] == noun)
    if plan.operator is Operator.DELETE and part and plan.key:
        return "it takes away a part of a row"
    if reading.verb in ("clear",):
        plan.operator = Operator.DELETE
        return ""
    if plan.operator is Operator.CREATE and plan.key:
        plan.copies = reading.word in ("copy", "clone", "duplicate")
        if not plan.copies and not plan.table.key_given:
            plan.operator, plan.status = Operator.TRANSITION, participle(_verb_word(reading))
    if plan.operator is Operator.TRANSFER:
        plan.operator, plan.status = (
            (Operator.UPDATE if plan.key else Operator.CREATE),
            plan.status or participle(_verb_word(reading)),
        )
    if plan.operator is Operator.RELATE and plan.key:
        plan.operator, plan.status = Operator.TRANSITION, participle(_verb_word(reading))
    if plan.operator is Operator.UNRELATE and plan.key:
        plan.operator, plan.status = Operator.TRANSITION, participle(_verb_word(reading))
    if plan.operator is Operator.TRANSITION:
        plan.status = plan.status or reading.status
        begins = reading.word not in word_set("enders")
        if not plan.key and begins and (plan.table.keyed or not _row_filters(plan)):
            plan.operator = Operator.CREATE
    if plan.operator is Operator.UPDATE and not plan.key:
        if Operator.CREATE not in kinds and _row_filters(plan):
            plan.upsert = not plan.table.keyed
            plan.operator = Operator.CREATE if plan.table.keyed else Operator.UPDATE
        elif not _row_filters(plan) and not kinds & {Operator.GET, Operator.UPDATE}:
            plan.operator = Operator.CREATE
    if plan.operator is Operator.UPDATE and plan.key and reading.word == "put" and Operator.CREATE not in kinds:
        plan.upsert = plan.table.key_given = True
    if plan.operator is Operator.UPDATE:
        plan.status = reading.status
    return ""


def _verb_word(reading: Reading) -> str:
    """The verb as it is written; an unknown one begins the name, or ends it where the API is in front."""
    parts = phrase_of(reading.tool.name)
    api = phrase_of(reading.tool.api)
    return reading.word or next(iter(parts[-1:] if parts[: len(api)] == api else parts), "")


def _row_filters(plan: Plan) -> list[str]:
    """Required parameters that together name a row where no single one does."""
    given = arguments(plan.placed)
    needed = [n for n in required(plan.placed.reading.tool.parameters) if n in given]
    return [n for n in needed if is_scope(plan, n) and names_row(plan, n)]


def _check(plan: Plan) -> str:
    """Why the plan makes no sense after all, or empty."""
    values, filters = plan.of(Part.VALUE), [b for b in plan.of(Part.FILTER) if b.needed]
    if plan.operator is Operator.UPDATE and not values:
        if not plan.key and not filters:
            return "an update that names neither a row nor a value"
        plan.operator, plan.upsert = Operator.TRANSITION, False
        plan.status = plan.status or participle(_verb_word(plan.placed.reading))
    if plan.operator is Operator.CREATE and not values and not plan.copies and (plan.upsert or plan.table.key_given):
        return "it makes a row of nothing that the caller says"
    if plan.operator is Operator.DELETE and not plan.key and not filters:
        return "it would delete every row"
    if plan.operator is Operator.TRANSITION and not plan.key and not filters:
        return "it names no row"
    if plan.operator in (Operator.RELATE, Operator.UNRELATE) and len(plan.of(Part.VALUE, Part.FILTER)) < 2:
        return "a relation needs two sides"
    return ""
