"""From the tools of one domain to its tables and to what each tool does to them: the compiler's middle.

The order matters: tools are read one by one, nouns reconciled, columns merged, operators settled against keys, then
references, fixed scopes and statuses decided over all tables.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rayscaler.environment import Operator, Part
from rayscaler.environments.infer_answers import plan_alone
from rayscaler.environments.infer_bounds import Bound, Plan, Unplanned
from rayscaler.environments.infer_columns import draft_table
from rayscaler.environments.infer_drafts import Draft, TableDraft, canon
from rayscaler.environments.infer_entities import Placed, is_batch, is_tagging, place
from rayscaler.environments.infer_keys import join_arns, key_parameter
from rayscaler.environments.infer_plans import plan_tags, plan_tool
from rayscaler.environments.infer_preconditions import add_preconditions, name_circumstances
from rayscaler.environments.infer_rules_arguments import with_told_bounds
from rayscaler.environments.infer_status import add_statuses
from rayscaler.environments.infer_tables import Tables, fix_scopes, keep_columns, link_tables
from rayscaler.environments.infer_transfers import add_transfers, place_transfers, read_transfers, sides_of
from rayscaler.environments.lexicon import Phrase, norm, plural
from rayscaler.environments.operators import Reading, read_tool
from rayscaler.environments.schemas import Shape, plain, properties, shape_of, type_of
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import MaterializeRecipe
from rayscaler.toolspec import ToolSpec


class Inferred(NamedTuple):
    """Tables, plans in the order of the tools, and the tools that no table explains."""

    tables: Tables
    plans: list[Plan]
    rejects: list[Rejected]


def infer(tools: list[ToolSpec], recipe: MaterializeRecipe) -> Inferred:
    """What the tools of a domain say about its database."""
    readings = [read_tool(_as_told(tool)) for tool in tools]
    sides = {r.tool.tool_id: s for r in readings if (s := sides_of(r)) is not None}
    readings = read_transfers(readings, sides)
    placed = place_transfers(place(readings), readings, sides)
    rejects = [
        Rejected(r.tool.tool_id, Reason.NO_ENTITY, _why_not(r))
        for r, p in zip(readings, placed, strict=True)
        if p is None
    ]
    groups: dict[Phrase, list[Placed]] = {}
    for one in placed:
        if one is not None:
            groups.setdefault(one.noun, []).append(one)
    groups = {phrase: _unwrapped(members) for phrase, members in groups.items()}
    drafts, keys = _draft_tables(groups)
    plans, unplanned = _plan(groups, drafts, keys)
    tagged = _plan_tags(readings, drafts)
    plans += [p for p in tagged if isinstance(p, Plan)]
    planned = {p.placed.reading.tool.tool_id for p in plans}
    taken = frozenset(p.table.noun for p in plans)
    # A write on a table that cannot be planned there stays out: kept elsewhere, the table's readers would not see it.
    left = [r for r, p in zip(readings, placed, strict=True)
            if r.tool.tool_id not in planned and (p is None or not r.operator.writes or p.noun not in taken)]
    # Alone in its table, a tool may answer what intake made up for it: there is nothing else that it could contradict.
    whole = {tool.tool_id: tool for tool in tools}
    rest = [r._replace(tool=whole[r.tool.tool_id]) for r in left]
    own, alone = plan_alone(rest, taken)
    drafts |= own
    plans += alone
    rejects += [Rejected(u.tool_id, Reason.NO_ENTITY, u.detail) for u in unplanned]
    explained = {p.placed.reading.tool.tool_id for p in plans}
    rejects = [r for r in rejects if r.key not in explained]
    order = {tool.tool_id: i for i, tool in enumerate(tools)}
    plans.sort(key=lambda p: order[p.placed.reading.tool.tool_id])
    add_transfers(plans, drafts, sides)
    used = {p.table.noun for p in plans} | {p.moved.holder.noun for p in plans if p.moved}
    tables = Tables({n: d for n, d in drafts.items() if n in used}, plans)
    _nest(tables)
    link_tables(tables)
    fix_scopes(tables, len(tools))
    add_preconditions(tables)
    add_statuses(tables)
    name_circumstances(tables)
    keep_columns(tables, recipe)
    for plan in plans:
        plan.bounds = [_rebound(plan, b) for b in plan.bounds]
    idle = [p for p in plans if p.operator is Operator.UPDATE and not p.of(Part.VALUE) and not p.tagging]
    rejects += [
        Rejected(p.placed.reading.tool.tool_id, Reason.NO_ENTITY, "none of what it writes is kept") for p in idle
    ]
    plans = tables.plans = [p for p in plans if p not in idle]
    for plan in plans:
        if plan.placed.reading.verb == "clear" and plan.key:
            plan.children = _children(tables, plan)
    return Inferred(tables, plans, sorted(rejects))


def _as_told(tool: ToolSpec) -> ToolSpec:
    """The tool without an answer that intake made up: `get_order_details` answers an order, not an «order detail».

    Bounds that descriptions of arguments tell in words stand in its schema.
    """
    told = {"parameters": with_told_bounds(tool.parameters)} | ({"response": None} if tool.response_inferred else {})
    return tool.model_copy(update=told)


def _why_not(reading: Reading) -> str:
    if is_batch(reading):
        return "a batch: it writes many rows in one call"
    if is_tagging(reading):
        return "tags of any row: no table of this domain has the key that it takes"
    return f"«{' '.join(reading.full) or reading.tool.name}» names nothing that a table could hold"


def _draft_tables(groups: dict[Phrase, list[Placed]]) -> tuple[dict[Phrase, TableDraft], dict[str, str]]:
    drafts: dict[Phrase, TableDraft] = {}
    keys: dict[str, str] = {}
    for phrase, members in groups.items():
        others = frozenset(groups) - {phrase}
        link = _is_link(members)
        for one in members:
            keys[one.reading.tool.tool_id] = "" if link else key_parameter(one, others)
        drafts[phrase] = draft_table(phrase, members, keys, link=link)
    join_arns(drafts)
    return drafts, keys


def _unwrapped(members: list[Placed]) -> list[Placed]:
    """A wrapper that a writer takes as one argument is a column, and the answer around it the row."""
    taken = {norm(n) for m in members if m.reading.operator.writes for n in properties(m.reading.tool.parameters)}
    return [
        m._replace(shape=Shape("item", "", plain(m.reading.tool.response)))
        if m.shape.kind == "wrapped" and norm(m.shape.wrapper) in taken
        else m
        for m in members
    ]


def _is_link(members: list[Placed]) -> bool:
    kinds = {m.reading.operator for m in members}
    return Operator.RELATE in kinds and kinds <= {
        Operator.RELATE,
        Operator.UNRELATE,
        Operator.LIST,
        Operator.SEARCH,
        Operator.GET,
    }


def _plan(
    groups: dict[Phrase, list[Placed]], drafts: dict[Phrase, TableDraft], keys: dict[str, str]
) -> tuple[list[Plan], list[Unplanned]]:
    plans: list[Plan] = []
    unplanned: list[Unplanned] = []
    for phrase, members in groups.items():
        kinds = frozenset(m.reading.operator for m in members)
        for one in members:
            found = plan_tool(one, drafts[phrase], keys[one.reading.tool.tool_id], kinds)
            if isinstance(found, Plan):
                plans.append(found)
            else:
                unplanned.append(found)
    return plans, unplanned


def _plan_tags(readings: list[Reading], drafts: dict[Phrase, TableDraft]) -> list[Plan | Unplanned]:
    """Tools on the tags of any ARN, for the table with an ARN that most tools are about."""
    tagging = [r for r in readings if is_tagging(r)]
    holders = [d for d in drafts.values() if "arn" in d.columns and type_of(d.columns["arn"].schema) == "string"]
    if not tagging or not holders:
        return []
    holder = max(holders, key=lambda d: (len(d.placed), d.noun))
    sent = [
        s for r in tagging if r.operator.writes for n, s in properties(r.tool.parameters).items() if norm(n) == "tags"
    ]
    told = [s for r in tagging for n, s in properties(r.tool.response).items() if norm(n) in ("tags", "taglist")]
    if "tags" not in holder.columns and (sent or told):
        holder.columns["tags"] = Draft("tags", "tags", (sent or told)[0], score=500)
    if "tags" in holder.columns:
        holder.columns["tags"].score += 500
        holder.columns["tags"].schema = (sent or told or [holder.columns["tags"].schema])[0]
    return [
        plan_tags(Placed(r, holder.noun, shape_of(r.tool.response, ("tag",), many=False), True), holder)
        for r in tagging
    ]


_INCLUDING = re.compile(r"including (?:their|its|his|her|the|all|any) ([\w ]+)")


def _nest(tables: Tables) -> None:
    """Where a tool without a schema says that a row comes «including their orders», orders refer to that row."""
    for plan in tables.plans:
        told = _INCLUDING.search(plan.placed.reading.tool.description)
        if plan.operator is not Operator.GET or plan.placed.shape.kind != "silent" or not told:
            continue
        for noun, child in tables.drafts.items():
            if child is plan.table or plural(noun[-1]) not in told.group(1).split():
                continue
            key = plan.table.columns[plan.table.key]
            found = canon(key.name, noun)
            column = child.columns.setdefault(found, Draft(key.name, found, key.schema, score=500))
            column.asked = True
            plan.nested.append((child, column))


def _rebound(plan: Plan, bound: Bound) -> Bound:
    """A parameter whose column was not kept has no effect."""
    if bound.inside:
        kept = tuple((n, c) for n, c in bound.inside if c.canon in plan.table.columns)
        return bound._replace(inside=kept) if kept else bound._replace(part=Part.IGNORED, inside=())
    if bound.column is not None and bound.column.canon not in plan.table.columns:
        return bound._replace(part=Part.IGNORED, column=None)
    return bound


def _children(tables: Tables, plan: Plan) -> TableDraft | None:
    """The table whose rows a `clear` of one row removes."""
    said = plan.placed.reading.tool.description.lower()
    below = [
        p
        for (p, c), target in tables.references.items()
        if target == plan.table.noun and tables.drafts[p].columns[c].scope
    ]
    ranked = sorted(below, key=lambda p: (plural(p[-1]) not in said, -len(tables.drafts[p].placed), p))
    return tables.drafts[ranked[0]] if ranked else None
