"""Communities -> groups of tools that are worth being domains: small ones joined, leftovers placed or named.

Three tools that create, read and delete one thing are no world to act in. So a community of few tools joins the nearest
community of the same API, if that is near enough; what no community took joins the nearest one above a floor.

Invariant: every tool is in exactly one group or rejected by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import PartitionRecipe
from rayscaler.toolspec import ToolSpec

OWN_API = 0.25
"""Added to the cosine of a leftover with a group of its own API. What tags or counts the resources of an API shares no
words with any of them, and is at home with them all the same."""

JOINED_MOST = 30
"""Tools of a group that small ones join: they shall become worlds, not drown in one."""


class Placed(NamedTuple):
    """Groups as indices of tools, each ordered by tool id; and the tools that found no place."""

    groups: list[list[int]]
    rejects: list[Rejected]


def place(tools: Sequence[ToolSpec], labels: np.ndarray, vectors: np.ndarray, recipe: PartitionRecipe) -> Placed:
    """Groups out of community labels: one int per tool, -1 for a leftover. vectors: (N, D) unit rows.

    A community below `recipe.join_below` tools joins the nearest one of its main API above `recipe.join`, smallest
    first. A leftover joins the group whose centre is nearest, with OWN_API added for groups of its own API, if that is
    above `recipe.attach` and has room; the most similar are placed first. Groups are ordered by their first tool.
    """
    order = np.argsort(labels, kind="stable")
    order = order[labels[order] >= 0]
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    groups = [part.tolist() for part in np.split(order, cuts) if len(part)]
    groups = _join_small(tools, groups, vectors, recipe)
    rejects = _place_leftovers(tools, groups, labels, vectors, recipe)
    return Placed(sorted(sorted(group, key=lambda i: tools[i].tool_id) for group in groups), rejects)


def centre(vectors: np.ndarray) -> np.ndarray:
    """The mean of some unit vectors, as a float64 unit vector; zero if they cancel out."""
    mean: np.ndarray = vectors.astype(np.float64).mean(axis=0)
    length = float(np.sqrt(np.square(mean).sum()))
    return mean / length if length else mean


def main_api(tools: Sequence[ToolSpec], group: list[int]) -> tuple[str, str]:
    """Vendor and API of most tools of a group; of equal ones the first in the alphabet."""
    apis = Counter((tools[i].vendor, tools[i].api) for i in group)
    return min(apis, key=lambda api: (-apis[api], api))


def _join_small(
    tools: Sequence[ToolSpec], groups: list[list[int]], vectors: np.ndarray, recipe: PartitionRecipe
) -> list[list[int]]:
    groups = [list(group) for group in groups]
    sums = [vectors[group].astype(np.float64).sum(axis=0) for group in groups]
    homes: dict[tuple[str, str], list[int]] = {}
    for number, group in enumerate(groups):
        homes.setdefault(main_api(tools, group), []).append(number)
    most = min(JOINED_MOST, recipe.max_tools)
    neighbours = {number: home for home in homes.values() for number in home}
    for number in sorted(range(len(groups)), key=lambda g: (len(groups[g]), groups[g][0])):
        group = groups[number]
        if len(group) >= recipe.join_below:
            continue
        fitting = [h for h in neighbours[number] if h != number and 0 < len(groups[h]) <= most - len(group)]
        target = _nearest(sums, number, fitting, recipe.join)
        if target is not None:
            groups[target] += group
            sums[target] = sums[target] + sums[number]
            groups[number] = []
    return [group for group in groups if group]


def _nearest(sums: list[np.ndarray], number: int, others: list[int], floor: float) -> int | None:
    """The group whose centre is nearest and above `floor`; of equal ones the first."""
    if not others:
        return None
    found = np.stack([sums[number], *(sums[other] for other in others)])
    found /= np.maximum(np.sqrt(np.square(found).sum(axis=1, keepdims=True)), 1e-12)
    near = np.round(found[1:] @ found[0], 6)   # the order must not hang on the processor's last bits
    best = int(near.argmax())
    return others[best] if near[best] > floor else None


def _place_leftovers(
    tools: Sequence[ToolSpec], groups: list[list[int]], labels: np.ndarray, vectors: np.ndarray, recipe: PartitionRecipe
) -> list[Rejected]:
    """Adds to `groups` what finds a place; returns the others."""
    leftovers = sorted(np.flatnonzero(labels < 0).tolist(), key=lambda i: tools[i].tool_id)
    if not groups:
        detail = f"no community has {recipe.min_tools} tools or more"
        return [Rejected(tools[i].tool_id, Reason.NO_DOMAIN, detail) for i in leftovers]
    centres = np.empty((len(groups), vectors.shape[1]))
    for number, group in enumerate(groups):
        centres[number] = centre(vectors[group])
    codes: dict[tuple[str, str], int] = {}
    home_G = np.array([codes.setdefault(main_api(tools, group), len(codes)) for group in groups])

    def nearness(i: int) -> np.ndarray:
        own = home_G == codes.get((tools[i].vendor, tools[i].api), -1)
        near_G: np.ndarray = np.round(centres @ vectors[i].astype(np.float64) + OWN_API * own, 6)
        return near_G

    # Asked twice instead of kept: leftovers x groups would be the largest thing in memory.
    nearest = {i: float(nearness(i).max()) for i in leftovers}
    rejects = []
    for i in sorted(leftovers, key=lambda i: -nearest[i]):
        near_G = nearness(i)
        home = _home(near_G, groups, recipe)
        if home is None:
            rejects.append(Rejected(tools[i].tool_id, Reason.NO_DOMAIN, _why(near_G, recipe)))
        else:
            groups[home].append(i)
    return sorted(rejects)


def _home(near_G: np.ndarray, groups: list[list[int]], recipe: PartitionRecipe) -> int | None:
    """The nearest group above the floor that has room."""
    above = np.flatnonzero(near_G > recipe.attach)
    fitting = above[np.argsort(-near_G[above], kind="stable")].tolist()
    return next((home for home in fitting if len(groups[home]) < recipe.max_tools), None)


def _why(near: np.ndarray, recipe: PartitionRecipe) -> str:
    nearest = float(near.max())
    if nearest <= recipe.attach:
        return f"nearest domain at cosine {nearest:.3f}, more than {recipe.attach} is needed"
    return f"nearest domain at cosine {nearest:.3f}, but every one above {recipe.attach} has {recipe.max_tools} tools"
