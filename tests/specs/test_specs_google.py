"""Google discovery documents."""

from __future__ import annotations

from rayscaler.recipes import IngestRecipe, Source
from specs.reading import one, read
from specs.samples import DISCOVERY, INSERT


def test_a_method_becomes_a_tool_with_the_request_beside_the_parameters():
    tool = one(DISCOVERY)
    assert (tool.tool_id, tool.name) == ("googleapis/diary/v3/diary.events.insert", "diary_events_insert")
    assert (tool.method, tool.path, tool.resources) == ("POST", "/diaries/{diaryId}/events", ("events",))
    assert tool.pointer == "/resources/events/methods/insert"
    assert tool.parameters == {
        "type": "object",
        "properties": {
            "diaryId": {"type": "string"},
            "limit": {"type": "integer", "format": "int32", "minimum": 1, "default": 25},
            "tags": {"type": "array", "items": {"type": "string"}},
            "start": {"type": "object", "properties": {"zone": {"type": "string"}}},
            "size": {"type": "string", "format": "int64"},
            "extra": {},
        },
        "required": ["diaryId", "start"],
    }
    assert tool.locations == {
        "diaryId": "path", "limit": "query", "tags": "query", "start": "body", "size": "body", "extra": "body",
    }
    assert set(tool.response["properties"]) == {"id", "updated", "start", "size", "extra"}


def test_globs_keep_the_named_operations_and_one_reject_counts_the_others():
    methods = {name: {**INSERT, "id": f"diary.events.{name}"} for name in ("insert", "list", "delete")}
    document = {**DISCOVERY, "resources": {"events": {"methods": methods}}}
    parsed = read(document, source=Source(path="x", operations=("events.list",)))
    assert [tool.name for tool in parsed.tools] == ["diary_events_list"]
    [reject] = parsed.rejects
    assert (reject.key, reject.reason) == ("pool:acme/openapi.json", "filtered")
    assert reject.detail.startswith("2 operations ")
    assert not read(document, source=Source(path="x", apis=("mail",))).tools


def test_deprecated_methods_are_left_out_unless_the_recipe_takes_them():
    document = {**DISCOVERY, "resources": {"events": {"methods": {"insert": {**INSERT, "deprecated": True}}}}}
    assert [r.reason for r in read(document).rejects] == ["filtered"]
    assert read(document, recipe=IngestRecipe(deprecated=True)).tools[0].deprecated


def test_an_empty_answer_is_declared_and_not_inferred():
    document = {**DISCOVERY, "schemas": {**DISCOVERY["schemas"], "Event": {"type": "object", "properties": {}}}}
    assert (one(document).response, one(document).response_inferred) == ({"type": "object", "properties": {}}, False)
