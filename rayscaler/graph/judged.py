"""Links after a verdict: which of the rules' links are put to a judge, and what is left when it has spoken.

A link that the rules are sure of is not asked about; one that they were not sure enough to write may be written after
all. What the judge did not speak of stays as the rules have it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from rayscaler.graph.links import Candidate, links_of
from rayscaler.recipes import LinkRecipe
from rayscaler.toolspec import ToolSpec


class LinkKey(NamedTuple):
    """One link inside a domain."""

    src: str
    field: str
    dst: str
    parameter: str


def key_of(candidate: Candidate) -> LinkKey:
    """What the candidate's row is known by."""
    return LinkKey(candidate.src.tool_id, candidate.field, candidate.dst.tool_id, candidate.parameter)


def doubtful(
    domain_id: str, tools: list[ToolSpec], recipe: LinkRecipe, *, consider: float, sure: float
) -> dict[str, list[Candidate]]:
    """Links that the rules score at least `consider` and below `sure`, by the tool that takes them, best first."""
    found: dict[str, list[Candidate]] = {}

    def note(candidate: Candidate) -> float:
        if candidate.score < sure:
            found.setdefault(candidate.dst.tool_id, []).append(candidate)
        return candidate.score

    links_of(domain_id, tools, recipe.model_copy(update={"min_score": consider}), note)
    return {dst: sorted(some, key=lambda c: (-c.score, key_of(c))) for dst, some in found.items()}


def judged(
    domain_id: str, rows: list[dict[str, Any]], candidates: list[Candidate], verdicts: Mapping[LinkKey, bool],
    recipe: LinkRecipe,
) -> list[dict[str, Any]]:
    """The rows of `links` into one tool after the verdicts: those that were refused are gone, those that the rules did
    not write and that were confirmed follow with the lowest score that is written, up to `recipe.max_sources`.

    rows: what the rules wrote into that tool.
    """
    kept = [row for row in rows if verdicts.get(_key(row), True)]
    written = {_key(row) for row in rows}
    for candidate in candidates:
        key = key_of(candidate)
        sources = sum(row["parameter"] == key.parameter for row in kept)
        if key not in written and verdicts.get(key, False) and sources < recipe.max_sources:
            kept.append({"domain_id": domain_id, **key._asdict(), "score": recipe.min_score, "rule": candidate.rule})
    return kept


def _key(row: Mapping[str, Any]) -> LinkKey:
    return LinkKey(row["src"], row["field"], row["dst"], row["parameter"])
