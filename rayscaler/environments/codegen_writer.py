"""What every tool's code is made of: free names, keyword arguments, wrapped calls."""

from __future__ import annotations

import builtins
import keyword

from rayscaler.environments.codegen_results import fill, one_result
from rayscaler.environments.infer_bounds import Bound, Plan
from rayscaler.environments.infer_tables import Tables
from rayscaler.environments.language_runtime import BUILTINS
from rayscaler.toolspec import snake

_OWN = ("db", "require", "row", "rows", "source", "receiver", "fields", "k", "v", "x")
_TAKEN = frozenset({*_OWN, *BUILTINS, *keyword.kwlist})


WIDTH = 108


class Writer:
    """What the operators' code is made of: the plan, the names that are free, and the table."""

    def __init__(self, plan: Plan, tables: Tables) -> None:
        self.plan, self.tables = plan, tables
        self.table = tables.names[plan.table.noun]
        self.names = _argument_names([b.parameter for b in plan.bounds])
        taken = {*self.names.values(), *_TAKEN}
        whole = _free("_".join("_".join(plan.table.noun).split()), taken, "row")
        self.one = _free("_".join(plan.table.noun[-1].split()), taken | set(dir(builtins)), whole)
        self.many = _free(self.table.rsplit("_", maxsplit=1)[-1], taken | {self.one}, "rows")

    def equals(self, bounds: list[Bound]) -> str:
        """Keyword arguments for the columns of `bounds`, each with a comma in front."""
        first: dict[str, str] = {}
        for bound in bounds:
            if bound.column:
                first.setdefault(bound.column.name, self.names[bound.parameter])
        return "".join(f", {assign(column, value)}" for column, value in first.items())

    def result(self) -> list[str]:
        """The lines that return the row in hand."""
        return one_result(self.plan, self.one)


def _argument_names(parameters: list[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for parameter in parameters:
        plain = (
            parameter
            if parameter.isidentifier() and parameter.isascii() and not parameter.startswith("_")
            else snake(parameter)
        )
        plain = plain if plain[0].isalpha() else f"p_{plain}"
        while plain in _TAKEN or plain in names.values():
            plain += "_"
        names[parameter] = plain
    return names


def _free(wanted: str, taken: set[str], fallback: str) -> str:
    plain = snake(wanted)
    return fallback if plain in taken or not plain.isidentifier() else plain


def assign(column: str, value: str) -> str:
    """`column=value` as an argument of a db call; a column that is a Python keyword goes through `**`."""
    return f'**{{"{column}": {value}}}' if keyword.iskeyword(column) else f"{column}={value}"


def wrapped_call(head: str, parts: list[str]) -> list[str]:
    """A db call on one line, or wrapped."""
    line = f"{head}{', '.join(parts)})" if parts else f"{head.rstrip(', ')})"
    if len(line) <= WIDTH - 4:
        return [line]
    return [head.rstrip(), *(f"    {row}" for row in fill(parts, WIDTH - 8)), ")"]


def repr_text(text: str) -> str:
    """A text constant in double quotes."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
