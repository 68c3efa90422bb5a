"""From the tools of a domain to its tables."""

import json

import pytest

from rayscaler.environment import Entity, Operator, Semantic
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.infer_drafts import canon
from rayscaler.environments.infer_semantics import semantic_of
from rayscaler.environments.schemas import bounded, enum_of, shape_of
from rayscaler.recipes import MaterializeRecipe
from rayscaler.toolspec import ToolSpec
from tracker import TEXT, TRACKER, tool

DOMAIN = {"domain_id": "d", "title": "D"}


def entities(tools: list[ToolSpec], **knobs) -> dict[str, Entity]:
    spec = compile_environment(DOMAIN, tools, MaterializeRecipe(**knobs)).spec
    return {e.name: e for e in spec.entities}


def test_a_noun_of_route_parameter_and_schema_is_one_table():
    assert set(entities(TRACKER)) == {"projects", "tickets", "comments", "ticket_watchers"}


def test_columns_come_from_answers_bodies_and_filters_in_the_api_s_own_spelling():
    names = {c.name for c in entities(TRACKER)["tickets"].columns}
    assert names == {"id", "projectId", "title", "description", "status", "priority", "dueDate", "updatedAt"}


def test_keys_are_generated_and_required_arguments_are_not_null():
    tickets = entities(TRACKER)["tickets"]
    assert tickets.key == "id"
    assert tickets.column("id").generated
    assert not tickets.column("title").nullable
    assert tickets.column("description").nullable
    assert tickets.label == "title"


def test_the_parent_of_a_nested_route_is_a_reference_that_cascades():
    column = entities(TRACKER)["tickets"].column("projectId")
    assert (column.references, column.on_delete, column.semantic) == ("projects", "cascade", Semantic.REFERENCE)


def test_enumerations_bounds_and_volatile_columns_are_kept():
    tickets = entities(TRACKER)["tickets"]
    assert tickets.column("status").enum == ("OPEN", "IN_PROGRESS", "CLOSED")
    assert (tickets.column("priority").minimum, tickets.column("priority").maximum) == (1, 5)
    assert tickets.column("updatedAt").volatile
    assert not tickets.column("dueDate").volatile


def test_a_table_keeps_at_most_the_recipe_s_columns_the_most_used_first():
    tickets = entities(TRACKER, max_columns=5)["tickets"]
    assert len(tickets.columns) == 5
    assert {"id", "projectId", "title", "status"} <= {c.name for c in tickets.columns}


def test_a_scope_without_a_table_has_one_fixed_value():
    tools = [
        tool("list_rules", "GET", "/accounts/{accountId}/rules", ["accountId"], {}, None),
        tool("get_rule", "GET", "/accounts/{accountId}/rules/{ruleId}", ["accountId", "ruleId"], {}, None),
        tool("create_rule", "POST", "/accounts/{accountId}/rules", ["accountId", "name"], {}, None),
    ]
    spec = compile_environment(DOMAIN, tools, MaterializeRecipe()).spec
    assert spec.entity("rules").column("accountId").enum == ("account-main",)
    assert spec.tool("get_rule").parameters["properties"]["accountId"]["enum"] == ["account-main"]
    assert "`accountId` is always `account-main`" in spec.policy


def test_references_never_close_a_circle():
    team = {"type": "object", "properties": {"id": TEXT, "leadId": TEXT}}
    lead = {"type": "object", "properties": {"id": TEXT, "teamId": TEXT}}
    tools = [
        tool("create_team", "POST", "/teams", ["leadId"], {}, team),
        tool("get_team", "GET", "/teams/{teamId}", ["teamId"], {}, None),
        tool("create_lead", "POST", "/leads", ["teamId"], {}, lead),
        tool("get_lead", "GET", "/leads/{leadId}", ["leadId"], {}, None),
    ]
    tables = entities(tools)
    referring = [c for e in tables.values() for c in e.columns if c.references]
    assert len(referring) == 1


def test_a_domain_without_schemas_still_has_its_nouns(shared_data):
    wanted = {"retail": {"users", "orders", "products"}, "airline": {"users", "reservations", "flights"}}
    for name, nouns in wanted.items():
        listed = json.loads((shared_data / "bench" / "tau-bench" / name / "tools.json").read_text())
        tools = [
            ToolSpec(tool_id=f"{name}/{f['name']}", vendor="tau", api=name, format="functions", **f)
            for f in (x["function"] for x in listed)
        ]
        assert nouns <= set(entities(tools))


