"""The whole pool of real specifications, read out of its archives, against its reference count of operations."""

from __future__ import annotations

import csv
import gzip
import re
import time
from collections import Counter, defaultdict
from typing import NamedTuple

import pytest

from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs import list_files, load_bytes, neighbours, read_file
from rayscaler.specs.naming import function_name, slug

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROUTED = ("swagger2", "openapi3.0", "openapi3.1", "google-discovery")
SLOWEST_FILE_S = 30


class Read(NamedTuple):
    """What became of the pool: per file, the keys of its tools; per source, its rejects. `seconds` are of one core."""

    keys: dict[str, set[tuple[str, str]]]
    formats: Counter[str]
    inferred: Counter[str]
    rejects: dict[str, Counter[str]]
    found: Counter[str]
    slowest: tuple[float, str]
    seconds: float


def tool_keys(tool) -> set[tuple[str, str]]:
    """How the reference may name this tool: by its route, or by its own name."""
    last = tool.tool_id.rpartition("/")[2]
    names = {("name", key) for key in map(plain, (last, re.sub(r"_\d+$", "", last), tool.name)) if key}
    return names | {("route", f"{tool.method.lower()} {route(tool.path)}")} if tool.path else names


def record_keys(record: dict[str, str]) -> set[tuple[str, str]]:
    """How a tool may be recognised in a record of the reference."""
    if record["format"] in ROUTED:
        return {("route", f"{record['method']} {route(record['route'])}")}
    name = record["name"]
    if record["format"] == "apizoo":
        name = name.partition(" - ")[2] or name
    elif record["format"] == "toolbench":
        name = name.partition(" :: ")[2]
    elif record["format"] in ("mcp", "docker-mcp-arguments", "toolalpaca"):
        name = name.rpartition("/")[2]
    return {("name", key) for key in (plain(slug(name)), plain(function_name(name))) if key}


def plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def route(path: str) -> str:
    return re.sub(r"\{[^{}]*\}", "{}", path.replace("{+", "{")).strip("/").lower()


@pytest.fixture(scope="module")
def pool(shared_data) -> Read:
    source, recipe = Source(path=str(shared_data / "pool" / "*.tar.gz")), IngestRecipe(deprecated=True)
    keys: dict[str, set[tuple[str, str]]] = defaultdict(set)
    formats: Counter[str] = Counter()
    inferred: Counter[str] = Counter()
    rejects: dict[str, Counter[str]] = defaultdict(Counter)
    found: Counter[str] = Counter()
    slowest, start = (0.0, ""), time.process_time()
    for file in list_files(source, shared_data):
        began = time.perf_counter()
        parsed = read_file(file, load_bytes(file), source, recipe, neighbours(file))
        slowest = max(slowest, (time.perf_counter() - began, file.name))
        assert parsed.tools or parsed.rejects, file.name
        for tool in parsed.tools:
            keys[file.name] |= tool_keys(tool)
            assert tool.response is not None, tool.tool_id
            assert tool.license, tool.tool_id
        formats.update(tool.format for tool in parsed.tools)
        inferred.update(tool.format for tool in parsed.tools if tool.response_inferred)
        repeated = sum(reject.reason == "duplicate" for reject in parsed.rejects)
        found[file.source] += len(parsed.tools) + repeated
        rejects[file.source].update(str(reject.reason) for reject in parsed.rejects)
    return Read(keys, formats, inferred, rejects, found, slowest, time.process_time() - start)


def test_almost_every_record_of_the_reference_becomes_a_tool(pool, shared_data):
    """Printed per source: records, those that became a tool, the share, and what its files have in `rejects`."""
    records: Counter[str] = Counter()
    lost: dict[str, list[str]] = defaultdict(list)
    with gzip.open(shared_data / "pool" / "operations.csv.gz", "rt", encoding="utf-8") as rows:
        for record in csv.DictReader(rows):
            records[record["source"]] += 1
            if not record_keys(record) & pool.keys[record["path"]]:
                where = f"{record['method']} {record['route']} {record['name']}"
                lost[record["source"]].append(f"{record['path']}: {where}")
    for source, count in sorted(records.items()):
        missed = len(lost[source])
        print(f"{source:22} {count:6} records {1 - missed / count:7.2%}  {dict(pool.rejects[source])}")
        for example in lost[source][:3]:
            print(f"    not found: {example[:200]}")
    total, missed = records.total(), sum(map(len, lost.values()))
    print(f"all: {total} records, {total - missed} tools found, {1 - missed / total:.2%}; {pool.formats.total()} tools")
    assert len(records) == 26
    assert missed <= 0.01 * total
    for source, count in records.items():
        assert len(lost[source]) <= max(1, 0.03 * count), source
        assert pool.found[source] >= 0.99 * count, source


def test_no_file_takes_long_and_the_pool_is_read_in_a_minute_and_a_half(pool):
    print(f"{pool.seconds:.0f} s, slowest file {pool.slowest[0]:.2f} s: {pool.slowest[1]}")
    assert pool.slowest[0] < SLOWEST_FILE_S
    assert pool.seconds < 90


def test_answers_are_inferred_only_where_the_formats_are_silent(pool):
    for name, count in sorted(pool.formats.items()):
        print(f"{name:12} {count:6} tools, {pool.inferred[name] / count:6.1%} of their answers inferred")
    assert not pool.inferred["aws"]
    assert not pool.inferred["google"]
    assert pool.inferred["openapi3"] < 0.25 * pool.formats["openapi3"]
