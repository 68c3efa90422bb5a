"""What the agent is offered of a tool's parameters: what has an effect, and no more than a prompt can carry."""

import json

from rayscaler.canonical import dumps
from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.wording import first_sentence, shortened
from rayscaler.recipes import MaterializeRecipe
from rayscaler.toolspec import ToolSpec
from tracker import DOMAIN, TEXT, TRACKER, tool

LONG = "What it is. " + "More than anybody reads. " * 20
DEEP = {"type": "object", "properties": {f"p{i}": {"type": "object", "description": LONG, "properties": {
    "inside": {"type": "object", "properties": {"deeper": {"type": "object", "properties": {"deepest": TEXT}}}},
    "made": {"type": "string", "readOnly": True},
}} for i in range(20)}}


def compiled(tools: list[ToolSpec], **knobs: int) -> EnvironmentSpec:
    return compile_environment(DOMAIN, tools, MaterializeRecipe(**knobs)).spec


def with_options(**optional: object) -> list[ToolSpec]:
    one = tool("create_ticket", "POST", "/projects/{projectId}/tickets", ["projectId", "title"], dict(optional), None)
    return [t for t in TRACKER if t.name != "create_ticket"] + [one]


def test_optional_parameters_without_effect_are_left_out_and_named():
    spec = compiled(TRACKER)
    given = {t.tool_id: t for t in TRACKER}
    for one in spec.tools:
        offered, specified = one.parameters["properties"], given[one.tool_id].parameters
        assert set(offered) | set(one.left_out) == set(specified["properties"])
        assert set(one.parameters["required"]) == set(specified["required"])
        assert {b.parameter for b in one.bindings} == set(offered)
        assert one.parameters["additionalProperties"] is False
    assert spec.tool("list_projects").left_out == ("pageToken",)


def test_the_certificate_says_what_was_left_out():
    certificate = certify(compiled(TRACKER), MaterializeRecipe(), seed=1).certificate
    assert certificate["tools"]["list_projects"]["left_out"] == ["pageToken"]
    assert "left_out" not in certificate["tools"]["get_project"]


def test_required_arguments_come_first():
    one = compiled(with_options(alpha=TEXT, description=TEXT)).tool("create_ticket")
    assert list(one.parameters["properties"])[:2] == one.parameters["required"]


def test_nested_objects_are_cut_to_the_recipe_s_depth_and_width_without_what_only_the_service_writes():
    one = compiled(with_options(settings=DEEP), max_parameters=100_000).tool("create_ticket")
    settings = one.parameters["properties"]["settings"]
    assert list(settings["properties"]) == [f"p{i}" for i in range(8)]
    assert settings["properties"]["p0"]["properties"] == {"inside": {"type": "object"}}


def test_parameters_that_are_too_large_lose_details_until_they_fit():
    full, small = (
        compiled(with_options(settings=DEEP, priority={"type": "integer", "description": LONG}), max_parameters=n)
        for n in (100_000, 600)
    )
    one = small.tool("create_ticket")
    assert len(dumps(full.tool("create_ticket").parameters)) > 600 >= len(dumps(one.parameters))
    assert set(one.parameters["properties"]) == {"projectId", "title", "priority", "settings"}


def test_descriptions_end_with_a_sentence_and_lists_of_values_stay():
    said = {"type": "string", "description": 'Who sees it. Possible values are: "all" - every one, "team" - some.'}
    one = compiled(with_options(visibility=said, size={"type": "integer", "format": "int32", "description": LONG}))
    shown = one.tool("create_ticket").parameters["properties"]
    assert shown["visibility"] == {"type": "string", "description": "Who sees it.", "enum": ["all", "team"]}
    assert shown["size"]["description"].endswith("reads.")
    assert len(shown["size"]["description"]) <= 100
    assert "format" not in shown["size"]


def test_answers_have_no_descriptions():
    item = {"type": "object", "properties": {"id": {"type": "string", "description": LONG}, "title": TEXT}}
    one = compiled([tool("get_ticket", "GET", "/tickets/{ticketId}", ["ticketId"], {}, item)]).tool("get_ticket")
    assert "description" not in json.dumps(one.response)


def test_a_description_is_cut_at_a_sentence_then_at_a_comma_then_at_a_word():
    assert shortened("One two. Three four. Five", 22) == "One two. Three four."
    assert shortened("Moves the thing here, and there it stays for ever", 30) == "Moves the thing here …"
    assert shortened("word " * 20, 12) == "word word …"
    assert shortened("<p>Makes <b>one</b>.</p>", 30) == "Makes one."
    assert first_sentence("Moves it, i.e. changes it. More.") == "Moves it, i.e. changes it."