def test_an_order_of_a_tool_that_lists_them_belongs_to_its_user():
    tools = [
        _function("get_user_details", "Get the details of a user, including their orders.", ["user_id"]),
        _function("get_order_details", "Get an order.", ["order_id"]),
        _function("cancel_pending_order", "Cancel a pending order.", ["order_id"]),
    ]
    orders = entities(tools)["orders"]
    assert orders.column("user_id").references == "users"
    assert {"pending", "cancelled"} <= set(orders.column("status").enum)


def _function(name: str, description: str, required: list[str]) -> ToolSpec:
    parameters = {"type": "object", "properties": dict.fromkeys(required, TEXT), "required": required}
    return ToolSpec(tool_id=f"f/{name}", name=name, vendor="f", api="f", format="functions", description=description,
                    parameters=parameters)


@pytest.mark.parametrize(
    ("name", "schema", "semantic"),
    [
        ("customerEmail", TEXT, Semantic.EMAIL),
        ("createdAt", {"type": "string", "format": "date-time"}, Semantic.DATETIME),
        ("unit_price", {"type": "number"}, Semantic.MONEY),
        ("status", {"type": "string", "enum": ["A", "B"]}, Semantic.STATUS),
        ("kind", {"type": "string", "enum": ["A", "B"]}, Semantic.ENUM),
        ("isActive", {"type": "boolean"}, Semantic.BOOLEAN),
        ("attendees", {"type": "array"}, Semantic.JSON),
        ("displayName", TEXT, Semantic.TITLE),
        ("zip", TEXT, Semantic.POSTCODE),
        ("latitude", {"type": "number"}, Semantic.LATITUDE),
        ("dueDate", TEXT, Semantic.DATE),
    ],
)
def test_a_column_s_semantic_is_what_a_person_would_say(name, schema, semantic):
    assert semantic_of(name, schema) is semantic


def test_spellings_of_one_column_have_one_canon():
    assert {canon(n, ("event",)) for n in ("id", "eventId", "event_id", "EventID", "eventIdentifier")} == {"id"}
    assert canon("eventType", ("event",)) == canon("type", ("event",)) != canon("type_of_day", ("event",))


def test_answers_are_items_wrapped_items_lists_or_operations():
    item = {"type": "object", "properties": {"id": TEXT, "name": TEXT, "size": TEXT, "etag": TEXT}}
    page = {"type": "object", "properties": {"files": {"type": "array", "items": item}, "nextPageToken": TEXT}}
    done = {"type": "object", "properties": {"name": TEXT, "done": {"type": "boolean"}, "response": {"type": "object"}}}
    assert shape_of(item, ("file",), many=False).kind == "item"
    assert shape_of({"type": "object", "properties": {"file": item}}, ("file",), many=False).wrapper == "file"
    assert shape_of(page, ("file",), many=True)[:2] == ("list", "files")
    assert shape_of(done, ("file",), many=False).kind == "operation"
    assert shape_of({"type": "object", "properties": {}}, ("file",), many=False).kind == "empty"
    assert shape_of(None, ("file",), many=False).kind == "silent"


def test_values_that_a_description_lists_are_an_enumeration():
    told = 'Visibility. Possible values are: - "public" - all see it. - "private" - only you.'
    assert enum_of({"type": "string", "description": told}) == ("public", "private")
    assert enum_of({"type": "string", "enum": ["KIND_UNSPECIFIED", "A"]}) == ("A",)


def test_a_bounded_schema_has_no_more_than_its_depth_and_width():
    deep = {"type": "object", "properties": {f"p{i}": {"type": "object", "properties": {"x": TEXT}} for i in range(40)}}
    cut = bounded(deep, depth=1, width=3)
    assert list(cut["properties"]) == ["p0", "p1", "p2"]
    assert "properties" not in cut["properties"]["p0"]


def test_operators_are_settled_against_keys():
    spec = compile_environment(DOMAIN, TRACKER, MaterializeRecipe()).spec
    kinds = {t.name: t.operator for t in spec.tools}
    assert kinds["add_watcher_to_ticket"] is Operator.RELATE
    assert kinds["remove_watcher_from_ticket"] is Operator.UNRELATE
    assert kinds["add_comment"] is Operator.CREATE
    assert kinds["close_ticket"] is Operator.TRANSITION
    assert kinds["list_ticket_watchers"] is Operator.LIST
