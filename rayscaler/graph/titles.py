"""What a domain is called: a few words that a person would use.

    19 tools of «Calendar API», most of them on events       ->  «calendar events»
    Amazon Connect's contact flows and contact flow modules  ->  «connect contact flows»
    users of three vendors                                   ->  «users and groups»
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count

from rayscaler.graph.nouns import api_words, head_noun, lexicon, nouns_of, plural, singular
from rayscaler.toolspec import ToolSpec

SHARE_OF_ONE_API = 0.6
"""Share of a domain's tools from which on its title names their API."""

SHARE_OF_ONE_NOUN = 0.45
"""Share of a domain's tools that the first noun must cover; else the title names a second one."""

LONGEST = 4
"""Words of API and noun in a title; the API is left out where that would take more."""

SCOPE_WEIGHT = 0.25
"""What an outer noun counts beside the innermost: a calendar's events are events."""

VAGUE_WEIGHT, VAGUE_ALONE = 0.5, 0.1
"""What a vague noun (settings) counts beside an API's name that makes it clear (gmail settings), and alone."""


def titles(domains: Sequence[Sequence[ToolSpec]]) -> list[str]:
    """A title for each domain, all different.

    Nouns are ranked by how many of the domain's tools are about them, times their rarity across the domains. A second
    noun stands beside a first one that covers too little. Equal titles get further nouns, the API, and at last a
    number, in the order of `domains`.
    """
    found: list[str] = []
    taken: set[str] = set()
    for tools, nouns in zip(domains, _ranked_nouns(domains), strict=True):
        found.append(next(title for title in _candidates(tools, nouns) if title not in taken))
        taken.add(found[-1])
    return found


def description(tools: Sequence[ToolSpec]) -> str:
    """One line: how many tools, what they are about, whose they are."""
    heads = Counter(head_noun(tool) for tool in tools)
    heads.pop("", None)
    about = [plural(noun) for noun, _ in sorted(heads.items(), key=lambda x: (-x[1], x[0]))[:4]]
    apis = Counter(tool.api_title or tool.api for tool in tools)
    names = [name for name, _ in sorted(apis.items(), key=lambda x: (-x[1], x[0]))]
    shown = names[:3] + ([f"{len(names) - 3} more API{'s' * (len(names) > 4)}"] if len(names) > 3 else [])
    return f"{len(tools)} tools on {_listed(about) or 'one subject'}, from {_listed(shown)}."


def main_noun(tools: Iterable[ToolSpec]) -> str:
    """The most frequent head noun; of equal ones the first in the alphabet. Depends on these tools alone."""
    heads = Counter(head_noun(tool) or tool.api for tool in tools)
    return min(heads, key=lambda noun: (noun in lexicon().vague_nouns, -heads[noun], noun))


def _ranked_nouns(domains: Sequence[Sequence[ToolSpec]]) -> list[list[str]]:
    """Each domain's nouns, the best for its title first."""
    nouns = [[tuple(map(sys.intern, nouns_of(tool))) for tool in tools] for tools in domains]
    common = _scopes_of_apis(domains, nouns)
    spread = Counter(noun for each in nouns for noun in {noun for found in each for noun in found})
    ranked = []
    for tools, each in zip(domains, nouns, strict=True):
        vague = VAGUE_WEIGHT if _main_api(tools, SHARE_OF_ONE_API) else VAGUE_ALONE
        held: Counter[str] = Counter()
        for tool, found in zip(tools, each, strict=True):
            for noun in found[-1:]:
                held[noun] += 1.0  # type: ignore[assignment]
            for noun in found[:-1]:
                # An outer noun that half of an API's tools have (the user of Gmail's routes) tells nothing of these.
                held[noun] += SCOPE_WEIGHT * (1 - common[tool.vendor, tool.api][noun])  # type: ignore[assignment]
        scores = {
            noun: count * math.sqrt(math.log(1 + len(domains) / spread[noun])) * _clarity(noun, vague)
            for noun, count in held.items()
        }
        ranked.append(sorted(scores, key=lambda noun: (-round(scores[noun], 9), noun)))
    return ranked


def _clarity(noun: str, vague: float) -> float:
    words_over = max(0, len(noun.split()) - 3)
    return (vague if noun in lexicon().vague_nouns else 1.0) * 0.5**words_over


def _scopes_of_apis(
    domains: Sequence[Sequence[ToolSpec]], nouns: Sequence[Sequence[tuple[str, ...]]]
) -> dict[tuple[str, str], dict[str, float]]:
    """Per API: the share of its tools that have a noun as an outer one."""
    sizes: Counter[tuple[str, str]] = Counter()
    held: dict[tuple[str, str], Counter[str]] = {}
    for tools, each in zip(domains, nouns, strict=True):
        for tool, found in zip(tools, each, strict=True):
            api = (tool.vendor, tool.api)
            sizes[api] += 1
            held.setdefault(api, Counter()).update(found[:-1])
    return {api: {noun: n / sizes[api] for noun, n in counts.items()} for api, counts in held.items()}


def _candidates(tools: Sequence[ToolSpec], nouns: list[str]) -> Iterable[str]:
    """Titles from the best to the ever possible."""
    api = _main_api(tools, SHARE_OF_ONE_API)
    first = nouns[0] if nouns else (api or tools[0].api)
    best = _joined(api, first)
    others = [noun for noun in nouns[1:6] if not set(noun.split()) <= set(best.split()) | set(first.split())]
    others = [noun for noun in others if len(noun.split()) <= LONGEST]
    heads = Counter(head_noun(tool) for tool in tools)
    second = others[0] if others and others[0] not in lexicon().vague_nouns else ""
    if second and heads[first] < SHARE_OF_ONE_NOUN * len(tools) and heads[second] >= 0.5 * heads[first]:
        yield f"{best} and {plural(second)}"
    yield best
    yield from (f"{best} and {plural(other)}" for other in others)
    yield _joined(_main_api(tools, 0.0), first)
    yield from (f"{best} {number}" for number in count(2))


def _main_api(tools: Sequence[ToolSpec], share: float) -> str:
    """The words of the API that at least `share` of the tools are of, without noise; empty if there is none."""
    apis = Counter((tool.vendor, tool.api) for tool in tools)
    main = min(apis, key=lambda api: (-apis[api], api))
    if apis[main] < share * len(tools):
        return ""
    title = next(tool.api_title for tool in tools if (tool.vendor, tool.api) == main)
    return api_words(title, main[1])


def _joined(api: str, noun: str) -> str:
    """API words and plural noun, no word twice, the noun alone where that would take too many words."""
    before = [word for word in api.split() if singular(word) not in noun.split()]
    if noun.replace(" ", "") in (singular(api.replace(" ", "")), api.replace(" ", "")):
        before = []
    return plural(noun) if len(before) + len(noun.split()) > LONGEST else " ".join([*before, plural(noun)])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
