"""Nothing waits for ever: whatever rayscaler and its jobs wait for, they say for how long."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PLACES = [ROOT / "jobs", *(place for place in (ROOT / "rayscaler").iterdir() if place.name != "environments")]
"""`environments` compiles: it waits for nothing, and the lines that it writes for a `result` are no future's."""

FILES = sorted(path for place in PLACES for path in ([place] if place.suffix == ".py" else place.rglob("*.py")))

BY_KEYWORD = {"ray.get", "ray.wait", "asyncio.wait", "asyncio.wait_for", "concurrent.futures.wait", "wait",
              "subprocess.run", "check_output", "urlopen", "create_connection"}
"""Calls that must name their `timeout`."""

BY_ARGUMENT = {"result", "join", "wait", "communicate", "acquire"}
"""Methods of futures, threads, processes, events and locks: called without any argument they wait for ever."""


def endless(source: str) -> list[str]:
    """Calls in `source` that wait without a deadline."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name, given = ast.unparse(node.func), {keyword.arg for keyword in node.keywords}
        bare = isinstance(node.func, ast.Attribute) and node.func.attr in BY_ARGUMENT
        ends = name in BY_KEYWORD or name.rsplit(".", 1)[-1] in {"urlopen", "create_connection"}
        if (ends and "timeout" not in given) or (bare and not node.args and not node.keywords):
            found.append(f"line {node.lineno}: {ast.unparse(node)[:80]}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_wait_has_a_deadline(file: Path):
    assert endless(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("source", [
    "ray.get(ref)", "ray.wait([ref], num_returns=1)", "future.result()", "thread.join()", "child.wait()",
    "await asyncio.wait(tasks)", "subprocess.run(['x'], check=True)",
])  # fmt: skip
def test_the_walk_sees_what_waits_for_ever(source: str):
    assert len(endless(f"async def f():\n    {source}")) == 1


@pytest.mark.parametrize("source", ["ray.get(ref, timeout=5)", "','.join(names)", "future.result(timeout=1)"])
def test_the_walk_lets_pass_what_has_a_deadline(source: str):
    assert endless(source) == []
