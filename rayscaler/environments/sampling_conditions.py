"""What the `require` lines of a tool ask of the rows that it works on, read from its syntax tree.

    order = db.get("orders", order_id=order_id)
    require(order["status"] == "pending", …)          ->  Condition("orders", "status", ("pending",), wanted=True)

    require(email is not None or phone is not None, …)  ->  ArgumentCondition("one of", ("email", "phone"))
    require(notify is None or email is not None, …)     ->  ArgumentCondition("with", ("email", "notify"))

Conditions on anything but a cell and constants, or on which arguments are given, are not read (amounts, two rows).
"""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any, NamedTuple


class Condition(NamedTuple):
    """A cell that must be among `values`, or must not if `wanted` is false. `table` is empty where it is not clear."""

    table: str
    column: str
    values: tuple[Any, ...]
    wanted: bool

    def holds(self, row: dict[str, Any]) -> bool:
        """Whether `row` meets it."""
        return (row.get(self.column) in self.values) == self.wanted

    def in_words(self) -> str:
        """What it demands of the row: `must be pending or draft`, of a flag `must not be archived`."""
        states = " or ".join(v for v in self.values if isinstance(v, str))
        word = states or self.column.replace("_", " ").removeprefix("is ")
        return f"must {'' if self.wanted else 'not '}be {word}"


@lru_cache(maxsize=4096)
def conditions(code: str) -> tuple[Condition, ...]:
    """All conditions of a tool's source, in its order."""
    tree = ast.parse(code)
    tables = _tables(tree)
    found: list[Condition] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
            asked = _condition(node.args[0], tables)
            if asked is not None:
                found.append(asked)
    return tuple(found)


def _tables(tree: ast.Module) -> dict[str, str]:
    """Variable -> the table whose row, or rows, it holds."""
    held: dict[str, str] = {}
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
            continue
        value = node.value
        if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name):
            held.setdefault(node.targets[0].id, held.get(value.value.id, ""))
        elif isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Constant):
            held.setdefault(node.targets[0].id, str(value.args[0].value))
    return held


def _condition(test: ast.expr, tables: dict[str, str]) -> Condition | None:
    if isinstance(test, ast.Compare):
        cell, values = _cell(test.left), _constants(test.comparators[0])
        if cell is None or values is None or not isinstance(test.ops[0], ast.Eq | ast.NotEq | ast.In | ast.NotIn):
            return None
        return Condition(tables.get(cell[0], ""), cell[1], values, isinstance(test.ops[0], ast.Eq | ast.In))
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        cell = _cell(test.operand)
        return None if cell is None else Condition(tables.get(cell[0], ""), cell[1], (True,), wanted=False)
    if isinstance(test, ast.Subscript):
        cell = _cell(test)
        return None if cell is None else Condition(tables.get(cell[0], ""), cell[1], (True,), wanted=True)
    if isinstance(test, ast.BoolOp):
        cell = _cell(test.values[-1])
        return None if cell is None else Condition(tables.get(cell[0], ""), cell[1], (True, None), wanted=True)
    return None


def _cell(node: ast.expr) -> tuple[str, str] | None:
    """(variable, column) of `row["column"]`, or None for any other expression."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and isinstance(node.slice, ast.Constant):
        return node.value.id, str(node.slice.value)
    return None


def _constants(node: ast.expr) -> tuple[Any, ...] | None:
    if isinstance(node, ast.Constant):
        return (node.value,)
    if isinstance(node, ast.List | ast.Tuple) and all(isinstance(e, ast.Constant) for e in node.elts):
        return tuple(e.value for e in node.elts if isinstance(e, ast.Constant))
    return None


class ArgumentCondition(NamedTuple):
    """Arguments that go together. `one of`: one is given at least. `not both`. `with`: the first, where the second is.

    value: for `with`, the second's value that asks for the first; None for any. Names are those of the function.
    """

    kind: str
    names: tuple[str, ...]
    value: Any = None

    def holds(self, given: dict[str, Any]) -> bool:
        """Whether the given arguments meet it."""
        present = [given.get(n) is not None for n in self.names]
        if self.kind == "one of":
            return any(present)
        if self.kind == "not both":
            return not all(present)
        asked = present[1] if self.value is None else given.get(self.names[1]) == self.value
        return present[0] or not asked


@lru_cache(maxsize=4096)
def argument_conditions(code: str) -> tuple[ArgumentCondition, ...]:
    """The conditions of a tool's source on which of its arguments are given, in its order."""
    found = []
    tree = ast.parse(code)
    arguments = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require":
            asked = _argument_condition(node.args[0])
            if asked is not None and arguments.issuperset(asked.names):
                found.append(asked)
    return tuple(found)


def _argument_condition(test: ast.expr) -> ArgumentCondition | None:
    if not isinstance(test, ast.BoolOp) or not isinstance(test.op, ast.Or):
        return None
    sides = [_presence(value) for value in test.values]
    names = tuple(side[0] for side in sides if side is not None)
    if len(names) < len(sides):
        return None
    signs = [side[1] for side in sides if side is not None]
    if all(sign == "given" for sign in signs):
        return ArgumentCondition("one of", names)
    if all(sign == "absent" for sign in signs) and len(names) == 2:
        return ArgumentCondition("not both", names)
    if len(names) == 2 and signs[1] == "given":
        value = None if signs[0] == "absent" else sides[0][2] if sides[0] else None
        return ArgumentCondition("with", names[::-1], value)
    return None


def _presence(test: ast.expr) -> tuple[str, str, Any] | None:
    """(argument, given | absent | differs, value) for `x is not None`, `x is None`, `x != "value"`; else None."""
    if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Name):
        return None
    other = test.comparators[0]
    if not isinstance(other, ast.Constant):
        return None
    sign = {ast.IsNot: "given", ast.Is: "absent", ast.NotEq: "differs"}.get(type(test.ops[0]), "")
    return (test.left.id, sign, other.value) if sign else None
