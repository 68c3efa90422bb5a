"""The bodies of the tools that read, and how any tool finds its row."""

from __future__ import annotations

from rayscaler.environment import Part
from rayscaler.environments.codegen_results import many_result
from rayscaler.environments.codegen_writer import Writer, assign
from rayscaler.environments.infer_bounds import Bound, Plan
from rayscaler.environments.infer_drafts import Draft
from rayscaler.environments.schemas import properties, type_of


def find_row(writer: Writer, plan: Plan) -> list[str]:
    """The row that key and filters name. With neither, the first row: there is only one such thing."""
    keys, filters = plan.of(Part.KEY), [b for b in plan.of(Part.FILTER) if b.sign == "="]
    named = keys + [b for b in filters if b.needed]
    query = plan.of(Part.QUERY)
    if query:
        return [
            f'{writer.many} = db.search("{writer.table}", {writer.names[query[0].parameter]}{writer.equals(filters)})',
            f'require({writer.many}, "no {" ".join(plan.table.noun)} has this {query[0].parameter}")',
            f"{writer.one} = {writer.many}[0]",
        ]
    if named and not (plan.recorded and len(filters) > len(named)):
        return [f'{writer.one} = db.get("{writer.table}"{writer.equals(named)})']
    said = " ".join(plan.table.noun)
    if not filters:
        return [
            f'{writer.many} = db.find("{writer.table}")',
            f'require({writer.many}, "there is no {said} yet")',
            f"{writer.one} = {writer.many}[0]",
        ]
    told = " or ".join(b.parameter for b in filters)
    return [
        f'{writer.many} = db.find("{writer.table}"{writer.equals(filters)})',
        f'require({writer.many}, "there is no {said} with this {told}")',
        f"{writer.one} = {writer.many}[0]",
    ]


def read_one(writer: Writer) -> list[str]:
    """The body of a tool that answers one row, with the rows that are told with it."""
    plan, key = writer.plan, writer.plan.table.columns[writer.plan.table.key].name
    lines = find_row(writer, plan)
    for child, column in plan.nested:
        table = writer.tables.names[child.noun]
        theirs = assign(column.name, f'{writer.one}["{key}"]')
        lines.append(f'{writer.one}["{table}"] = db.find("{table}", {theirs})')
    return [*lines, *writer.result()]


def check_parents(writer: Writer) -> list[str]:
    """Lists under a parent fail where there is no such parent."""
    lines = []
    for bound in writer.plan.of(Part.FILTER):
        target = bound.column and writer.tables.references.get((writer.plan.table.noun, bound.column.canon))
        kind = type_of(properties(writer.plan.placed.reading.tool.parameters)[bound.parameter])
        if target and bound.needed and bound.sign == "=" and kind != "array":
            key = writer.tables.drafts[target].columns[writer.tables.drafts[target].key].name
            lines.append(f'db.get("{writer.tables.names[target]}", {assign(key, writer.names[bound.parameter])})')
    return lines


def read_many(writer: Writer) -> list[str]:
    """The body of a tool that lists rows or searches them."""
    plan, many = writer.plan, writer.many
    bounds = plan.of(Part.KEY, Part.FILTER)
    equal = writer.equals([b for b in bounds if b.sign == "="])
    query = plan.of(Part.QUERY)
    lines = check_parents(writer)
    if query:
        lines.append(f'{many} = db.search("{writer.table}", {writer.names[query[0].parameter]}{equal})')
    else:
        lines.append(f'{many} = db.find("{writer.table}"{equal})')
    for bound in bounds:
        if bound.sign != "=" and bound.column:
            lines += _compare(writer, bound, bound.column)
    limit = plan.of(Part.LIMIT)
    if limit:
        lines.append(f"{many} = {many}[:{writer.names[limit[0].parameter]}]")
    return [*lines, *many_result(plan, many, writer.names)]


def _compare(writer: Writer, bound: Bound, column: Draft) -> list[str]:
    value, cell = writer.names[bound.parameter], f'x["{column.name}"]'
    test = {"startswith": f"{cell}.startswith({value})", "contains": f"{value}.lower() in {cell}.lower()"}.get(
        bound.sign, f"{cell} {bound.sign} {value}"
    )
    line = f"{writer.many} = [x for x in {writer.many} if {cell} is not None and {test}]"
    return [line] if bound.needed else [f"if {value} is not None:", f"    {line}"]
