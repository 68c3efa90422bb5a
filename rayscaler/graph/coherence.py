"""How well domains hold together and stand apart: the report that the paper does not print.

A domain is coherent if its tools are nearer to one another than to the nearest other domain. Purity says how much of it
is one API or one resource noun: a cross-vendor domain has a low purity of API and a high one of noun.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rayscaler.graph.nouns import head_noun
from rayscaler.toolspec import ToolSpec

EVERYTHING = "all"
"""`domain_id` of the row of totals."""


class Coherence(NamedTuple):
    """Measures of one domain. Similarities are mean cosines between pairs of different tools."""

    n_tools: int
    inside: float
    """Between its own tools; 1 for a domain of one tool."""
    nearest: int
    """Number of the other domain whose tools are most similar to its own; -1 if there is no other."""
    outside: float
    """Between its tools and those of `nearest`; 0 if there is no other."""
    api_purity: float
    """Share of the tools that are of the most frequent API."""
    noun_purity: float
    """Share of the tools that are about the most frequent head noun."""
    n_nouns: int
    n_apis: int
    n_vendors: int


def coherence(groups: Sequence[Sequence[int]], tools: Sequence[ToolSpec], vectors: np.ndarray) -> list[Coherence]:
    """The measures of each group of tools, as indices into `tools` and into the unit rows of `vectors` (N, D).

    Exact: the mean over all pairs of two groups is the product of their means, so nothing is sampled. O(groups**2 * D).
    """
    if not groups:
        return []
    means_GD = np.empty((len(groups), vectors.shape[1]))
    for number, group in enumerate(groups):
        means_GD[number] = vectors[list(group)].astype(np.float64).mean(axis=0)
    nearest, outside = _nearest(means_GD)
    found = []
    for number, group in enumerate(groups):
        n, mean = len(group), means_GD[number]
        inside = float((n * (mean @ mean) - 1) / (n - 1)) if n > 1 else 1.0
        members = [tools[i] for i in group]
        apis = Counter((tool.vendor, tool.api) for tool in members)
        nouns = Counter(head_noun(tool) for tool in members)
        found.append(
            Coherence(
                n, inside, int(nearest[number]), float(outside[number]),
                max(apis.values()) / n, max(nouns.values()) / n,
                len(nouns), len(apis), len({vendor for vendor, _ in apis}),
            )
        )  # fmt: skip
    return found


class Totals(NamedTuple):
    """Measures of a whole partition. Means are over tools: each domain counts by its size."""

    n_domains: int
    n_tools: int
    inside: float
    outside: float
    api_purity: float
    noun_purity: float
    mixed_vendors: int
    """Domains with tools of more than one vendor."""
    mixed_apis: int
    share_5_to_60: float
    """Share of the placed tools in domains of 5 to 60 tools."""
    largest: int


def totals(found: Sequence[Coherence]) -> Totals:
    """The measures over all domains; zeros for none."""
    sizes = np.array([domain.n_tools for domain in found], dtype=np.float64)
    n = float(sizes.sum())

    def mean(values: list[float]) -> float:
        return float(sizes @ np.array(values)) / n if n else 0.0

    return Totals(
        len(found),
        int(n),
        mean([d.inside for d in found]),
        mean([d.outside for d in found]),
        mean([d.api_purity for d in found]),
        mean([d.noun_purity for d in found]),
        sum(d.n_vendors > 1 for d in found),
        sum(d.n_apis > 1 for d in found),
        float(sizes[(sizes >= 5) & (sizes <= 60)].sum()) / n if n else 0.0,
        int(sizes.max(initial=0)),
    )


def coherence_rows(
    found: Sequence[Coherence], domains: Sequence[dict[str, Any]], modularity: float
) -> list[dict[str, Any]]:
    """Rows of COHERENCE: one per domain in the order of `domains`, and before them the row of totals."""
    whole = totals(found)
    vendors = {vendor for row in domains for vendor in row["vendors"]}
    apis = {api for row in domains for api in row["apis"]}
    rows = [
        {
            "domain_id": EVERYTHING, "title": f"{whole.n_domains} domains", "n_tools": whole.n_tools,
            "inside": whole.inside, "outside": whole.outside, "nearest": "",
            "api_purity": whole.api_purity, "noun_purity": whole.noun_purity,
            "n_nouns": sum(d.n_nouns for d in found), "n_apis": len(apis), "n_vendors": len(vendors),
            "modularity": modularity,
        }
    ]  # fmt: skip
    for domain, row in zip(found, domains, strict=True):
        rows.append({
            "domain_id": row["domain_id"], "title": row["title"], "n_tools": domain.n_tools,
            "inside": domain.inside, "outside": domain.outside,
            "nearest": domains[domain.nearest]["domain_id"] if domain.nearest >= 0 else "",
            "api_purity": domain.api_purity, "noun_purity": domain.noun_purity,
            "n_nouns": domain.n_nouns, "n_apis": domain.n_apis, "n_vendors": domain.n_vendors, "modularity": None,
        })  # fmt: skip
    return [{k: round(v, 6) if isinstance(v, float) else v for k, v in row.items()} for row in rows]


def _nearest(means_GD: np.ndarray, block: int = 128) -> tuple[np.ndarray, np.ndarray]:
    """Of each group the other one of the largest mean similarity, and that similarity; block by block."""
    n = len(means_GD)
    if n == 1:
        return np.array([-1]), np.zeros(1)
    nearest, outside = np.zeros(n, np.int64), np.zeros(n)
    for start in range(0, n, block):
        similarity = means_GD[start : start + block] @ means_GD.T
        np.round(similarity, 6, out=similarity)
        rows = np.arange(len(similarity))
        similarity[rows, start + rows] = -2.0
        best = similarity.argmax(axis=1)
        nearest[start : start + block], outside[start : start + block] = best, similarity[rows, best]
    return nearest, outside
