"""Communities -> domains: leftovers placed, each domain named and described (AgentScaler section 2.1).

Invariant: every tool is in exactly one domain or rejected by name.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rayscaler.canonical import digest
from rayscaler.errors import ShapeError
from rayscaler.graph.titles import description, main_noun, titles
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import PartitionRecipe
from rayscaler.toolspec import ToolSpec


class Domains(NamedTuple):
    """Rows of the table DOMAINS, by first tool, and the tools that found no place."""

    rows: list[dict[str, Any]]
    rejects: list[Rejected]


def build_domains(
    tools: list[ToolSpec], labels: np.ndarray, vectors: np.ndarray, recipe: PartitionRecipe
) -> Domains:
    """Domains out of community labels.

    labels: one int per tool, -1 for a leftover; vectors: (N, D) unit rows in the order of `tools`. A leftover joins the
    domain whose centre is nearest, if that is nearer than `recipe.attach` and has room; the most similar are placed
    first. Raises ShapeError if the three do not have the same length.
    """
    if not len(tools) == len(labels) == len(vectors):
        raise ShapeError(
            f"domains: {len(tools)} tools, {len(labels)} labels, {len(vectors)} vectors; there must be one of each"
        )
    groups = [np.flatnonzero(labels == label).tolist() for label in range(int(labels.max(initial=-1)) + 1)]
    groups = [group for group in groups if group]
    rejects = _place_leftovers(tools, groups, labels, vectors, recipe)
    groups = sorted(sorted(group, key=lambda i: tools[i].tool_id) for group in groups)
    members = [[tools[i] for i in group] for group in groups]
    rows = [
        _row(found, title, vectors[group]) for found, title, group in zip(members, titles(members), groups, strict=True)
    ]
    return Domains(rows, rejects)


def _place_leftovers(
    tools: list[ToolSpec], groups: list[list[int]], labels: np.ndarray, vectors: np.ndarray, recipe: PartitionRecipe
) -> list[Rejected]:
    """Adds to `groups` what finds a place; returns the others."""
    leftovers = sorted(np.flatnonzero(labels < 0).tolist(), key=lambda i: tools[i].tool_id)
    if not groups:
        detail = f"no community has {recipe.min_tools} tools or more"
        return [Rejected(tools[i].tool_id, Reason.NO_DOMAIN, detail) for i in leftovers]
    centres = np.stack([_centre(vectors[group]) for group in groups])
    # Rounded, so that the order of near-equal similarities does not hang on the processor's last bits.
    nearness = {i: np.round(centres @ vectors[i].astype(np.float64), 6) for i in leftovers}
    rejects = []
    for i in sorted(leftovers, key=lambda i: -float(nearness[i].max())):
        home = _home(nearness[i], groups, recipe)
        if home is None:
            rejects.append(Rejected(tools[i].tool_id, Reason.NO_DOMAIN, _why(nearness[i], recipe)))
        else:
            groups[home].append(i)
    return sorted(rejects)


def _home(near: np.ndarray, groups: list[list[int]], recipe: PartitionRecipe) -> int | None:
    for home in np.argsort(-near, kind="stable").tolist():
        if near[home] <= recipe.attach:
            return None
        if len(groups[home]) < recipe.max_tools:
            return int(home)
    return None


def _why(near: np.ndarray, recipe: PartitionRecipe) -> str:
    nearest = float(near.max())
    if nearest <= recipe.attach:
        return f"nearest domain at cosine {nearest:.3f}, more than {recipe.attach} is needed"
    return f"nearest domain at cosine {nearest:.3f}, but every one above {recipe.attach} has {recipe.max_tools} tools"


def _centre(vectors: np.ndarray) -> np.ndarray:
    mean: np.ndarray = vectors.astype(np.float64).mean(axis=0)
    length = float(np.sqrt(np.square(mean).sum()))
    return mean / length if length else mean


def _row(tools: list[ToolSpec], title: str, vectors: np.ndarray) -> dict[str, Any]:
    ids = [tool.tool_id for tool in tools]
    slug = main_noun(tools).replace(" ", "-")
    return {
        "domain_id": f"{slug}-{digest(ids, length=8)}",
        "title": title,
        "description": description(tools),
        "tool_ids": ids,
        "n_tools": len(tools),
        "vendors": sorted({tool.vendor for tool in tools}),
        "apis": sorted({f"{tool.vendor}/{tool.api}" for tool in tools}),
        "cohesion": round(float((vectors.astype(np.float64) @ _centre(vectors)).mean()), 6),
    }
