"""The bodies of the tools that write: create, update, transition, delete, relate, unrelate."""

from __future__ import annotations

from rayscaler.environment import Part, Semantic
from rayscaler.environments.codegen_reads import check_parents, find_row
from rayscaler.environments.codegen_results import one_result
from rayscaler.environments.codegen_rules import state_lines
from rayscaler.environments.codegen_writer import Writer, assign, repr_text, wrapped_call
from rayscaler.environments.infer_drafts import TableDraft, is_stamp, kind_of
from rayscaler.environments.infer_status import beginning
from rayscaler.environments.infer_types import default_of
from rayscaler.environments.schemas import enum_of, properties, type_of


def _values(writer: Writer, skip: tuple[str, ...] = ()) -> list[str]:
    plan = writer.plan
    chosen: dict[str, str] = {}
    for bound in plan.of(Part.VALUE, Part.AMOUNT):
        if bound.column and bound.column.name not in skip:
            chosen.setdefault(bound.column.name, writer.names[bound.parameter])
        for inner, column in bound.inside:
            if column.name not in skip:
                whole = writer.names[bound.parameter]
                chosen.setdefault(
                    column.name, f'{whole}.get("{inner}")' if bound.needed else f'({whole} or {{}}).get("{inner}")'
                )
    return [assign(column, value) for column, value in chosen.items()]


def create_row(writer: Writer) -> list[str]:
    """The body of a tool that makes a row, or a copy of one."""
    plan = writer.plan
    lines: list[str] = []
    values = _values(writer)
    given = {c.name for b in plan.of(Part.VALUE, Part.AMOUNT) for c in (b.column, *(c for _, c in b.inside)) if c}
    if plan.copies:
        lines += [f'source = db.get("{writer.table}"{writer.equals(plan.of(Part.KEY, Part.FILTER))})']
        values = _copied(writer)
        given = {c.name for c in plan.table.columns.values() if c.written or c.scope}
    elif plan.upsert:
        values = [
            *values,
            *(assign(b.column.name, writer.names[b.parameter]) for b in plan.of(Part.KEY, Part.FILTER) if b.column),
        ]
    values += _started(writer, given)
    values += [
        f"{assign(c.name, repr_text(writer.tables.fixed[plan.table.noun, c.canon]))}"
        for c in plan.table.columns.values()
        if (plan.table.noun, c.canon) in writer.tables.fixed and c.name not in given and not plan.upsert
    ]
    return [*lines, *wrapped_call(f'{writer.one} = db.insert("{writer.table}", ', values), *writer.result()]


def _copied(writer: Writer) -> list[str]:
    given = {b.column.name: writer.names[b.parameter] for b in writer.plan.of(Part.VALUE) if b.column}
    parts = []
    columns = writer.plan.table.columns.values()
    anything = any(c.written for c in columns)
    for column in columns:
        copied = column.written or column.scope or not anything
        if column.canon == writer.plan.table.key or is_stamp(column) or not copied:
            continue
        kept = f'source["{column.name}"]'
        value = given.get(column.name)
        parts.append(assign(column.name, f"{value} if {value} is not None else {kept}" if value else kept))
    return parts


def _started(writer: Writer, given: set[str]) -> list[str]:
    """What a new row begins with where the caller cannot say it: its status, and what every answer must have."""
    begun = []
    for column in writer.plan.table.columns.values():
        values = enum_of(column.schema)
        if column.name not in given and values and kind_of(writer.plan.table, column) is Semantic.STATUS:
            begun.append(assign(column.name, repr_text(beginning(values))))
        elif column.name not in given and default_of(writer.tables, writer.plan.table, column) is not None:
            value = default_of(writer.tables, writer.plan.table, column)
            begun.append(assign(column.name, repr_text(value) if isinstance(value, str) else repr(value)))
    return begun


def article(noun: str) -> str:
    """«a» or «an», as the noun's first letter has it."""
    return "an" if noun[:1] in "aeiou" else "a"


def update_row(writer: Writer) -> list[str]:
    """The body of a tool that changes a row, or makes it where there is none."""
    plan = writer.plan
    lines = find_row(writer, plan)
    if plan.upsert:
        filters = plan.of(Part.KEY, Part.FILTER)
        insert = create_row(writer)
        lines = [
            f'{writer.many} = db.find("{writer.table}"{writer.equals(filters)})',
            f"if not {writer.many}:",
            *(f"    {line}" for line in insert),
            f"{writer.one} = {writer.many}[0]",
        ]
    values = _values(writer)
    lines += state_lines(writer)
    if (
        plan.status
        and plan.status_column is not None
        and plan.status_column.name not in {v.split("=")[0] for v in values}
    ):
        values.append(assign(plan.status_column.name, repr_text(plan.status)))
    return [
        *lines,
        *wrapped_call(f'{writer.one} = db.update("{writer.table}", {writer.one}, ', values),
        *writer.result(),
    ]


