"""Links: every rule once, and what must never be linked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rayscaler.graph.links import Candidate, links_of
from rayscaler.graph.values import inputs_of, outputs_of
from rayscaler.recipes import LinkRecipe
from rayscaler.table import check_key, to_arrow
from rayscaler.tables import LINKS
from rayscaler.toolspec import ToolSpec

TEXT, NUMBER, FLAG = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def many(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def tool(name: str, parameters: dict[str, Any], response: Any = None, *, path: str = "", method: str = "",
         api: str = "shop", resources: tuple[str, ...] = ()) -> ToolSpec:
    locations = {p: "path" if f"{{{p}}}" in path else "body" for p in parameters} if path else {}
    return ToolSpec(tool_id=name, name=name, vendor="acme", api=api, parameters=obj(**parameters), response=response,
                    path=path, method=method, locations=locations, resources=resources, format="test")


ORDER = obj(id=TEXT, customerId=TEXT, total=NUMBER, item_ids=many(TEXT), shippingPostcode=TEXT)


def found(*tools: ToolSpec, **knobs: Any) -> dict[tuple[str, str, str, str], tuple[str, float]]:
    rows = links_of("d", list(tools), LinkRecipe(**knobs))
    check_key(LINKS, to_arrow(LINKS, rows))
    return {(r["src"], r["field"], r["dst"], r["parameter"]): (r["rule"], r["score"]) for r in rows}


def test_a_list_of_the_entity_feeds_its_id():
    links = found(tool("list_orders", {}, obj(items=many(ORDER))), tool("get_order", {"order_id": TEXT}, ORDER))
    assert links[("list_orders", "items[].id", "get_order", "order_id")] == ("same_entity", 1.0)


def test_a_foreign_id_in_an_answer_is_a_reference():
    links = found(tool("list_orders", {}, obj(items=many(ORDER))), tool("get_customer", {"customer_id": TEXT}, obj()))
    assert links == {("list_orders", "items[].customerId", "get_customer", "customer_id"): ("reference", 0.8)}


def test_what_had_to_be_given_is_an_echo():
    links = found(tool("get_order", {"order_id": TEXT}, ORDER), tool("cancel_order", {"order_id": TEXT}, obj()))
    assert links == {("get_order", "id", "cancel_order", "order_id"): ("echo", 0.6)}


def test_a_part_word_before_the_entity_is_looked_through():
    links = found(tool("get_order", {"order_id": TEXT}, ORDER), tool("exchange", {"new_item_ids": many(TEXT)}, obj()))
    assert links == {("get_order", "item_ids[]", "exchange", "new_item_ids"): ("part", 0.65)}


def test_nouns_that_end_alike_are_linked_with_less_trust():
    links = found(tool("list_orders", {}, obj(items=many(ORDER))), tool("ship", {"pending_order_id": TEXT}, obj()))
    assert links == {("list_orders", "items[].id", "ship", "pending_order_id"): ("head_noun", 0.65)}


def test_a_list_of_plain_values_named_after_an_entity_holds_its_ids():
    user = obj(orders=many(TEXT), nickname=TEXT)
    links = found(tool("get_user", {"user_id": TEXT}, user), tool("get_order", {"order_id": TEXT}, obj()))
    assert links == {("get_user", "orders[]", "get_order", "order_id"): ("reference", 0.8)}


def test_an_equal_name_feeds_what_it_says_something_about_and_no_amounts():
    order = tool("get_order", {"order_id": TEXT}, ORDER)
    search = tool("find_shops", {"shipping_postcode": TEXT, "total": NUMBER}, obj())
    write = tool("update_address", {"shipping_postcode": TEXT, "status": TEXT}, obj())
    assert found(order, search, write) == {
        ("get_order", "shippingPostcode", "find_shops", "shipping_postcode"): ("same_name", 0.55),
        ("get_order", "shippingPostcode", "update_address", "shipping_postcode"): ("same_name", 0.55),
    }  # fmt: skip
    on_demand = found(order, search, write, min_score=0.3)
    assert on_demand[("get_order", "total", "find_shops", "total")] == ("same_name", 0.35)


def test_a_parameter_without_words_is_linked_to_nothing():
    order = tool("get_order", {}, obj(order_id=TEXT))
    pay = tool("pay", {"名": TEXT, "_": TEXT, "order_id": TEXT}, obj())
    assert list(found(order, pay)) == [("get_order", "order_id", "pay", "order_id")]


def test_a_choice_of_two_is_a_flag_and_feeds_nothing():
    kind = {"type": "string", "enum": ["one_way", "round_trip"]}
    assert found(tool("get_trip", {}, obj(trip_kind=TEXT)), tool("find_trips", {"trip_kind": kind}, obj())) == {}


def test_a_list_of_objects_feeds_one_of_its_name():
    people = many(obj(first=TEXT, dob=TEXT))
    links = found(tool("get_trip", {}, obj(passengers=people)), tool("book_trip", {"passengers": people}, obj()))
    assert links[("get_trip", "passengers[]", "book_trip", "passengers")] == ("whole", 0.55)


def test_what_was_ended_or_is_in_another_state_leads_on_less():
    row = obj(order_id=TEXT, payment_id=TEXT)
    changed, cancelled, delivered = (
        tool(name, {"order_id": TEXT}, row)
        for name in ("update_pending_order", "cancel_pending_order", "return_delivered_order")
    )
    paid = tool("pay_delivered_order", {"payment_id": TEXT}, obj())
    links = found(changed, cancelled, delivered, paid, min_score=0)
    scores = {(src, dst): score for (src, _, dst, _), (_, score) in links.items()}
    assert scores["update_pending_order", "cancel_pending_order"] == 0.5
    assert scores["cancel_pending_order", "update_pending_order"] == 0.2      # it is over
    assert scores["update_pending_order", "return_delivered_order"] == 0.2    # another state
    assert scores["update_pending_order", "pay_delivered_order"] == 0.75      # a payment is in no state


def test_a_tool_without_a_schema_promises_the_id_of_what_it_finds():
    links = found(tool("find_user_id_by_email", {"email": TEXT}), tool("get_user_details", {"user_id": TEXT}))
    assert links == {
        ("find_user_id_by_email", "", "get_user_details", "user_id"): ("assumed", 0.75),
        ("get_user_details", "", "find_user_id_by_email", "email"): ("assumed", 0.75),   # a user's key, like the id
    }  # fmt: skip


def test_another_identifier_serves_only_where_nothing_fits():
    contact = obj(contactArn=TEXT, name=TEXT)
    by_arn = tool("list_contacts", {}, obj(contacts=many(contact)))
    wanted = tool("get_contact", {"contact_id": TEXT}, obj())
    assert found(by_arn, wanted) == {("list_contacts", "contacts[].contactArn", "get_contact", "contact_id"): (
        "other_key", 0.5)}
    by_id = tool("search_contacts", {}, obj(contacts=many(obj(id=TEXT))))
    assert set(found(by_arn, by_id, wanted)) == {("search_contacts", "contacts[].id", "get_contact", "contact_id")}


def test_routes_tell_whose_bare_id_is_meant():
    source = tool("list_orders", {}, obj(items=many(ORDER)))
    by_segment = tool("list_lines", {"id": TEXT}, obj(), path="/orders/{id}/lines", method="GET", resources=("lines",))
    bare = tool("get_line", {"order": TEXT}, obj(), path="/x/{order}", method="GET", resources=("lines",))
    links = found(source, by_segment, bare)
    assert links[("list_orders", "items[].id", "list_lines", "id")][0] == "same_entity"
    assert links[("list_orders", "items[].id", "get_line", "order")][0] == "same_entity"


def test_googles_parent_is_the_name_of_the_outer_resource():
    spaces = tool("spaces_list", {}, obj(spaces=many(obj(name=TEXT))), resources=("spaces",))
    messages = tool("spaces_messages_list", {"parent": TEXT}, obj(), path="/v1/{parent}/messages", method="GET",
                    resources=("spaces", "messages"))
    assert found(spaces, messages) == {("spaces_list", "spaces[].name", "spaces_messages_list", "parent"): (
        "same_entity", 1.0)}


def test_never_linked():
    page = obj(items=many(ORDER), nextPageToken=TEXT, errors=many(obj(orderId=TEXT)))
    source = tool("list_orders", {"page_token": TEXT}, page)
    deleted = tool("delete_order", {"order_id": TEXT}, ORDER)
    created = tool("create_order", {"id": TEXT, "is_gift": FLAG, "page_token": TEXT}, obj(), path="/orders",
                   method="POST")
    updated = tool("update_order", {"orderId": TEXT, "id": TEXT}, obj(), path="/orders/{orderId}", method="PATCH")
    other_type = tool("get_order_by_number", {"order_id": FLAG}, obj())
    links = found(source, deleted, created, updated, other_type)
    assert {(src, dst, parameter) for src, _, dst, parameter in links} == {
        ("list_orders", "delete_order", "order_id"), ("list_orders", "update_order", "orderId"),
    }  # fmt: skip
    assert all(field == "items[].id" for _, field, _, _ in links)


def test_a_parameter_keeps_its_best_sources_in_a_fixed_order():
    sources = [tool(f"list_orders_{i}", {}, obj(items=many(ORDER)), resources=("orders",)) for i in range(12)]
    wanted = tool("get_order", {"order_id": TEXT}, obj())
    rows = links_of("d", [*sources, wanted], LinkRecipe(max_sources=3))
    assert [r["src"] for r in rows] == ["list_orders_0", "list_orders_1", "list_orders_10"]
    assert links_of("d", [wanted, *sources[::-1]], LinkRecipe(max_sources=3)) == rows


def test_an_id_comes_from_another_api_only_where_its_own_gives_none_and_never_from_another_vendor():
    near = tool("z_list_orders", {}, obj(items=many(ORDER)), resources=("orders",))
    far = tool("a_list_orders", {}, obj(items=many(ORDER)), resources=("orders",), api="other")
    wanted = tool("get_order", {"order_id": TEXT}, obj())
    foreign = far.model_copy(update={"vendor": "rival", "tool_id": "rivals_orders"})
    assert found(near, far, foreign, wanted) == {
        ("z_list_orders", "items[].id", "get_order", "order_id"): ("same_entity", 1.0)}
    assert found(far, wanted) == {("a_list_orders", "items[].id", "get_order", "order_id"): ("same_entity", 0.7)}
    assert found(foreign, wanted) == {}
    assert found(foreign, wanted, min_score=0.4)


def test_what_means_the_same_to_everyone_crosses_vendors():
    staff = tool("list_employees", {}, obj(items=many(obj(email=TEXT))), resources=("employees",), api="hr")
    mail = tool("send_mail", {"employee_email": TEXT}, obj(), api="mail").model_copy(update={"vendor": "rival"})
    assert found(staff, mail) == {("list_employees", "items[].email", "send_mail", "employee_email"): (
        "same_entity", 0.9)}


def test_an_answer_that_is_a_bare_value_is_the_id_that_the_name_promises():
    links = found(tool("find_user_id_by_email", {"email": TEXT}, TEXT),
                  tool("get_user", {"user_id": TEXT}, obj()))
    assert links == {("find_user_id_by_email", "", "get_user", "user_id"): ("assumed", 0.75)}


def test_a_verdict_has_the_last_word_on_what_the_rules_found():
    tools = [tool("list_orders", {}, obj(items=many(ORDER))), tool("get_order", {"order_id": TEXT}, obj()),
             tool("get_customer", {"customer_id": TEXT}, obj())]
    asked = []

    def judge(candidate: Candidate) -> float:
        asked.append((candidate.src.name, candidate.field, candidate.parameter, candidate.rule))
        return 0.9 if candidate.parameter == "order_id" else 0.1

    rows = links_of("d", tools, LinkRecipe(), judge)
    assert [(r["parameter"], r["score"], r["rule"]) for r in rows] == [("order_id", 0.9, "same_entity")]
    assert sorted(asked) == [("list_orders", "items[].customerId", "customer_id", "reference"),
                             ("list_orders", "items[].id", "order_id", "same_entity")]


def test_values_are_read_through_combined_schemas_and_wrappers():
    response = {"allOf": [obj(Metadata=obj(Id=TEXT, Owner=obj(Id=TEXT))), {"oneOf": [obj(state=TEXT)]}]}
    values = outputs_of(tool("get_document", {}, response))
    assert [(v.place, v.entity, v.attribute) for v in values] == [
        ("Metadata.Id", "document", "id"), ("Metadata.Owner.Id", "owner", "id"), ("state", "document", ""),
    ]  # fmt: skip


def test_a_schema_that_holds_itself_ends():
    node: dict[str, Any] = obj(id=TEXT)
    node["properties"]["child"] = node
    assert len(outputs_of(tool("get_node", {}, node))) < 10


def test_an_id_inside_an_object_is_fed_too_but_not_what_the_object_is_itself():
    search = tool("search_flights", {}, many(obj(flight_number=TEXT, price=NUMBER)))
    leg = obj(flight_number=TEXT, reservation_id=TEXT)
    links = found(search, tool("book_reservation", {"legs": many(leg)}, obj()),
                  tool("get_reservation", {}, obj(reservation_id=TEXT)))
    assert links == {("search_flights", "[].flight_number", "book_reservation", "legs[].flight_number"): (
        "same_entity", 0.9)}


def test_content_names_identify_nothing():
    values = inputs_of(tool("find_person", {"display_name": TEXT, "person_id": TEXT, "filter": obj(a=TEXT)}))
    assert [(v.place, v.attribute) for v in values] == [
        ("display_name", ""), ("person_id", "id"), ("filter.a", ""),
    ]  # fmt: skip


def observed_schema(value: Any) -> dict[str, Any]:
    """A schema that one answer has; an object whose keys are ids is a list of its values."""
    if isinstance(value, dict):
        if any(sum(c.isdigit() for c in key) > 3 for key in value):
            return many(observed_schema(next(iter(value.values()))))
        return obj(**{key: observed_schema(inner) for key, inner in value.items()})
    if isinstance(value, list):
        return many(observed_schema(value[0])) if value else {}
    return {"type": "string" if isinstance(value, str) else "number"}


def tau_bench(folder: Path) -> tuple[list[ToolSpec], set[tuple[str, str, str]]]:
    """The retail tools with answers as observed in gold, and the pairs by which gold passes an identifier on."""
    tasks = json.loads((folder / "tasks_test.json").read_text())
    gold = {t["task_index"]: t for t in json.loads((folder / "gold_test.json").read_text())["tasks"]}
    answers: dict[str, Any] = {}
    passed: set[tuple[str, str, str]] = set()
    for task in tasks:
        seen: list[tuple[str, str]] = []
        for action, text in zip(task["actions"], gold[task["task_index"]]["observations"], strict=True):
            for name, value in action["kwargs"].items():
                values = [v for v in (value if isinstance(value, list) else [value]) if len(str(v)) > 5]
                quoted = [f'"{v}"' for v in values]
                passed |= {
                    (src, action["name"], name) for src, old in seen if any(q in old or q == f'"{old}"' for q in quoted)
                }
            if text and not text.startswith("Error"):
                seen.append((action["name"], text))
                if text.startswith("{"):
                    answers.setdefault(action["name"], observed_schema(json.loads(text)))
    functions = [t["function"] for t in json.loads((folder / "tools.json").read_text())]
    tools = [tool(f["name"], f["parameters"]["properties"], answers.get(f["name"])) for f in functions]
    return tools, passed


def test_tau_bench_retails_lookups_are_found(shared_data: Path):
    """Links from lookups against what gold really passes on; what a gold run did not happen to use is no proof."""
    folder = shared_data / "bench" / "tau-bench" / "retail"
    if not folder.is_dir():
        pytest.skip(f"needs tau-bench at {folder}")
    tools, passed = tau_bench(folder)
    links = {(src, dst, parameter) for src, _, dst, parameter in found(*tools)}
    ids = {p for p in passed if p[0].startswith(("get_", "find_")) and p[2].endswith(("_id", "_ids")) and p[0] != p[1]}
    looked_up = {link for link in links if link[0].startswith(("get_", "find_"))}
    assert len(ids & links) / len(ids) > 0.9
    assert len(looked_up & passed) / len(looked_up) > 0.7
    assert ("find_user_id_by_email", "get_user_details", "user_id") in links
    assert ("get_user_details", "get_order_details", "order_id") in links
