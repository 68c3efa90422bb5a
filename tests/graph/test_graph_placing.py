"""Small communities join their own API; what tags an API's resources stays with them."""

from __future__ import annotations

import numpy as np

from rayscaler.graph.placing import centre, main_api, place
from rayscaler.recipes import PartitionRecipe
from rayscaler.toolspec import ToolSpec


def tools_of(*apis: str) -> list[ToolSpec]:
    return [ToolSpec(tool_id=f"acme/{api}/1/{i:02d}", name="x", vendor="acme", api=api, parameters={}, format="test")
            for i, api in enumerate(apis)]  # fmt: skip


def at(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack((np.cos(angles), np.sin(angles)), axis=1).astype(np.float32)


TOOLS = tools_of("a", "a", "a", "a", "a", "b", "b")
LABELS = np.array([0, 0, 0, 1, 1, 2, 2])
VECTORS = at(0, 0, 0, 40, 40, 41, 41)


def test_a_small_community_joins_its_own_api_and_not_the_nearest_of_another():
    groups = place(TOOLS, LABELS, VECTORS, PartitionRecipe(join_below=3, join=0.5)).groups
    assert groups == [[0, 1, 2, 3, 4], [5, 6]]


def test_nothing_joins_below_the_floor_or_beyond_the_size():
    apart = [[0, 1, 2], [3, 4], [5, 6]]
    assert place(TOOLS, LABELS, VECTORS, PartitionRecipe(join_below=3, join=0.9)).groups == apart
    assert place(TOOLS, LABELS, VECTORS, PartitionRecipe(join_below=3, join=0.5, max_tools=4)).groups == apart
    assert place(TOOLS, LABELS, VECTORS, PartitionRecipe(join_below=0)).groups == apart


def test_a_leftover_is_nearer_to_its_own_api():
    """60 degrees from its own API and 55 from the other: cosine 0.5 + 0.25 against 0.57."""
    tools, vectors = tools_of("a", "a", "b", "b", "a"), at(0, 0, 115, 115, 60)
    labels = np.array([0, 0, 1, 1, -1])
    recipe = PartitionRecipe(join_below=0, attach=0.7)
    assert place(tools, labels, vectors, recipe).groups == [[0, 1, 4], [2, 3]]
    foreign = tools_of("a", "a", "b", "b", "c")
    rejects = place(foreign, labels, vectors, recipe).rejects
    assert [r.key for r in rejects] == ["acme/c/1/04"]
    assert "cosine 0.574, more than 0.7" in rejects[0].detail


def test_the_main_api_is_the_most_frequent_and_the_first_of_equals():
    assert main_api(TOOLS, [2, 5, 6]) == ("acme", "b")
    assert main_api(TOOLS, [5, 0]) == ("acme", "a")


def test_vectors_that_cancel_out_have_no_centre():
    np.testing.assert_allclose(centre(at(0, 90)), np.array([1, 1]) / np.sqrt(2), rtol=1e-6)
    np.testing.assert_allclose(centre(np.array([[1, 0], [-1, 0]], np.float32)), [0, 0])
