"""Groups of tools that may repeat each other: comparing within them finds what comparing all does."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.specs import find_duplicates, groups_of, marks_of, signature_of
from rayscaler.specs.duplicates import Signature


def tool(vendor: str, api: str, version: str, name: str, *about: str) -> Signature:
    path, description = about
    return signature_of({
        "tool_id": f"{vendor}/{api}/{version}/{name}", "vendor": vendor, "api": api, "version": version, "name": name,
        "method": "GET" if path else "", "path": path, "description": description, "format": "openapi3",
        "parameters": json.dumps({"properties": {"id": {}, name: {}}}),
    })


TOOLS = st.lists(
    st.builds(tool, *map(st.sampled_from, ("vw", "ab", "123", "wxyz", ["", "/p", "/q"], ["", "It.", "That."]))),
    max_size=25, unique_by=lambda signature: signature.tool_id,
)


@given(TOOLS, st.integers(1, 10))
def test_group_by_group_gives_the_rows_of_all_tools_together(tools: list[Signature], at_least: int):
    marks_N3 = np.array([marks_of(signature) for signature in tools], np.uint32).reshape(-1, 3)
    found = {}
    for group_M in groups_of(marks_N3, at_least=at_least):
        assert (np.diff(group_M.astype(int)) > 0).all()
        found.update({row["tool_id"]: row for row in find_duplicates(tools[number] for number in group_M)})
    assert [found[t.tool_id] for t in tools if t.tool_id in found] == find_duplicates(tools)


def test_a_chain_of_links_is_one_group_and_what_shares_nothing_is_in_none():
    marks = [(1, 7, 0), (2, 7, 0), (2, 8, 5), (3, 9, 5), (4, 0, 0), (5, 0, 0), (6, 1, 0), (6, 2, 0)]
    groups = groups_of(np.array(marks, np.uint32), at_least=1)
    assert [group_M.tolist() for group_M in groups] == [[0, 1, 2, 3], [6, 7]]
    assert [group_M.tolist() for group_M in groups_of(np.array(marks, np.uint32), at_least=5)] == [[0, 1, 2, 3, 6, 7]]


def test_a_tool_without_a_route_or_a_text_has_no_mark_of_them():
    assert marks_of(tool("v", "a", "1", "x", "", ""))[1:] == (0, 0)
    assert all(marks_of(tool("v", "a", "1", "x", "/p", "It.")))


def test_the_ends_of_a_long_chain_know_each_other():
    # Row n shares one mark with row n - 1 and another with row n + 1.
    marks_N3 = np.array([(0, 1 + n // 2, 1 + (n + 1) // 2) for n in range(5000)], np.uint32)
    assert [len(group_M) for group_M in groups_of(marks_N3, at_least=1)] == [5000]
