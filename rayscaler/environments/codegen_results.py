"""The return line of a tool: the row in the shape that the specification's answer has.

A null is left out, as APIs leave out what is not set. An answer that has few of the row's columns gets just these.
"""

from __future__ import annotations

import json
import re

from rayscaler.environment import Operator, Part
from rayscaler.environments.infer_bounds import Plan
from rayscaler.environments.infer_drafts import Draft, TableDraft, canon
from rayscaler.environments.infer_types import values_held
from rayscaler.environments.lexicon import joined, key_noun, norm, word_set
from rayscaler.environments.schemas import bounded, plain, properties, required, type_of
from rayscaler.toolspec import JsonSchema

_FEW = 4
_MOST_FIXED = 12
WIDTH = 104


def fill(parts: list[str], width: int) -> list[str]:
    """`parts` with commas between and after them, as many per line as fit."""
    rows: list[str] = []
    for part in parts:
        if rows and len(rows[-1]) + len(part) + 2 <= width:
            rows[-1] += f" {part},"
        else:
            rows.append(f"{part},")
    return rows


def one_result(plan: Plan, row: str) -> list[str]:
    """The lines that return one row."""
    return _short_lines(_one(plan, row))


def many_result(plan: Plan, rows: str, names: dict[str, str]) -> list[str]:
    """The lines that return a list of rows. `names`: parameter -> its name in the function."""
    return _short_lines(_many(plan, rows, names))


_PAIR = r'"\w+": (?:\w+\["\w+"\]|"[^",]*"|True|\[\]|\{\}|-?[\d.]+)'
_PAIRS = re.compile(rf"\{{{_PAIR}(?:, {_PAIR})+\}}")


def _short_lines(line: str) -> list[str]:
    """A return line whose list of fields makes it too long gets that list on lines of its own."""
    start, end = line.find(" in ["), line.find("] if ")
    pairs = _PAIRS.search(line) if len(line) > WIDTH else None
    if pairs:
        inside = fill(pairs[0][1:-1].split(", "), WIDTH - 4)
        return [line[: pairs.start() + 1], *(f"    {row}" for row in inside), line[pairs.end() - 1 :]]
    if len(line) <= WIDTH or start < 0 or end < 0:
        return [line]
    names = line[start + 5 : end].split(", ")
    if len(", ".join(names)) + 12 <= WIDTH:
        return [f"fields = [{', '.join(names)}]", f"{line[:start]} in fields{line[end + 1 :]}"]
    return [
        "fields = [",
        *(f"    {row}" for row in fill(names, WIDTH - 4)),
        "]",
        f"{line[:start]} in fields{line[end + 1 :]}",
    ]


def _one(plan: Plan, row: str) -> str:
    shape = plan.placed.shape
    if shape.kind == "scalar":
        return f"return {_scalar(plan, row)}"
    if shape.kind == "silent" and plan.operator is not Operator.DELETE:
        return f"return {row}"
    if shape.kind in ("silent", "empty"):
        return f"return {_filler(plan.placed.reading.tool.response)}"
    if shape.kind == "operation":
        key = plan.table.columns[plan.table.key].name
        if shape.wrapper == "targetId":
            return f'return {{"status": "DONE", "targetId": {row}["{key}"]}}'
        whole = f"{{k: v for k, v in {row}.items() if v is not None}}"
        return f'return {{"name": f"operations/{{{row}[{chr(39)}{key}{chr(39)}]}}", "done": True, "response": {whole}}}'
    if shape.kind == "wrapped":
        return f'return {{"{shape.wrapper}": {_projected(plan, row, shape.item)}{_frame(plan)}}}'
    if shape.kind == "list":
        return _as_list(plan, row)
    return f"return {_projected(plan, row, shape.item)}"


def _as_list(plan: Plan, row: str) -> str:
    """A single row where the answer is a list, or a list that is one column of the row."""
    shape = plan.placed.shape
    own = plan.table.columns.get(canon(shape.wrapper, plan.table.noun)) if shape.wrapper else None
    if own is not None and type_of(own.schema) == "array":
        return f'return {{"{shape.wrapper}": {row}["{own.name}"] or []}}'
    item = _item(plan, row)
    return f'return {{"{shape.wrapper}": [{item}]{_frame(plan)}}}' if shape.wrapper else f"return [{item}]"


def _many(plan: Plan, rows: str, names: dict[str, str]) -> str:
    shape = plan.placed.shape
    if shape.kind == "silent":
        return f'return {{"{rows}": {rows}}}'
    if shape.kind == "scalar":
        texts = type_of(shape.item) == "string"
        joined_cells = f'", ".join([str({_scalar(plan, "x")}) for x in {rows}])'
        return f"return {joined_cells if texts else _count_or_truth(shape.item, rows)}"
    item = _item(plan, "x")
    listed = rows if item == "x" else f"[{item} for x in {rows}]"
    if shape.kind == "empty":
        return f"return {_filler(plan.placed.reading.tool.response)}"
    if not shape.wrapper:
        return f"return {listed}"
    return f'return {{"{shape.wrapper}": {listed}{_around(plan, rows, names)}}}'


def _around(plan: Plan, rows: str, names: dict[str, str]) -> str:
    """Counts, and arguments that the answer repeats."""
    parts = ""
    needed = {norm(b.parameter): names[b.parameter] for b in plan.bounds if b.needed and b.part is not Part.IGNORED}
    must = required(plan.placed.reading.tool.response)
    for name, schema in properties(plan.placed.reading.tool.response).items():
        if name == plan.placed.shape.wrapper:
            continue
        if joined(name) in word_set("count_fields") and type_of(schema) == "integer":
            parts += f', "{name}": len({rows})'
        elif type_of(schema) == "array" and name in must:
            parts += f', "{name}": []'
        elif norm(name) in needed and type_of(schema) not in ("array", "object"):
            parts += f', "{name}": {needed[norm(name)]}'
        elif name in must:
            parts += f', "{name}": {_filler(schema)}'
    return parts


