"""The text of a tool as weighted phrases, and the vector that they give (AgentScaler section 2.1).

The paper embeds a tool's parameter list. Taken plainly that joins whatever shares `name, filter, page_size`; so here
every parameter is a phrase of its own, weighted by how rare it is across APIs, beside the tool's resource nouns.
Each distinct phrase of the pool is embedded once. Tools that take the same parameters about the same resource get the
same vector, whatever their vendor.

    calendar.events.insert  ->  resource «calendar», resource «event», parameter «calendar id», «attendee», «start» …
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from rayscaler.graph.nouns import is_boilerplate, lexicon, nouns_of, phrase, words_of_title
from rayscaler.recipes import EmbedRecipe
from rayscaler.toolspec import ToolSpec

PAIRS_AT_ONCE = 2**16
"""Mentions of a phrase that are counted together."""


class PhraseKind(StrEnum):
    """Where a phrase comes from; decides its weight."""

    PARAMETER = "parameter"
    BOILERPLATE = "boilerplate"
    """A parameter that says how the call is made (`page_token`), or the noun of what every API has: the tags of a
    resource. No weight, unless averaged plainly."""
    RESOURCE = "resource"
    """The innermost resource noun."""
    SCOPE = "scope"
    """An outer resource noun: the calendar of `calendars/events`. Half the weight of the innermost."""
    API = "api"
    """What the API is about, from its title: keeps apart equal nouns of unlike services. A third of the weight."""
    NAME = "name"
    """The tool's name, where there is nothing else."""


class Phrase(NamedTuple):
    """A few lower-case words and where they come from."""

    text: str
    kind: PhraseKind


def phrases_of(tool: ToolSpec) -> list[Phrase]:
    """The phrases of a tool: its resource nouns, then its parameters in their own order, each text once per kind.

    The name's words stand in where that leaves nothing with weight. Empty for a tool that has no words at all: the
    caller rejects it with `Reason.NO_TEXT`.
    """
    nouns = nouns_of(tool)
    shared = lexicon().shared_nouns
    found = [Phrase(text, PhraseKind.BOILERPLATE if text in shared else PhraseKind.SCOPE) for text in nouns[:-1]]
    found += [Phrase(text, PhraseKind.BOILERPLATE if text in shared else PhraseKind.RESOURCE) for text in nouns[-1:]]
    api = " ".join(words_of_title(tool.api_title, tool.api))
    found += [Phrase(api, PhraseKind.API)] if api else []
    for name in tool.parameters.get("properties", {}):
        text = phrase(name)
        kind = PhraseKind.BOILERPLATE if is_boilerplate(text) else PhraseKind.PARAMETER
        found += [Phrase(text, kind)] if text else []
    if all(p.kind in (PhraseKind.BOILERPLATE, PhraseKind.API) for p in found) and phrase(tool.name):
        found.append(Phrase(phrase(tool.name), PhraseKind.NAME))
    return list(dict.fromkeys(found))


def rarity(tools: Iterable[ToolSpec]) -> dict[str, float]:
    """Inverse document frequency of each phrase, a document being one API of one vendor: log(1 + APIs / APIs with it).

    At least log 2, so that a pool of a single API weighs all its phrases alike.
    """
    apis: dict[tuple[str, str], int] = {}
    texts: dict[str, int] = {}
    pairs_P, fresh = np.zeros(0, np.int64), []   # text and API in one number: 8 bytes for each pair
    for tool in tools:
        api = apis.setdefault((tool.vendor, tool.api), len(apis))
        fresh += [texts.setdefault(found.text, len(texts)) << 32 | api for found in phrases_of(tool)]
        if len(fresh) > PAIRS_AT_ONCE:
            pairs_P, fresh = np.union1d(pairs_P, fresh), []
    holders_T = np.bincount(np.union1d(pairs_P, np.array(fresh, np.int64)) >> 32, minlength=len(texts))
    return {text: math.log(1 + len(apis) / int(holders_T[texts[text]])) for text in sorted(texts)}


def tool_vector(
    phrases: list[Phrase], vectors: Mapping[str, np.ndarray], rarity: Mapping[str, float], recipe: EmbedRecipe
) -> np.ndarray | None:
    """The weighted mean of unit phrase vectors as a float32 unit vector; None without phrases that have weight.

    `weighting: mean` is the paper's plain reading: all parameters alike, nothing else where there are parameters.
    Sums are taken in float64 in the order of `phrases`, so equal phrases give equal bytes. KeyError for a phrase that
    is in neither mapping.
    """
    if recipe.weighting == "mean":
        weights = _plain_weights(phrases)
    else:
        weights = [_weight(p.kind, recipe) * rarity[p.text] for p in phrases]
    if not any(weights):
        return None
    total = np.zeros(len(vectors[phrases[0].text]), dtype=np.float64)
    for found, weight in zip(phrases, weights, strict=True):
        if weight:
            total += weight * vectors[found.text].astype(np.float64)
    length = math.sqrt(math.fsum(total * total))
    return (total / length).astype(np.float32) if length else None


def _weight(kind: PhraseKind, recipe: EmbedRecipe) -> float:
    return {
        PhraseKind.PARAMETER: 1.0,
        PhraseKind.NAME: 1.0,
        PhraseKind.RESOURCE: recipe.resource_weight,
        PhraseKind.SCOPE: recipe.resource_weight / 2,
        PhraseKind.API: recipe.resource_weight / 3,
        PhraseKind.BOILERPLATE: 0.0,
    }[kind]


def _plain_weights(phrases: list[Phrase]) -> list[float]:
    """1 for each parameter; for the other phrases only where there is no parameter."""
    taken = [p.kind in (PhraseKind.PARAMETER, PhraseKind.BOILERPLATE) for p in phrases]
    return [float(t) for t in taken] if any(taken) else [1.0] * len(phrases)
