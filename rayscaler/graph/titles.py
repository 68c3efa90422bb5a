"""What a domain is called: two or three words that a person would use.

    19 tools of «Calendar API», most of them on events       ->  «calendar events»
    Amazon Connect's contact flows and contact flow modules  ->  «connect contact flows»
    users of three vendors                                   ->  «users and groups»
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count

from rayscaler.graph.nouns import head_noun, lexicon, nouns_of, plural, singular, words_of_title
from rayscaler.toolspec import ToolSpec

SHARE_OF_ONE_API = 0.6
"""Share of a domain's tools from which on its title names their API."""

LONGEST = 3
"""Words of a title, before it is told apart from another."""


def titles(domains: Sequence[Sequence[ToolSpec]]) -> list[str]:
    """A title for each domain, all different.

    Nouns are ranked by how many of the domain's tools are about them, times their rarity across the domains. Equal
    titles get further nouns, the API, and at last a number, in the order of `domains`.
    """
    ranked = _ranked_nouns(domains)
    found: list[str] = []
    for tools, nouns in zip(domains, ranked, strict=True):
        taken = set(found)
        found.append(next(title for title in _candidates(tools, nouns) if title not in taken))
    return found


def description(tools: Sequence[ToolSpec]) -> str:
    """One line: how many tools, what they are about, whose they are."""
    heads = Counter(head_noun(tool) for tool in tools)
    heads.pop("", None)
    about = [plural(noun) for noun, _ in sorted(heads.items(), key=lambda x: (-x[1], x[0]))[:4]]
    apis = Counter(tool.api_title or tool.api for tool in tools)
    names = [name for name, _ in sorted(apis.items(), key=lambda x: (-x[1], x[0]))]
    shown = names[:3] + ([f"{len(names) - 3} more APIs"] if len(names) > 3 else [])
    return f"{len(tools)} tools on {_listed(about) or 'one subject'}, from {_listed(shown)}."


def main_noun(tools: Iterable[ToolSpec]) -> str:
    """The most frequent head noun; of equal ones the first in the alphabet. Depends on these tools alone."""
    heads = Counter(head_noun(tool) or tool.api for tool in tools)
    return min(heads, key=lambda noun: (noun in lexicon().vague_nouns, -heads[noun], noun))


def _ranked_nouns(domains: Sequence[Sequence[ToolSpec]]) -> list[list[str]]:
    counts: list[Counter[str]] = []
    for tools in domains:
        held: Counter[str] = Counter()
        for tool in tools:
            nouns = nouns_of(tool)
            for noun in nouns:
                held[noun] += 4 if noun == nouns[-1] else 1
        counts.append(held)
    spread = Counter(noun for held in counts for noun in held)

    def score(held: Counter[str], noun: str) -> float:
        vague = 0.1 if noun in lexicon().vague_nouns else 1.0
        return held[noun] * math.log(1 + len(domains) / spread[noun]) * vague

    return [sorted(held, key=lambda noun: (-score(held, noun), noun)) for held in counts]


def _candidates(tools: Sequence[ToolSpec], nouns: list[str]) -> Iterable[str]:
    """Titles from the best to the ever possible."""
    api = _main_api(tools)
    first = nouns[0] if nouns else (api or tools[0].api)
    best = _joined(api, first)
    yield best
    for second in nouns[1:6]:
        if not set(second.split()) <= set(best.split()) | set(first.split()):
            yield f"{best} and {plural(second)}"
    yield from (f"{best} {number}" for number in count(2))


def _main_api(tools: Sequence[ToolSpec]) -> str:
    """The words of the API that most of the tools are of, without noise; empty if there is no such API."""
    apis = Counter((tool.vendor, tool.api) for tool in tools)
    main = min(apis, key=lambda api: (-apis[api], api))
    if apis[main] < SHARE_OF_ONE_API * len(tools):
        return ""
    title = next(tool.api_title for tool in tools if (tool.vendor, tool.api) == main)
    return " ".join(words_of_title(title, main[1]))


def _joined(api: str, noun: str) -> str:
    """API words and plural noun, no word twice, the noun alone where that would take more than three words."""
    before = [word for word in api.split() if singular(word) not in noun.split()]
    return plural(noun) if len(before) + len(noun.split()) > LONGEST else " ".join([*before, plural(noun)])


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""
