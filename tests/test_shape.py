"""The shape of the code: no long file, no long function, no deep nesting (measured on the code that we admire)."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "rayscaler").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_NESTING = 3

BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class Function(NamedTuple):
    """A function, its length in lines without decorators, and its deepest block."""

    name: str
    lines: int
    nesting: int


def nesting_of(body: list[ast.stmt], depth: int = 0) -> int:
    """Depth of the deepest block below `body`. An `elif` is on its `if`'s level; an inner function counts by itself."""
    deepest = depth
    for node in body:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            continue
        if not isinstance(node, BLOCKS):
            continue
        bodies = [getattr(node, name, []) for name in ("body", "finalbody")]
        bodies += [part.body for name in ("handlers", "cases") for part in getattr(node, name, [])]
        deepest = max([deepest, *(nesting_of(inner, depth + 1) for inner in bodies)])
        orelse = getattr(node, "orelse", [])
        is_elif = isinstance(node, ast.If) and len(orelse) == 1 and isinstance(orelse[0], ast.If)
        deepest = max(deepest, nesting_of(orelse, depth if is_elif else depth + 1) if orelse else 0)
    return deepest


def functions_of(source: str) -> list[Function]:
    return [
        Function(node.name, (node.end_lineno or node.lineno) - node.lineno + 1, nesting_of(node.body))
        for node in ast.walk(ast.parse(source))
        if isinstance(node, FUNCTIONS)
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_keeps_its_shape(file):
    source = file.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MAX_FILE_LINES
    functions = functions_of(source)
    assert [f for f in functions if f.lines > MAX_FUNCTION_LINES] == [], f"over {MAX_FUNCTION_LINES} lines"
    assert [f for f in functions if f.nesting > MAX_NESTING] == [], f"nested deeper than {MAX_NESTING}"


def test_nesting_counts_blocks_not_elifs():
    source = """
def f(rows):
    for row in rows:
        if row:
            a()
        elif b:
            with c:
                d()
        else:
            e()
"""
    assert functions_of(source) == [Function("f", 9, 3)]