def transition(writer: Writer) -> list[str]:
    """The body of a tool that moves a row to another status, or sets a flag of it."""
    plan = writer.plan
    noun_ = " ".join(plan.table.noun)
    lines = find_row(writer, plan)
    if plan.flag is not None:
        cell = f'{writer.one}["{plan.flag.name}"]'
        test = f"not {cell}" if plan.flag_value else f"{cell} is None or {cell}"
        lines += [*state_lines(writer), f'require({test}, "the {noun_} is already {plan.status}")']
        change = assign(plan.flag.name, str(plan.flag_value))
        skip: tuple[str, ...] = (plan.flag.name,)
    else:
        column = plan.status_column
        assert column is not None
        lines += state_lines(writer)
        if not plan.states and plan.status not in plan.barred:
            lines.append(
                f'require({writer.one}["{column.name}"] != {repr_text(plan.status)}, '
                f'"the {noun_} is already {plan.status}")'
            )
        change = assign(column.name, repr_text(plan.status))
        skip = (column.name,)
    values = [change, *_values(writer, skip)]
    return [
        *lines,
        *wrapped_call(f'{writer.one} = db.update("{writer.table}", {writer.one}, ', values),
        *writer.result(),
    ]


def delete_row(writer: Writer) -> list[str]:
    """The body of a tool that removes a row, several, or all rows below one."""
    plan = writer.plan
    if plan.children is not None:
        return _clear_children(writer, plan.children)
    schemas = properties(plan.placed.reading.tool.parameters)
    if plan.key and type_of(schemas[plan.key]) != "array":
        found = [*find_row(writer, plan), *state_lines(writer)]
        return [*found, f'db.delete("{writer.table}", {writer.one})', *writer.result()]
    bounds = plan.of(Part.KEY, Part.FILTER)
    return [
        *check_parents(writer),
        f'{writer.many} = db.find("{writer.table}"{writer.equals(bounds)})',
        f'require({writer.many}, "there is no such {" ".join(plan.table.noun)}")',
        f"for {writer.one} in {writer.many}:",
        *_delete_each(writer),
        *one_result(plan, f"{writer.many}[0]"),
    ]


def _delete_each(writer: Writer) -> list[str]:
    """Deletes the row of a loop, unless it went already with a row of the same table that it was inside of."""
    noun, line = writer.plan.table.noun, f'db.delete("{writer.table}", {writer.one})'
    if not any(child == target == noun for (child, _), target in writer.tables.references.items()):
        return [f"    {line}"]
    key = writer.plan.table.columns[writer.plan.table.key].name
    there = assign(key, f"{writer.one}[{repr_text(key)}]")
    return [f'    if db.count("{writer.table}", {there}):', f"        {line}"]


def _clear_children(writer: Writer, children: TableDraft) -> list[str]:
    table = writer.tables.names[children.noun]
    column = next(
        c for (p, c), t in writer.tables.references.items() if p == children.noun and t == writer.plan.table.noun
    )
    name = children.columns[column].name
    key = writer.plan.table.columns[writer.plan.table.key].name
    return [
        *find_row(writer, writer.plan),
        f'rows = db.find("{table}", {assign(name, f"{writer.one}[{repr_text(key)}]")})',
        f'require(rows, "the {" ".join(writer.plan.table.noun)} is empty already")',
        "for row in rows:",
        f'    db.delete("{table}", row)',
        *writer.result(),
    ]


def transfer(writer: Writer) -> list[str]:
    """Take from one holder what the other gets, and keep the transfer as a row."""
    moved = writer.plan.moved
    assert moved is not None
    holders, key = writer.tables.names[moved.holder.noun], moved.holder.columns[moved.holder.key].name
    one, other = "source", "receiver"
    source, target, amount = (writer.names[n] for n in (moved.source, moved.target, moved.amount))
    cell, name = f'[{repr_text(moved.quantity.name)}]', moved.quantity.name
    said, whole = " ".join(moved.holder.noun), type_of(moved.quantity.schema) == "integer"
    left, more = f"{one}{cell} - {amount}", f"({other}{cell} or 0) + {amount}"
    left, more = (left, more) if whole else (f"round({left}, 6)", f"round({more}, 6)")
    has = f"{one}[{name!r}]"
    return [
        f'{one} = db.get("{holders}", {assign(key, source)})',
        f'{other} = db.get("{holders}", {assign(key, target)})',
        f'require({source} != {target}, "{article(said)} {said} cannot be both sides of a transfer")',
        f'require({amount} > 0, "{moved.amount} must be more than 0")',
        f"require({one}{cell} is not None and {one}{cell} >= {amount}, "
        f'f"the {name.replace("_", " ")} of the {said} is {{{has}}}, less than {moved.amount}")',
        f'db.update("{holders}", {one}, {assign(name, left)})',
        f'db.update("{holders}", {other}, {assign(name, more)})',
        *create_row(writer),
    ]


def relate(writer: Writer) -> list[str]:
    """The body of a tool that joins two rows; a relation that is there already is refused."""
    plan = writer.plan
    sides = [b for b in plan.of(Part.VALUE) if b.needed] or plan.of(Part.VALUE)
    said = " ".join(plan.table.noun)
    return [
        f'require(not db.find("{writer.table}"{writer.equals(sides)}), "there is such {article(said)} {said} already")',
        *create_row(writer),
    ]


def unrelate(writer: Writer) -> list[str]:
    """The body of a tool that takes two rows apart."""
    filters = writer.plan.of(Part.FILTER)
    needed = [b for b in filters if b.needed] or filters
    return [
        f'{writer.one} = db.get("{writer.table}"{writer.equals(needed)})',
        f'db.delete("{writer.table}", {writer.one})',
        *writer.result(),
    ]
