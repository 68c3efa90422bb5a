"""Nouns, phrases, rarity and tool vectors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from rayscaler.graph.nouns import (
    Effect,
    api_words,
    effect,
    name_nouns,
    nouns_of,
    phrase,
    plural,
    singular,
    words_of_title,
)
from rayscaler.graph.phrases import Phrase, PhraseKind, phrases_of, rarity, tool_vector
from rayscaler.recipes import EmbedRecipe
from rayscaler.toolspec import ToolSpec


def tool(name: str, *parameters: str, api: str = "shop", resources: tuple[str, ...] = (), method: str = "") -> ToolSpec:
    schema = {"type": "object", "properties": {p: {"type": "string"} for p in parameters}}
    return ToolSpec(tool_id=f"v/{api}/1/{name}", name=name, vendor="v", api=api, resources=resources, method=method,
                    parameters=schema, format="test")


@pytest.mark.parametrize(("many", "one"), [
    ("orders", "order"), ("policies", "policy"), ("boxes", "box"), ("addresses", "address"), ("statuses", "status"),
    ("status", "status"), ("people", "person"), ("ids", "id"), ("indices", "index"), ("class", "class"),
    ("analyses", "analysis"), ("data", "data"), ("branches", "branch"), ("houses", "house"), ("bus", "bus"),
])
def test_singular(many, one):
    assert singular(many) == one


@pytest.mark.parametrize(("one", "many"), [
    ("order", "orders"), ("contact flow", "contact flows"), ("policy", "policies"), ("day", "days"), ("box", "boxes"),
    ("person", "people"), ("address", "addresses"), ("status", "statuses"), ("metadata", "metadata"),
])
def test_plural(one, many):
    assert plural(one) == many


@pytest.mark.parametrize(("name", "nouns"), [
    ("CreateContactFlow", ("contact flow",)),
    ("ListCasesForContact", ("contact", "case")),
    ("TagResource", ("resource", "tag")),
    ("find_user_id_by_email", ("user",)),
    ("ListPhoneNumbersV2", ("phone number",)),
    ("get_order_details", ("order",)),
    ("CreateDataLakeDataset", ("data lake dataset",)),
    ("search", ()),
])
def test_nouns_of_a_name_leave_out_its_verb(name, nouns):
    assert name_nouns(name) == nouns


def test_nouns_come_from_resources_before_the_name():
    assert nouns_of(tool("calendar_events_insert", resources=("calendars", "events"))) == ("calendar", "event")
    assert nouns_of(tool("list_tags_for_resource", resources=("tags_for_resource",))) == ("resource", "tag")
    assert nouns_of(tool("create_order", resources=("me",))) == ("order",)


@pytest.mark.parametrize(("name", "method", "expected"), [
    ("list_orders", "GET", Effect.READS), ("create_order", "POST", Effect.CREATES),
    ("orders_insert", "", Effect.CREATES),
    ("update_order", "", Effect.CHANGES), ("orders_delete", "", Effect.DELETES), ("order", "DELETE", Effect.DELETES),
    ("order", "POST", Effect.CHANGES), ("search_orders", "POST", Effect.READS),
])
def test_effect_is_read_from_verb_and_method(name, method, expected):
    assert effect(tool(name, method=method)) is expected


def test_titles_lose_their_noise():
    assert words_of_title("Google Calendar API", "calendar") == ["calendar"]
    assert words_of_title("AWS IoT", "iot") == ["iot"]
    assert words_of_title("AWS Systems Manager Incident Manager Contacts", "ssm-contacts") == ["ssm", "contacts"]


def test_phrases_are_nouns_the_api_and_parameters():
    insert = tool("events_insert", "calendarId", "pageToken", "sendUpdates", resources=("calendars", "events"))
    found = phrases_of(insert)
    assert [(p.text, p.kind) for p in found] == [
        ("calendar", PhraseKind.SCOPE), ("event", PhraseKind.RESOURCE), ("shop", PhraseKind.API),
        ("calendar id", PhraseKind.PARAMETER), ("page token", PhraseKind.BOILERPLATE),
        ("send update", PhraseKind.PARAMETER),
    ]  # fmt: skip


def test_a_tool_of_boilerplate_alone_falls_back_on_its_name():
    assert ("search", PhraseKind.NAME) in phrases_of(tool("search", "page_token"))
    assert phrases_of(tool("-", api="")) == []


def test_rarity_counts_apis_not_tools():
    tools = [tool("a", "name", api="x"), tool("b", "name", "order_id", api="x"), tool("c", "name", api="y")]
    weights = rarity(tools)
    assert weights["name"] == pytest.approx(math.log(1 + 2 / 2))
    assert weights["order id"] == pytest.approx(math.log(1 + 2 / 1))
    assert set(weights) == {p.text for t in tools for p in phrases_of(t)}


def test_a_vector_is_the_weighted_mean_of_its_phrases():
    found = phrases_of(tool("get_order", "email", api="shop"))       # order, shop, email
    vectors = {"order": np.array([1, 0, 0]), "shop": np.array([0, 1, 0]), "email": np.array([0, 0, 1])}
    weights = {"order": 1.0, "shop": 1.0, "email": 2.0}
    vector = tool_vector(found, vectors, weights, EmbedRecipe(resource_weight=3.0))
    np.testing.assert_allclose(vector, np.array([3, 1, 2]) / math.sqrt(14), rtol=1e-6)
    assert vector.dtype == np.float32


def test_the_plain_mean_takes_all_parameters_alike_and_nothing_else():
    found = phrases_of(tool("get_order", "email", "page_token", api="shop"))
    vectors = {"order": np.array([1, 0, 0, 0]), "shop": np.array([0, 1, 0, 0]), "email": np.array([0, 0, 1, 0]),
               "page token": np.array([0, 0, 0, 1])}
    weights = dict.fromkeys(vectors, 9.0) | {"email": 1.0}
    vector = tool_vector(found, vectors, weights, EmbedRecipe(weighting="mean"))
    np.testing.assert_allclose(vector, np.array([0, 0, 1, 1]) / math.sqrt(2), rtol=1e-6)


def test_no_phrases_give_no_vector():
    assert tool_vector([], {}, {}, EmbedRecipe()) is None


def test_phrase_joins_styles():
    assert phrase("listHTTPRoutes_v2") == "list http route v 2"


@pytest.mark.parametrize(("name", "expected"), [
    ("addOnAttachments", "add-on attachment"), ("getOTelEnrichment", "get otel enrichment"),
    ("WhatsAppMessage", "whatsapp message"), ("IoTThings", "iot thing"), ("onCallShift", "on-call shift"),
])  # fmt: skip
def test_two_words_that_are_one_stay_together(name, expected):
    assert phrase(name) == expected


@pytest.mark.parametrize(("title", "api", "expected"), [
    ("Amazon WorkDocs", "workdocs", "workdocs"), ("AWS Supply Chain", "supplychain", "supply chain"),
    ("Amazon CloudWatch", "cloudwatch", "cloudwatch"), ("AWSKendraFrontendService", "kendra", "kendra"),
    ("Cloud Debugger API (Deprecated)", "clouddebugger", "debugger"),
    ("AWS Systems Manager Incident Manager Contacts", "ssm-contacts", "incident"),
    ("Amazon Managed Something Of Very Many Words", "short-name", "short name"), ("", "shop", "shop"),
])  # fmt: skip
def test_an_api_is_called_what_a_person_calls_it(title, api, expected):
    assert api_words(title, api) == expected


def test_what_every_api_has_weighs_nothing():
    """So that TagResource stays with its API's resources, not with the tags of all others."""
    tagging = tool("TagResource", "resourceArn", "tags", api="invoicing")
    assert phrases_of(tagging) == [
        Phrase("resource", PhraseKind.BOILERPLATE), Phrase("tag", PhraseKind.BOILERPLATE),
        Phrase("invoicing", PhraseKind.API), Phrase("resource arn", PhraseKind.PARAMETER),
    ]  # fmt: skip
