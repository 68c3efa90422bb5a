"""Tools that say again what another says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.specs import SIGNATURE_COLUMNS, find_duplicates, signature_of
from rayscaler.table import to_arrow
from rayscaler.tables import DUPLICATES, TOOLS


def row(tool_id: str, **more) -> dict:
    arguments = more.pop("arguments", ["id", "name"])
    vendor, api, version, name = tool_id.split("/")
    given = {"method": "", "path": "", "description": "", "format": "openapi3"}
    parameters = json.dumps({"type": "object", "properties": {argument: {} for argument in arguments}})
    named = {"tool_id": tool_id, "vendor": vendor, "api": api, "version": version, "name": name}
    return {**named, "parameters": parameters, **given, **more}


def found(*rows: dict) -> list[tuple]:
    duplicates = find_duplicates(signature_of(r) for r in rows)
    to_arrow(DUPLICATES, duplicates)
    return [(r["tool_id"], r["other"], r["kind"], pytest.approx(r["similarity"])) for r in duplicates]


def test_every_column_of_a_signature_is_one_of_tools():
    assert set(SIGNATURE_COLUMNS) <= {field.name for field in TOOLS.fields}
    assert set(SIGNATURE_COLUMNS) == row("a/b/1/c").keys()


def test_an_older_version_names_the_newest():
    versions = [row(f"acme/shop/{v}/get", arguments=a) for v, a in [("2", ["id"]), ("10", ["id", "x"]), ("9", ["id"])]]
    assert found(*versions) == [
        ("acme/shop/2/get", "acme/shop/10/get", "version", 0.5),
        ("acme/shop/9/get", "acme/shop/10/get", "version", 0.5),
    ]


def test_the_newest_version_does_not_name_the_older_one_whatever_the_order():
    old, new = (row(f"acme/shop/{v}/get", method="GET", path="/pets", description="Gets.") for v in ("1", "2"))
    assert found(old, new) == found(new, old) == [("acme/shop/1/get", "acme/shop/2/get", "version", 1.0)]


def test_one_route_of_a_vendor_in_two_files_is_one_operation():
    one = row("acme/shop/1/get_pet", method="GET", path="/v2/Pets/{petId}")
    other = row("acme/store/7/fetch", method="GET", path="/pets/{id}/", arguments=["id", "name", "depth"])
    assert found(one, other) == [("acme/store/7/fetch", "acme/shop/1/get_pet", "route", 2 / 3)]
    assert found(one, {**other, "vendor": "zoo"}) == []
    assert found(one, {**other, "method": "PUT"}) == []
    assert found(one, row("acme/store/7/x", method="GET", path="/pets/{id}", arguments=["q", "limit"])) == []
    assert found(row("acme/a/1/b", method="GET", path="/{id}"), row("acme/c/1/d", method="GET", path="/{x}")) == []


def test_apis_of_amazon_have_a_host_each():
    ours, theirs = (row(f"aws/{api}/1/untag", method="GET", path="/tags/{arn}") for api in ("map", "gate"))
    assert len(found(ours, theirs)) == 1
    assert found({**ours, "format": "aws"}, {**theirs, "format": "aws"}) == []


def test_the_same_words_under_another_vendor_are_the_same_text():
    one, other = row("a/b/1/convert", description="Converts."), row("c/d/1/convert", description="Converts.")
    assert found(one, other) == [("c/d/1/convert", "a/b/1/convert", "text", 1.0)]
    assert found(one, {**other, "description": "Converts it."}) == []
    assert found({**one, "description": ""}, {**other, "description": ""}) == []


def test_the_order_of_the_tools_decides_and_a_second_call_gives_the_same():
    rows = [row(f"v{i}/api/1/same", description="Same.") for i in range(5)]
    assert found(*rows) == found(*rows)
    assert {other for _, other, _, _ in found(*rows)} == {"v0/api/1/same"}


TOOL = st.builds(
    lambda vendor, api, version, name, path: row(
        f"{vendor}/{api}/{version}/{name}", method="GET", path=path, description="It."
    ),
    *map(st.sampled_from, ("vw", "ab", "123", "xy", ["", "/p", "/q"])),
)


@given(st.lists(TOOL, max_size=12, unique_by=lambda r: r["tool_id"]))
def test_every_duplicate_leads_to_a_tool_that_stands(rows):
    others = {tool_id: other for tool_id, other, _, _ in found(*rows)}
    for other in others.values():
        assert other not in others or others[other] not in others
