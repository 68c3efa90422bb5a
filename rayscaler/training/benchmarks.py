"""The tools and the users' words of a benchmark, read from its JSON files whatever their shape.

A tool is an object with a `name` and an object of `parameters` (OpenAI's form, inside `function` or not). What a user
says is the content of a message whose role is user, and any text under a key that benchmarks use for it
(`instruction`, `question` …: `intent_keys`). Files are JSON or JSON lines, whatever their ending says.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rayscaler.errors import ConfigError
from rayscaler.recipes import Benchmark
from rayscaler.toolspec import words

log = logging.getLogger(__name__)

Kind = Literal["tool", "intent"]


class Text(NamedTuple):
    """A text to compare: of a tool or of a user, of which benchmark, and where it stands there."""

    kind: Kind
    benchmark: str
    key: str
    text: str


def benchmark_files(benchmark: Benchmark, base: Path) -> list[Path]:
    """Its JSON files, sorted. ConfigError if there is none."""
    place = base / benchmark.path
    found = [place] if place.is_file() else sorted(p for p in place.rglob("*.json*") if p.suffix in (".json", ".jsonl"))
    found = [path for path in found if not any(path.match(glob) for glob in benchmark.exclude)]
    if not found:
        raise ConfigError(f"curate.benchmarks: {benchmark.path}: expected a JSON file or a folder of them, found none")
    return found


def benchmark_digest(benchmarks: Iterable[Benchmark], base: Path) -> str:
    """A digest of the benchmarks' files by content: what the fingerprint of `examples` sees of them."""
    whole = hashlib.sha256()
    for benchmark in benchmarks:
        for path in benchmark_files(benchmark, base):
            whole.update(f"{benchmark.name} {path.name} ".encode() + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()[:16]


def read_benchmark(benchmark: Benchmark, base: Path) -> list[Text]:
    """Every distinct tool and intent, in the order of the files. ConfigError if there is none to compare with."""
    found: dict[tuple[Kind, str], Text] = {}
    for path in benchmark_files(benchmark, base):
        for number, value in enumerate(_values(path)):
            for kind, name, text in _texts(value, benchmark.intent_keys):
                key = f"{path.name}: {name or _name(value, number)}"
                found.setdefault((kind, text), Text(kind, benchmark.name, key, text))
    if not found:
        raise ConfigError(f"curate.benchmarks: {benchmark.path}: no file there holds a tool or the words of a user; "
                          f"`intent_keys` ({', '.join(benchmark.intent_keys)}) says which keys hold such words")
    return list(found.values())


def tool_text(name: str, description: str) -> str:
    """What tools are compared by: the words of the name, and the description."""
    return f"{' '.join(words(name))}: {' '.join(description.split())}"


def _values(path: Path) -> list[Any]:
    """The values of a JSON list or of JSON lines; a file that is neither has none, and the log names it."""
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        value = json.loads(text)
        return value if isinstance(value, list) else [value]
    except (json.JSONDecodeError, RecursionError):
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except (json.JSONDecodeError, RecursionError):
            log.warning("%s: neither JSON nor JSON lines; nothing in it is compared", path)
            return []


def _texts(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[Kind, str, str]]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, keys)
    if not isinstance(value, dict):
        return
    if isinstance(value.get("name"), str) and isinstance(value.get("parameters"), dict):
        yield "tool", value["name"], tool_text(value["name"], str(value.get("description") or ""))
        return
    if value.get("role") == "user" and isinstance(value.get("content"), str):
        yield from _intent(value["content"])
    for key, item in value.items():
        if isinstance(item, str) and key in keys:
            yield from _intent(item)
        else:
            yield from _texts(item, keys)


def _intent(text: str) -> Iterator[tuple[Kind, str, str]]:
    plain = " ".join(text.split())
    if len(plain.split()) > 3:  # "Yes, please" is nobody's task
        yield "intent", "", plain


def _name(value: Any, number: int) -> str:
    named = value.get("id", value.get("task_index", number)) if isinstance(value, dict) else number
    return str(named)
