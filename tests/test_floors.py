"""The floors of the house: floor n imports only floors below it, and packages on one floor do not know each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "rayscaler"

PURE = ("specs", "graph", "environments", "tasks", "rollouts", "filters", "training", "evaluation", "refinement")
FLOORS = {
    **dict.fromkeys(PURE, 1),
    "runtime": 2,
    "config": 2,
    "stages": 3,
    "pipeline": 4,
    "runs": 4,
    "display": 5,
    "cli": 5,
}
"""Name below `rayscaler` -> floor. Every other module right below `rayscaler` is on floor 0."""

ONE_ROOM = {frozenset({"cli", "display"})}
"""What may import each other although it is on one floor: the command line and how it draws."""

HEAVY = {"ray", "vllm", "torch", "deepspeed", "graph_tool", "sentence_transformers", "openai", "aiohttp"}
"""Libraries that only `runtime` may import."""

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The first name below `rayscaler`: `rayscaler.graph.edges` -> graph. Empty for the package itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def floor_of(room: str) -> int:
    return FLOORS.get(room, 0)


def imports_of(source: str) -> list[str]:
    """Modules that `source` imports at run time, wherever the import stands; those for type checkers left out."""
    tree = ast.parse(source)
    typing_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for node in ast.walk(block)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import; imports are absolute"
            found += [node.module or ""]
            if node.module == "rayscaler":
                found += [f"rayscaler.{alias.name}" for alias in node.names if not alias.name.startswith("_")]
    return found


def violations(module: str, source: str) -> list[str]:
    """What `source`, as `module`, imports against the rules."""
    here = room_of(module)
    found = []
    for target in imports_of(source):
        top = target.split(".")[0]
        if top in HEAVY and here != "runtime":
            found.append(f"{module} imports {target}, which only rayscaler.runtime may")
        there = room_of(target) if top == "rayscaler" else here
        if there in ("", here):
            continue
        above, same = floor_of(there) > floor_of(here), floor_of(there) == floor_of(here) > 0
        if above or (same and frozenset({here, there}) not in ONE_ROOM):
            found.append(f"{module} (floor {floor_of(here)}) imports {target} (floor {floor_of(there)})")
    return found


@pytest.mark.parametrize("file", FILES, ids=module_of)
def test_a_module_imports_only_floors_below_it(file):
    assert violations(module_of(file), file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rayscaler.graph.edges", "import ray"),
        ("rayscaler.graph.edges", "def f():\n    from torch.nn import Linear"),
        ("rayscaler.graph.edges", "from rayscaler.tasks.walk import walk"),
        ("rayscaler.table", "from rayscaler.specs import list_files"),
        ("rayscaler.stages.embed", "from rayscaler import pipeline"),
        ("rayscaler.runtime.store", "from rayscaler.config import Config"),
    ],
)
def test_the_walk_sees_what_is_forbidden(module, source):
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("rayscaler.graph.edges", "from rayscaler.table import Table\nfrom rayscaler.graph.phrases import words"),
        ("rayscaler.runtime.embedding", "import torch"),
        ("rayscaler.cli", "from rayscaler.display.rows import grid\nfrom rayscaler import __version__"),
        ("rayscaler.graph.edges", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch"),
    ],
)
def test_the_walk_allows_what_is_allowed(module, source):
    assert violations(module, source) == []


def test_every_package_has_a_floor():
    packages = {file.parent.name for file in PACKAGE.glob("*/__init__.py")}
    assert packages <= FLOORS.keys(), f"give {sorted(packages - FLOORS.keys())} a floor in this test"
