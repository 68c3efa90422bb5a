"""The formats of benchmarks and tool collections."""

from __future__ import annotations

import json

from specs.reading import assert_valid, one, read
from specs.samples import API_BANK, APIZOO, SEAL_TOOLS, TASKBENCH, TOOLALPACA, TOOLBENCH


def by_name(document, file="x.json"):
    parsed = read(document, file)
    assert_valid(parsed)
    return {tool.name: tool for tool in parsed.tools}


def test_toolbench_has_one_api_per_tool_and_answers_from_templates():
    tools = by_name(TOOLBENCH)
    search = tools["search_videos"]
    assert (search.tool_id, search.method, search.format) == ("vimeo/Vimeo/SearchVideos", "GET", "toolbench")
    assert search.parameters["properties"]["page"] == {"type": "number", "default": 1}
    assert search.parameters["required"] == ["query"]
    assert search.response["properties"] == {
        "videos": {
            "type": "array",
            "items": {"type": "object", "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}},
        },
        "more": {"type": "boolean"},
    }


def test_an_error_that_was_saved_as_an_answer_says_nothing_of_a_success():
    delete = by_name(TOOLBENCH)["delete_video"]
    assert (delete.response, delete.response_inferred) == ({"type": "object", "properties": {}}, True)


def test_a_rapidapi_tool_by_itself_and_an_api_that_rows_repeat():
    api = {"name": "Latest", "url": "https://acme.p.rapidapi.com/v1/latest/", "required_parameters": []}
    tool = one({"tool_name": "Parcels", "api_list": [api]}, "x.json")
    assert (tool.vendor, tool.path) == ("acme", "/v1/latest/")
    repeated = read(TOOLBENCH * 2, "x.json")
    assert [r.reason for r in repeated.rejects] == ["duplicate", "duplicate"]


def test_api_zoo_reads_routes_calls_and_arguments_in_words():
    tools = by_name(APIZOO, "Datadog_API.json")
    key = tools["get_api_key"]
    assert (key.method, key.path, key.resources) == ("GET", "/api/v2/api_keys/{api_key_id}", ("api_keys",))
    assert (key.vendor, key.api, key.version) == ("datadog", "Datadog-API", "v2")
    assert key.parameters == {
        "type": "object",
        "properties": {
            "api_key_id": {"type": "string", "description": "The key's ID."},
            "include": {"type": "string", "description": "Comma separated."},
        },
        "required": ["api_key_id"],
    }
    assert key.locations["api_key_id"] == "path"
    account = tools["retrieve_account_records"]
    assert (account.method, account.path) == ("GET", "/now/account")
    assert account.parameters["properties"] == {
        "limit": {"type": "integer", "description": "How many."},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "mode": {"type": "string", "enum": ["fast", "slow"]},
        "after": {"type": "string", "description": "Where to start."},
    }
    assert account.parameters["required"] == ["limit"]


def test_seal_tools_lines_have_their_answers():
    tool = one("\n".join([json.dumps(SEAL_TOOLS)]), "tool.jsonl")
    assert (tool.tool_id, tool.api_title) == ("pool/Chemistry-Forensics/analyzeEvidence", "Forensics")
    assert tool.parameters["required"] == ["sample"]
    assert tool.response["properties"] == {"conclusion": {"type": "string", "description": "What it was."}}


def test_api_bank_is_parsed_and_never_run():
    tools = by_name(API_BANK, "all_apis.csv")
    delete, caption = tools["delete_account"], tools["image_caption"]
    assert (delete.description, delete.read_only, caption.read_only) == ("Delete it.", False, True)
    assert delete.parameters["properties"] == {"token": {"type": "string", "description": "Who."}}
    assert list(delete.response["properties"]) == ["status"]
    assert caption.description == "图像描述"                                        # all that there is
    assert caption.parameters["properties"]["size"] == {"type": "integer"}
    harmful = API_BANK.replace("it is broken", "input_parameters = {'a': {'type': open('x')}}")
    assert "image_caption" in by_name(harmful, "all_apis.csv")


def test_taskbench_types_become_arguments_and_media_urls():
    tools = by_name(TASKBENCH, "taskbench/data_multimedia/tool_desc.json")
    image = {"type": "string", "format": "uri"}
    assert tools["image_blender"].api == "data_multimedia"
    assert tools["image_blender"].parameters["properties"] == {"image": image, "image_2": image}
    assert tools["image_blender"].response["properties"] == {"image": image}
    assert tools["get_weather"].parameters["properties"]["day"]["format"] == "date"


def test_toolalpaca_takes_the_document_and_then_the_functions_it_lacks():
    tools = by_name(TOOLALPACA)
    facts, images = tools["get_facts"], tools["find_images"]
    assert facts.pointer == "/0/Documentation/paths/~1facts/get"
    assert facts.response == {"type": "object", "properties": {"fact": {"type": "string"}}}
    assert (images.method, images.path, images.description) == ("GET", "/search", "Finds.")
    color = {"type": "string", "enum": ["wild", "albino"], "description": "The color."}
    assert images.parameters == {"type": "object", "properties": {"color": color}, "required": ["color"]}
