"""ACEBench's written form of calls, `[Api(key='value'), Other(n=3)]`, read and written.

It is Python's syntax, read as such and never run. A bare word is text (`unit=celsius`), an expression that is no value
is kept as its source. Arguments without a name are left out, as the benchmark's own reader does.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any, NamedTuple


class Call(NamedTuple):
    """One call: the API's own name and its arguments."""

    name: str
    arguments: dict[str, Any]


def read_calls(text: str) -> list[Call]:
    """The calls of a text that is one list of calls. Raises ValueError if it is anything else."""
    try:
        return _calls(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"not a list of calls: {error}") from error


def _calls(tree: ast.expr) -> list[Call]:
    if not isinstance(tree, (ast.List, ast.Tuple)):
        raise ValueError("not a list of calls: no brackets around it")
    found = []
    for part in tree.elts:
        if not isinstance(part, ast.Call):
            raise ValueError(f"not a call: {ast.unparse(part)}")
        found.append(_call(part))
    return found


def first_list(text: str) -> str:
    """The first outermost `[...]` of a text, or an empty text. Brackets inside quotes count too, as upstream's do."""
    start, depth = -1, 0
    for place, letter in enumerate(text):
        if letter == "[":
            start = place if depth == 0 else start
            depth += 1
        elif letter == "]":
            depth -= 1
            if depth == 0:
                return text[start : place + 1]
    return ""


def write_calls(calls: Iterable[Call]) -> str:
    """Calls in the written form. `read_calls` gives back equal ones."""
    written = (f"{call.name}({', '.join(f'{k}={v!r}' for k, v in call.arguments.items())})" for call in calls)
    return f"[{', '.join(written)}]"


def _call(node: ast.Call) -> Call:
    return Call(ast.unparse(node.func), {word.arg: _value(word.value) for word in node.keywords if word.arg})


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=value):
            return "..." if value is ... else value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.List(elts=parts):
            return [_value(part) for part in parts]
        case ast.Tuple(elts=parts):
            return tuple(_value(part) for part in parts)
        case ast.Dict(keys=keys, values=values) if all(isinstance(key, ast.Constant) for key in keys):
            return {key.value: _value(value) for key, value in zip(keys, values, strict=True)
                    if isinstance(key, ast.Constant)}
        case ast.Call():
            name, arguments = _call(node)
            return {name: arguments}
    return ast.unparse(node)
