"""Leftovers are placed or rejected by name; domains are named like a person would."""

from __future__ import annotations

import numpy as np
import pytest

from rayscaler.errors import ShapeError
from rayscaler.graph.domains import build_domains
from rayscaler.graph.titles import titles
from rayscaler.reasons import Reason
from rayscaler.recipes import PartitionRecipe
from rayscaler.table import check_key, to_arrow
from rayscaler.tables import DOMAINS
from rayscaler.toolspec import ToolSpec


def tool(api: str, name: str, *resources: str, title: str = "") -> ToolSpec:
    return ToolSpec(tool_id=f"acme/{api}/1/{name}", name=name, vendor="acme", api=api, api_title=title,
                    resources=resources, parameters={"type": "object", "properties": {}}, format="test")


CALENDAR = [tool("calendar", f"events_{verb}", "events", title="Calendar API") for verb in ("get", "insert", "list")]
CALENDAR += [tool("calendar", "acl_get", "acl", title="Calendar API")]
SHOP = [tool("shop", f"{verb}_order", "orders") for verb in ("cancel", "create", "list")]
ALONE = [tool("till", "get_receipt", "receipts")]


def unit(*row: float) -> np.ndarray:
    return np.array(row) / np.linalg.norm(row)


def vectors(*last: float) -> np.ndarray:
    return np.stack([unit(1, 0, 0)] * 4 + [unit(0, 1, 0)] * 3 + [unit(*last)]).astype(np.float32)


LABELS = np.array([0, 0, 0, 0, 1, 1, 1, -1])


def test_rows_fit_the_table_and_hold_every_tool_once():
    tools = CALENDAR + SHOP + ALONE
    rows, rejects = build_domains(tools, LABELS, vectors(0.2, 1, 0), PartitionRecipe(attach=0.5))[:2]
    check_key(DOMAINS, to_arrow(DOMAINS, rows))
    assert rejects == []
    assert [row["n_tools"] for row in rows] == [4, 4]
    assert sorted(i for row in rows for i in row["tool_ids"]) == sorted(t.tool_id for t in tools)
    assert rows[1]["apis"] == ["acme/shop", "acme/till"]
    assert rows[0]["cohesion"] == pytest.approx(1.0)


def test_a_leftover_that_is_near_nothing_is_rejected_by_name():
    _, rejects = build_domains(CALENDAR + SHOP + ALONE, LABELS, vectors(0, 0.4, 1), PartitionRecipe(attach=0.5))[:2]
    assert [(r.key, r.reason) for r in rejects] == [("acme/till/1/get_receipt", Reason.NO_DOMAIN)]
    assert "cosine 0.371, more than 0.5 is needed" in rejects[0].detail


def test_a_leftover_goes_to_the_next_domain_with_room():
    near_both = vectors(1, 1.1, 0)
    rows, _ = build_domains(CALENDAR + SHOP + ALONE, LABELS, near_both, PartitionRecipe(attach=0.5, max_tools=4))[:2]
    assert [row["n_tools"] for row in rows] == [4, 4]
    narrow = PartitionRecipe(attach=0.5, max_tools=3)
    rows, rejects = build_domains(CALENDAR + SHOP + ALONE, LABELS, near_both, narrow)[:2]
    assert [row["n_tools"] for row in rows] == [4, 3]
    assert "every one above 0.5 has 3 tools" in rejects[0].detail


def test_without_any_community_every_tool_is_rejected():
    rows, rejects = build_domains(ALONE, np.array([-1]), vectors(1, 0, 0)[-1:], PartitionRecipe())[:2]
    assert rows == []
    assert rejects[0].detail == "no community has 5 tools or more"


def test_ids_depend_on_the_tools_alone():
    both, _ = build_domains(CALENDAR + SHOP, LABELS[:7], vectors(1, 0, 0)[:7], PartitionRecipe())[:2]
    one, _ = build_domains(SHOP, np.zeros(3, dtype=int), vectors(1, 0, 0)[4:7], PartitionRecipe())[:2]
    assert both[1]["domain_id"] == one[0]["domain_id"]
    assert one[0]["domain_id"].startswith("order-")


def test_titles_read_like_a_persons_and_are_unique():
    assert titles([CALENDAR, SHOP]) == ["calendar events", "shop orders"]
    same = titles([SHOP, SHOP, [*SHOP, tool("shop", "list_invoice", "invoices")]])
    assert same == ["shop orders", "shop orders 2", "shop orders and invoices"]
    mixed = [tool("a", "list_user", "users"), tool("b", "get_user", "users")]
    assert titles([mixed]) == ["users"]


def test_the_description_says_what_the_tools_are_about():
    rows, _ = build_domains(CALENDAR, np.zeros(4, dtype=int), vectors(1, 0, 0)[:4], PartitionRecipe())[:2]
    assert rows[0]["description"] == "4 tools on events and acls, from Calendar API."


def test_lengths_must_agree():
    with pytest.raises(ShapeError, match="3 tools, 8 labels, 8 vectors"):
        build_domains(SHOP, LABELS, vectors(1, 0, 0), PartitionRecipe())


def test_a_noun_that_a_whole_api_has_on_its_routes_names_no_domain():
    """Every route of Gmail starts at a user; its settings are about settings, its messages about messages."""
    settings = [tool("gmail", f"get_{n}", "users", "settings", title="Gmail API") for n in ("imap", "pop", "language")]
    settings += [tool("gmail", f"get_{noun}", "users", "settings", f"{noun}s", title="Gmail API")
                 for noun in ("filter", "delegate")]  # fmt: skip
    messages = [tool("gmail", f"{v}_message", "users", "messages", title="Gmail API") for v in ("get", "list", "send")]
    assert titles([settings, messages]) == ["gmail settings", "gmail messages"]


def test_a_second_noun_stands_beside_a_first_that_covers_too_little():
    mail = [tool("mail", f"{verb}_{noun}", f"{noun}s") for noun in ("message", "label", "thread")
            for verb in ("get", "list")]  # fmt: skip
    assert titles([mail]) == ["mail labels and messages"]


def test_a_title_does_not_drown_in_a_long_noun():
    long = [tool("net", f"get_{n}", "local gateway route table group associations") for n in range(3)]
    short = [tool("net", f"get_{n}", "local gateways") for n in range(2)]
    assert titles([long + short])[0].startswith("net local gateways")
