"""The real specifications of the small pool against its reference count."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict

import pytest

from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs import list_files, load_bytes, neighbours, read_file
from specs.reading import assert_valid

HTTP = ("swagger2", "openapi3.0", "openapi3.1", "google-discovery")


@pytest.fixture(scope="module")
def small_pool(shared_data):
    """File -> (what the reference counts in it, what was read)."""
    root = shared_data / "pool-small"
    reference = defaultdict(list)
    with (root / "operations.csv").open() as rows:
        for row in csv.DictReader(rows):
            reference[row["path"]].append(row)
    source, recipe = Source(path=str(root), name="pool"), IngestRecipe(deprecated=True)
    files = list_files(source, root)
    assert set(reference) <= {file.name for file in files}
    return {f.name: (reference[f.name], read_file(f, load_bytes(f), source, recipe, neighbours(f))) for f in files}


def test_every_file_gives_tools_or_a_reject(small_pool):
    for name, (_, parsed) in small_pool.items():
        assert parsed.tools or parsed.rejects, name
        assert_valid(parsed)


def test_every_operation_becomes_a_tool(small_pool):
    for name, (rows, parsed) in small_pool.items():
        if not rows:
            continue
        if rows[0]["format"] in HTTP:
            expected = Counter((row["method"], row["route"].replace("{+", "{").lstrip("/")) for row in rows)
            assert Counter((t.method.lower(), t.path.lstrip("/")) for t in parsed.tools) == expected, name
        elif rows[0]["format"] == "aws-service-2":
            assert {t.pointer.split("/")[-1] for t in parsed.tools} == {row["name"] for row in rows}
        duplicates = [r for r in parsed.rejects if r.reason == "duplicate"]
        more = rows[0]["format"] == "toolbench"                    # the reference counts a repeated API once there
        assert len(parsed.tools) <= len(rows) <= len(parsed.tools) + len(duplicates), name
        assert more or len(parsed.tools) + len(duplicates) == len(rows), name


def test_what_is_no_specification_and_broken_files_are_rejected_with_their_reason(small_pool):
    rejects = {name.split("/")[0]: parsed.rejects for name, (_, parsed) in small_pool.items() if parsed.rejects}
    assert {folder: [r.reason.value for r in found] for folder, found in rejects.items()} == {
        "operations.csv": ["unknown_format"],
        "powerplatform": ["malformed"],                                                        # Icon Horse
    }


def test_argument_counts_differ_from_the_reference_only_where_the_server_sets_them(small_pool):
    """The reference counts `readOnly` members and the transport's own headers; a tool has neither."""
    fewer = 0
    for rows, parsed in small_pool.values():
        counts = {(row["method"], row["route"].replace("{+", "{").lstrip("/")): int(row["n_params"]) for row in rows}
        for tool in parsed.tools:
            expected = counts.get((tool.method.lower(), tool.path.lstrip("/")))
            if tool.method and expected is not None and tool.format != "aws":
                assert len(tool.parameters["properties"]) <= expected, tool.tool_id
                fewer += len(tool.parameters["properties"]) < expected
    assert fewer == 19