def _frame(plan: Plan) -> str:
    """What an answer must have around the row that it wraps."""
    response = plan.placed.reading.tool.response
    named = [n for n in required(response) if n != plan.placed.shape.wrapper and n in properties(response)]
    return "".join(f', "{n}": {_filler(properties(response)[n])}' for n in named)


def _filler(schema: JsonSchema | None) -> str:
    """The smallest constant that fits a schema: what an answer must have and no row tells."""
    kind, values = type_of(schema), plain(schema).get("enum") if schema else None
    if isinstance(values, list) and values and isinstance(values[0], str | int | float):
        return repr_json(values[0])
    if kind in ("integer", "number"):
        low = bounded(schema).get("minimum", 0)
        return repr_json(low if kind == "number" else int(low))
    if kind in ("boolean", "array", "string"):
        return '""' if kind == "string" else "[]" if kind == "array" else "True"
    inner = {n: properties(schema)[n] for n in required(schema) if n in properties(schema)} if schema else {}
    return "{" + ", ".join(f'"{n}": {_filler(s)}' for n, s in inner.items()) + "}"


def repr_json(value: object) -> str:
    """A scalar as source, texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _scalar(plan: Plan, row: str) -> str:
    """A cell as the whole answer: the column that is the answer, else the key; what cannot be one is true, or one."""
    wanted = plan.placed.shape.item
    columns = plan.table.columns
    best = columns.get("result") or columns[plan.table.key]
    cell = f'{row}["{best.name}"]'
    if type_of(wanted) == "string":
        return cell if type_of(best.schema) in ("string", "") else f"str({cell})"
    fits = type_of(best.schema) == type_of(wanted)
    return cell if fits else "True" if type_of(wanted) == "boolean" else "1"


def _count_or_truth(schema: JsonSchema, rows: str) -> str:
    return f"len({rows}) > 0" if type_of(schema) == "boolean" else f"len({rows})"


def _item(plan: Plan, row: str) -> str:
    item = plan.placed.shape.item
    if type_of(item) in ("string", "integer"):
        return f'{row}["{plan.table.columns[plan.table.key].name}"]'
    held = _projected(plan, row, item)
    return f'{{"{plan.placed.shape.inner}": {held}}}' if plan.placed.shape.inner else held


def _projected(plan: Plan, row: str, item: JsonSchema) -> str:
    """The row with the item's properties: nulls left out, renamed where the table spells a column differently."""
    table = plan.table
    held = [
        (name, table.columns[canon(name, table.noun)])
        for name in properties(item)
        if canon(name, table.noun) in table.columns
    ]
    fits = [(n, c) for n, c in held if _fits(properties(item)[n], c.schema)]
    fixed = _fixed(plan.table, item, dict(held))
    if fixed and len(fixed) <= _MOST_FIXED:
        cells = [(n, c) for n, c in fits if n not in fixed]
        told = [*(f'"{n}": {row}["{c.name}"]' for n, c in cells), *(f'"{n}": {v}' for n, v in fixed.items())]
        return f"{{k: v for k, v in {{{', '.join(told)}}}.items() if v is not None}}"
    if not fits:
        flags = [
            n
            for n, s in properties(item).items()
            if joined(n) in word_set("success_fields") and type_of(s) == "boolean"
        ]
        return (
            f'{{"{flags[0]}": True}}'
            if flags
            else f"{{k: v for k, v in {row}.items() if v is not None}}"
            if not properties(item)
            else "{}"
        )
    renamed = [(n, c.name) for n, c in fits if n != c.name]
    left_out = len(table.columns) - len(fits)
    if not renamed and left_out < 2 and len(fits) > _FEW:
        return f"{{k: v for k, v in {row}.items() if v is not None}}"
    sure = all(
        c.canon == table.key or c.scope or (c.needed_by and not c.parameters) or joined(c.name).endswith("arn")
        for _, c in fits
    )
    if renamed or (sure and len(fits) <= _FEW):
        pairs = "{" + ", ".join(f'"{n}": {row}["{c.name}"]' for n, c in fits) + "}"
        return pairs if sure else f"{{k: v for k, v in {pairs}.items() if v is not None}}"
    names = ", ".join(f'"{n}"' for n, _ in fits)
    return f"{{k: {row}[k] for k in [{names}] if {row}[k] is not None}}"


def _fixed(table: TableDraft, item: JsonSchema, held: dict[str, Draft]) -> dict[str, str]:
    """Properties with a constant: those that have one value only, and what a row must tell and no column holds.

    An id is never one: it would name another row.
    """
    found = {}
    for name, schema in properties(item).items():
        values = plain(schema).get("enum")
        only = values[0] if isinstance(values, list) and len(values) == 1 and isinstance(values[0], str) else None
        if only is not None and name in held and values_held(held[name]) != (only,) and held[name].canon != table.key:
            found[name] = repr_json(only)
        elif name in required(item) and name not in held and joined(name) != "id" and not key_noun(name)[1]:
            found[name] = _filler(schema)
    return found


def _fits(wanted: JsonSchema, held: JsonSchema) -> bool:
    return (
        not type_of(wanted)
        or not type_of(held)
        or type_of(wanted) == type_of(held)
        or {type_of(wanted), type_of(held)} <= {"integer", "number"}
    )
