"""Reading one tool: its verb, its noun, and whether it writes."""

import pytest

from rayscaler.environment import Operator
from rayscaler.environments.lexicon import key_noun, plural, singular, table_name
from rayscaler.environments.operators import read_tool
from rayscaler.environments.operators_route import route_of
from rayscaler.toolspec import ToolSpec


def spec(name: str, **more) -> ToolSpec:
    given = {"parameters": {"type": "object", "properties": {}}, "vendor": "acme", "api": "acme", "format": "test"}
    return ToolSpec(tool_id=f"acme/{name}", name=name, **{**given, **more})


@pytest.mark.parametrize(
    ("name", "operator", "noun"),
    [
        ("ListContactFlows", Operator.LIST, "contact flow"),
        ("get_user_details", Operator.GET, "user"),
        ("search_direct_flight", Operator.SEARCH, "flight"),
        ("create_ticket", Operator.CREATE, "ticket"),
        ("modify_user_address", Operator.UPDATE, "user address"),
        ("DeregisterDevice", Operator.DELETE, "device"),
        ("cancel_pending_order", Operator.TRANSITION, "order"),
        ("AssociateRole", Operator.RELATE, "role"),
        ("remove_user_from_group", Operator.UNRELATE, "user"),
        ("calculate", Operator.LOOKUP, ""),
        ("send_certificate", Operator.CREATE, "certificate"),
    ],
)
def test_the_name_alone_tells_operator_and_noun(name, operator, noun):
    reading = read_tool(spec(name))
    assert (reading.operator, " ".join(reading.target)) == (operator, noun)


def test_a_method_id_is_read_by_its_last_word_and_its_resources():
    nouns = ("calendarList",)
    reading = read_tool(spec("calendar_calendar_list_insert", api="calendar", resources=nouns, method="POST"))
    assert reading.operator is Operator.CREATE
    assert reading.full == ("calendar", "list")


def test_what_the_specification_says_of_writing_wins_over_the_verb():
    assert not read_tool(spec("update_cache", read_only=True)).operator.writes
    assert read_tool(spec("get_or_make_token", method="PUT")).operator.writes
    assert not read_tool(spec("create_report", method="GET")).operator.writes
    assert read_tool(spec("create_report", method="GET"), trust_method=False).operator.writes


def test_a_post_that_searches_is_a_read():
    searching = spec("search_cases", method="POST", path="/domains/{domainId}/cases-search")
    assert read_tool(searching).operator is Operator.SEARCH


@pytest.mark.parametrize(
    ("name", "description", "operator"),
    [
        ("mkdir", "Create a new directory.", Operator.CREATE),
        ("rm", "Removes a file.", Operator.DELETE),
        ("wc", "This operation counts the lines of a file.", Operator.LOOKUP),
        ("order_total", "Returns the total.", Operator.GET),
        ("add", "Add two numbers.", Operator.LOOKUP),
        ("add_contact", "Add two contacts.", Operator.CREATE),
        ("start_query", "Starts a query.", Operator.TRANSITION),
    ],
)
def test_where_the_name_has_no_verb_the_description_begins_with_one(name, description, operator):
    assert read_tool(spec(name, description=description)).operator is operator


def test_the_name_of_the_api_in_front_is_no_verb():
    moving = spec("compute_addresses_move", api="compute", description="Moves the address.")
    assert read_tool(moving).operator is Operator.UPDATE
    assert read_tool(spec("compute_tax", api="taxes")).operator is Operator.LOOKUP


def test_a_state_in_the_name_is_a_precondition_and_no_noun():
    reading = read_tool(spec("cancel_pending_order"))
    assert (reading.states, reading.status) == (("pending",), "cancelled")


def test_a_description_can_name_the_status_that_follows():
    told = "Return items. The order status will be changed to 'return requested'."
    assert read_tool(spec("return_order_items", description=told)).status == "return requested"


def test_a_route_has_collections_with_the_parameters_that_name_rows_and_an_action():
    tool = spec(
        "move", method="POST", path="/v3/calendars/{calendarId}/events/{eventId}/move",
        parameters={"type": "object", "properties": {"calendarId": {}, "eventId": {}}},
    )
    route = route_of(tool)
    assert route.steps == ((("calendar",), "calendarId"), (("event",), "eventId"))
    assert route.action == ("move",)


def test_a_whole_resource_name_stands_for_the_resource_above_or_for_the_last():
    given = {"type": "object", "properties": {"parent": {}, "name": {}}}
    nouns = ("projects", "locations", "connectors")
    listing = spec("list", method="GET", path="/v1/{parent}/connectors", resources=nouns, parameters=given)
    getting = spec("get", method="GET", path="/v1/{name}", resources=nouns, parameters=given)
    assert route_of(listing).steps == ((("location",), "parent"), (("connector",), ""))
    assert route_of(getting).steps == ((("connector",), "name"),)


@pytest.mark.parametrize(
    ("one", "many"), [("policy", "policies"), ("address", "addresses"), ("status", "statuses"), ("person", "people"),
                      ("box", "boxes"), ("day", "days"), ("case", "cases"), ("knowledge base", "knowledge bases")],
)
def test_singular_and_plural_are_inverse(one, many):
    assert plural(one) == many
    assert singular(many) == one


def test_a_table_is_a_plural_and_a_key_parameter_names_its_noun():
    assert table_name(("contact", "flow")) == "contact_flows"
    assert key_noun("contactFlowId") == (("contact", "flow"), "id")
    assert key_noun("text") == ((), "")
