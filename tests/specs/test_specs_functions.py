"""Function lists, benchmark rows and MCP listings."""

from __future__ import annotations

import json

import pytest

from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs import list_files, load_bytes, neighbours, read_file
from specs.reading import one, read
from specs.samples import FACTORIAL


def test_type_words_of_benchmarks_become_json_schema():
    tool = one([FACTORIAL], "bench/simple.json")
    assert (tool.tool_id, tool.name) == ("pool/simple/math.factorial", "math_factorial")
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "number": {"type": "integer", "description": "Not negative."},
            "exact": {"type": "boolean", "default": True},
            "scale": {"type": "number"},
            "anything": {},
            "pair": {"type": "array", "items": {"type": "string"}},
            "options": {"type": "object"},
        },
        "required": ["number"],
    }


@pytest.mark.parametrize(
    "document",
    [
        [{"type": "function", "function": FACTORIAL}],
        {"tools": [{"type": "function", "function": FACTORIAL}]},
        {"id": "simple_0", "question": [], "function": [FACTORIAL]},
        "\n".join(json.dumps(row) for row in [{"id": "a", "function": [FACTORIAL]}]),
    ],
    ids=["wrapped", "tools", "row", "lines"],
)
def test_every_way_of_listing_functions_gives_the_same_tool(document):
    assert one(document, "x.json").parameters == one([FACTORIAL], "x.json").parameters


def test_repeated_functions_are_duplicates_and_different_ones_of_a_name_get_numbers():
    other = {**FACTORIAL, "description": "Another one."}
    rows = [{"function": [FACTORIAL]}, {"function": [FACTORIAL, other]}]
    parsed = read("\n".join(json.dumps(row) for row in rows) + "\n{broken", "bench/rows.jsonl")
    assert [tool.name for tool in parsed.tools] == ["math_factorial", "math_factorial_2"]
    assert [(r.key, r.reason) for r in parsed.rejects] == [
        ("pool:bench/rows.jsonl#/1/function/0", "duplicate"),
        ("pool:bench/rows.jsonl#/2", "invalid_operation"),
    ]


def test_both_forms_of_mcp_listings():
    node = {"name": "get_node", "description": "A node.", "annotations": {"readOnlyHint": True}}
    schema = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    with_schema = one({"tools": [{**node, "inputSchema": schema}]}, "servers/alfresco/tools.json")
    spare = {"name": "depth", "type": "integer", "optional": True}
    arguments = [{"name": "id", "type": "string", "desc": "Which."}, spare]
    flat = one([{**node, "arguments": arguments}], "servers/alfresco/tools.json")
    assert with_schema.tool_id == flat.tool_id == "alfresco/alfresco/get_node"
    assert with_schema.read_only is flat.read_only is True
    assert with_schema.parameters == schema
    assert flat.parameters["properties"]["id"] == {"type": "string", "description": "Which."}
    assert flat.parameters["properties"]["depth"] == {"type": "integer"}
    assert flat.parameters["required"] == ["id"]


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("asyncapi", {"asyncapi": "3.0.0", "channels": {}}),
        ("graphql", {"data": {"__schema": {"types": []}}}),
        ("har", {"log": {"entries": []}}),
    ],
)
def test_formats_without_an_adapter_are_rejected_by_name(name, document):
    [reject] = read(document, "x.json").rejects
    assert reject.reason == "unsupported_format"
    assert name in reject.detail


def test_a_registry_file_beside_a_listing_gives_its_title_and_no_tools(tmp_path):
    folder = tmp_path / "servers" / "omi"
    folder.mkdir(parents=True)
    (folder / "server.yaml").write_text("name: omi\ntype: server\nabout: {title: Omi Memory}\n")
    (folder / "tools.json").write_text(json.dumps([{"name": "search_memories", "description": "x", "arguments": []}]))
    source = Source(path="servers")
    parsed = {
        f.name: read_file(f, load_bytes(f), source, IngestRecipe(), neighbours(f)) for f in list_files(source, tmp_path)
    }
    assert [r.reason for r in parsed["omi/server.yaml"].rejects] == ["no_operations"]
    [tool] = parsed["omi/tools.json"].tools
    assert (tool.tool_id, tool.api_title) == ("omi/omi/search_memories", "Omi Memory")
