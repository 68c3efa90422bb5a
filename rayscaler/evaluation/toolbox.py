"""What the worlds of tau-bench and tau2-bench share: calling a tool by name, what a refusal is, and arithmetic."""

from __future__ import annotations

import ast
import copy
import inspect
import operator
from collections.abc import Callable, Mapping
from typing import Any

Tool = Callable[..., Any]
"""A tool: the world's state first, then the arguments by name."""

LARGEST_POWER = 10_000.0
"""Above, a power is refused: `9**9**9` would never end."""

_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.UAdd: operator.pos, ast.USub: operator.neg,
}  # fmt: skip


class Refused(ValueError):
    """A tool does not do what it is asked; the text is what the agent reads after `Error: `."""


def invoke(tools: Mapping[str, Tool], state: Any, name: str, arguments: Mapping[str, Any]) -> Any:
    """Run a tool on its own copy of the arguments. Whatever it raises goes to the caller, as far as it came."""
    tool = tools[name]
    try:
        inspect.signature(tool).bind(state, **arguments)
    except TypeError as error:
        raise Refused(f"{name}: {error}") from None
    return tool(state, **copy.deepcopy(dict(arguments)))


def arithmetic(expression: str) -> str:
    """The value of numbers, `+ - * / ( )`, rounded to 2 places as the benchmarks do. Refused where it is not that."""
    if not all(char in "0123456789+-*/(). " for char in expression):
        raise Refused("invalid characters in expression")
    try:
        return str(round(float(_value(ast.parse(expression.strip(), mode="eval").body)), 2))
    except (SyntaxError, ArithmeticError, RecursionError, MemoryError, TypeError) as error:
        raise Refused(str(error)) from None


def _value(node: ast.AST) -> Any:
    match node:
        case ast.Constant(value=int() | float()):
            return node.value
        case ast.UnaryOp(op=op, operand=inner):
            return _OPERATORS[type(op)](_value(inner))
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            base, power = _value(left), _value(right)
            if abs(base) > LARGEST_POWER or abs(power) > 100:
                raise Refused("the power is too large")
            return base**power
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_value(left), _value(right))
    raise Refused("no arithmetic")
