"""Tags of a row: a map or a list of key and value in one JSON column, added to, taken from and listed."""

from __future__ import annotations

from rayscaler.environment import Part
from rayscaler.environments.infer_bounds import Plan
from rayscaler.environments.lexicon import joined
from rayscaler.environments.schemas import properties, type_of


def tag_lines(plan: Plan, table: str, row: str, names: dict[str, str]) -> list[str]:
    """The lines after the row has been found. `names`: parameter -> its name in the function."""
    bound = next((b for b in plan.of(Part.VALUE) if b.column is not None), None)
    column = bound.column if bound is not None else plan.tags
    assert column is not None
    listed = type_of(column.schema) == "array"
    cell = f'{row}["{column.name}"] or {"[]" if listed else "{}"}'
    if plan.tagging == "list" or bound is None:
        wrapper = next((n for n in properties(plan.placed.reading.tool.response) if "tag" in joined(n)), column.name)
        return [f'return {{"{wrapper}": {cell}}}']
    key = next((n for n in properties(column.schema.get("items")) if joined(n).endswith("key")), "Key")
    given = (
        names[bound.parameter]
        if bound.needed
        else f"({names[bound.parameter]} or {'[]' if listed or plan.tagging == 'untag' else '{}'})"
    )
    lines = [f"held = {cell}"]
    if plan.tagging == "tag":
        if listed:
            lines += [
                f'keys = [x["{key}"] for x in {given}]',
                f'kept = [x for x in held if x["{key}"] not in keys]',
                f"held = kept + {given}",
            ]
        else:
            lines += [f"held = {{**held, **{given}}}"]
    else:
        there = f'[x["{key}"] for x in held]' if listed else "held"
        lines += [f"there = {there}", f'require(all([k in there for k in {given}]), "there is no such tag")']
        lines += [
            f'held = [x for x in held if x["{key}"] not in {given}]'
            if listed
            else f"held = {{k: v for k, v in held.items() if k not in {given}}}"
        ]
    return [*lines, f'db.update("{table}", {row}, {column.name}=held)', "return {}"]
