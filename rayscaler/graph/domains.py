"""Communities -> domains: small ones joined, leftovers placed, each domain named, described and measured (section 2.1).

Invariant: every tool is in exactly one domain or rejected by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rayscaler.canonical import digest
from rayscaler.errors import ShapeError
from rayscaler.graph.coherence import Coherence, coherence
from rayscaler.graph.placing import centre, place
from rayscaler.graph.titles import description, main_noun, titles
from rayscaler.reasons import Rejected
from rayscaler.recipes import PartitionRecipe
from rayscaler.toolspec import ToolSpec


class Domains(NamedTuple):
    """Rows of the table DOMAINS, by first tool; the tools that found no place; each domain's measures and members."""

    rows: list[dict[str, Any]]
    rejects: list[Rejected]
    coherence: list[Coherence]
    groups: list[list[int]]


class _Members(Sequence[list[ToolSpec]]):
    """The tools of each group, made when they are asked for."""

    def __init__(self, tools: Sequence[ToolSpec], groups: list[list[int]]) -> None:
        self.tools, self.groups = tools, groups

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, number: Any) -> Any:
        return [self.tools[i] for i in self.groups[number]]


def build_domains(
    tools: Sequence[ToolSpec], labels: np.ndarray, vectors: np.ndarray, recipe: PartitionRecipe
) -> Domains:
    """Domains out of community labels: see `placing.place`.

    labels: one int per tool, -1 for a leftover; vectors: (N, D) unit rows in the order of `tools`.
    Raises ShapeError if the three do not have the same length.
    """
    if not len(tools) == len(labels) == len(vectors):
        raise ShapeError(
            f"domains: {len(tools)} tools, {len(labels)} labels, {len(vectors)} vectors; there must be one of each"
        )
    groups, rejects = place(tools, labels, vectors, recipe)
    members = _Members(tools, groups)
    named = zip(members, titles(members), groups, strict=True)
    rows = [_row(found, title, vectors[group]) for found, title, group in named]
    return Domains(rows, rejects, coherence(groups, tools, vectors), groups)


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
        "cohesion": round(float((vectors.astype(np.float64) @ centre(vectors)).mean()), 6),
    }
