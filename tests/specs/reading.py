"""Shared by the tests of `rayscaler.specs`: read a document as if it were a file, and what every tool must be."""

from __future__ import annotations

import json
import re
from typing import Any

from jsonschema import Draft202012Validator

from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs import Parsed, SpecFile, read_file
from rayscaler.toolspec import ToolSpec

SOURCE = Source(path="specs")


def read(
    document: Any, name: str = "acme/openapi.json", source: Source = SOURCE, recipe: IngestRecipe | None = None
) -> Parsed:
    """`document` (bytes, text, or a value to be spelled as JSON) read under the file name `name`."""
    if isinstance(document, str):
        document = document.encode()
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    file = SpecFile("pool", name, f"/nowhere/{name}", "MIT", len(data))
    return read_file(file, data, source, recipe or IngestRecipe())


def one(document: Any, name: str = "acme/openapi.json") -> ToolSpec:
    """The only tool of `document`."""
    parsed = read(document, name)
    assert not parsed.rejects, parsed.rejects
    [tool] = parsed.tools
    return tool


def assert_valid(parsed: Parsed) -> None:
    """What holds for every tool, whatever the file was."""
    assert len({tool.tool_id for tool in parsed.tools}) == len(parsed.tools)
    assert len({(tool.api, tool.name) for tool in parsed.tools}) == len(parsed.tools)
    for tool in parsed.tools:
        assert re.fullmatch(r"[a-z_][a-z0-9_]{0,63}", tool.name), tool.name
        assert tool.parameters["type"] == "object"
        assert tool.locations.keys() == tool.parameters["properties"].keys()
        assert set(tool.parameters["required"]) <= tool.parameters["properties"].keys()
        assert len(tool.description) <= 1000
        Draft202012Validator.check_schema(tool.parameters)
        if tool.response is not None:
            Draft202012Validator.check_schema(tool.response)
        assert '"$ref": "' not in json.dumps([tool.parameters, tool.response])
        assert ToolSpec.from_row(tool.to_row()) == tool
    for reject in parsed.rejects:
        assert reject.key.startswith("pool:")
        assert reject.detail
        assert "stumbled" not in reject.detail, reject
