"""Nouns out of identifiers: what an operation is about, in the singular, read from routes, method ids and names.

    GET /calendars/{calendarId}/events   resources (calendars, events)  ->  ("calendar", "event")
    CreateContactFlow                    no resources                   ->  ("contact flow",)

The word lists are data: `lexicon.yaml` beside this file.
"""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache, lru_cache
from importlib import resources
from typing import NamedTuple

import yaml

from rayscaler.toolspec import ToolSpec, words

LONGEST_TITLE = 3


class Effect(StrEnum):
    """What a call does to what it is about, as far as the specification tells by its words."""

    READS = "reads"
    CREATES = "creates"
    CHANGES = "changes"
    DELETES = "deletes"


class Lexicon(NamedTuple):
    """The word lists of `lexicon.yaml`. Phrases are lower-case, singular, with single spaces."""

    boilerplate: frozenset[str]
    verbs: frozenset[str]
    verb_nouns: dict[str, str]
    prepositions: dict[str, str]
    deleting_verbs: frozenset[str]
    creating_verbs: frozenset[str]
    changing_verbs: frozenset[str]
    ending_verbs: frozenset[str]
    lookup_words: frozenset[str]
    state_words: frozenset[str]
    key_words: frozenset[str]
    part_words: frozenset[str]
    interchangeable_keys: frozenset[str]
    worldly_keys: frozenset[str]
    containers: frozenset[str]
    wrapper_endings: frozenset[str]
    failures: frozenset[str]
    generic_values: frozenset[str]
    empty_nouns: frozenset[str]
    leading_words: frozenset[str]
    singular: dict[str, str]
    plural: dict[str, str]
    vague_nouns: frozenset[str]
    shared_nouns: frozenset[str]
    compounds: dict[tuple[str, str], str]
    title_noise: frozenset[str]
    api_names: dict[str, str]


@cache
def lexicon() -> Lexicon:
    """The word lists, read once."""
    text = resources.files("rayscaler.graph").joinpath("lexicon.yaml").read_text(encoding="utf-8")
    lists = yaml.load(text, Loader=yaml.BaseLoader)   # BaseLoader: YAML 1.1 would read the word `on` as true
    return Lexicon(
        boilerplate=frozenset(lists["boilerplate"]),
        verbs=frozenset(lists["verbs"]),
        verb_nouns=dict(lists["verb_nouns"]),
        prepositions=dict(lists["prepositions"]),
        deleting_verbs=frozenset(lists["deleting_verbs"]),
        creating_verbs=frozenset(lists["creating_verbs"]),
        changing_verbs=frozenset(lists["changing_verbs"]),
        ending_verbs=frozenset(lists["ending_verbs"]),
        lookup_words=frozenset(lists["lookup_words"]),
        state_words=frozenset(lists["state_words"]),
        key_words=frozenset(lists["key_words"]),
        part_words=frozenset(lists["part_words"]),
        interchangeable_keys=frozenset(lists["interchangeable_keys"]),
        worldly_keys=frozenset(lists["worldly_keys"]),
        wrapper_endings=frozenset(lists["wrapper_endings"]),
        containers=frozenset(lists["containers"]),
        failures=frozenset(lists["failures"]),
        generic_values=frozenset(lists["generic_values"]),
        empty_nouns=frozenset(lists["empty_nouns"]),
        leading_words=frozenset(lists["leading_words"]),
        singular=dict(lists["singular"]),
        plural={one: many for many, one in reversed(lists["singular"].items())} | dict(lists["plural"]),
        vague_nouns=frozenset(lists["vague_nouns"]),
        shared_nouns=frozenset(lists["shared_nouns"]),
        compounds={(a, b): one for one, (a, b) in ((k, v.split()) for k, v in lists["compounds"].items())},
        title_noise=frozenset(lists["title_noise"]),
        api_names=dict(lists["api_names"]),
    )


def singular(word: str) -> str:
    """The singular of a lower-case English noun: `policies` -> policy, `boxes` -> box, `status` -> status."""
    known = lexicon().singular
    if word in known:
        return known[word]
    if len(word) <= 3 or word.endswith(("ss", "us", "is")) or not word.endswith("s"):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        return word[:-2]
    return word[:-1]


def plural(text: str) -> str:
    """The plural of a noun phrase in the singular: «contact flow» -> «contact flows»; mass nouns stay."""
    before, _, word = text.rpartition(" ")
    return f"{before} {_plural_word(word)}".strip()


@lru_cache(maxsize=2**16)   # a pool of 33,000 tools asks 3 million times for 40,000 names
def noun_words(name: str) -> tuple[str, ...]:
    """The words of an identifier, each in the singular: `calendarIds` -> calendar, id; `addOnIds` -> add-on, id."""
    found: list[str] = []
    compounds = lexicon().compounds
    for word in words(name):
        joined = compounds.get((found[-1], word)) if found else None
        found[-1:] = [joined] if joined else [*found[-1:], singular(word)]
    return tuple(found)


def phrase(name: str) -> str:
    """The words of an identifier as a text: `calendarIds` -> «calendar id»."""
    return " ".join(noun_words(name))


def is_boilerplate(text: str) -> bool:
    """Whether a parameter's phrase says how the call is made (pagination, formats, retries), not what it is about."""
    return text in lexicon().boilerplate


def nouns_of(tool: ToolSpec) -> tuple[str, ...]:
    """What the tool is about, outermost first, each once; from its resources, else from its name.

    May be empty: `search` alone is about nothing.
    """
    found = [noun for resource in tool.resources for noun in _around_preposition(_nouns(resource))]
    if not any(_says_something(text) for text in found):
        found = list(name_nouns(tool.name))
    verb_noun = lexicon().verb_nouns.get(next(iter(words(tool.name)), ""), "")
    found += [verb_noun] if verb_noun else []
    return tuple(dict.fromkeys(text for text in found if _says_something(text)))


def head_noun(tool: ToolSpec) -> str:
    """The innermost noun: the entity that the tool reads or writes; empty if there is none."""
    nouns = nouns_of(tool)
    return nouns[-1] if nouns else ""


def effect(tool: ToolSpec) -> Effect:
    """What the tool's method and verb say that it does; a name's verb is its first word, or its last."""
    lists = lexicon()
    found = words(tool.name)
    verbs = [w for w in (found[:1] + found[-1:]) if w in lists.verbs]
    verb = verbs[0] if verbs else ""
    if tool.method == "DELETE" or verb in lists.deleting_verbs:
        return Effect.DELETES
    if verb in lists.creating_verbs:
        return Effect.CREATES
    if verb in lists.changing_verbs or (not verb and tool.method in ("PUT", "PATCH", "POST")):
        return Effect.CHANGES
    return Effect.READS


def name_nouns(name: str) -> tuple[str, ...]:
    """The nouns of an operation name, outermost first, without its verb and version.

    `ListCasesForContact` -> contact, case; `TagResource` -> resource, tag; `find_user_by_email` -> user.
    """
    lists = lexicon()
    left = _nouns(name)
    if len(left) > 1 and left[0] in lists.verb_nouns:
        return (_trimmed(left[1:]), lists.verb_nouns[left[0]])
    while left and left[0] in lists.verbs:
        left = left[1:]
    return _around_preposition(left)


def _nouns(name: str) -> list[str]:
    return [word for word in noun_words(name) if not word.isdigit()]


def _around_preposition(found: list[str]) -> tuple[str, ...]:
    """The noun before the first preposition, and before it what it belongs to: «case for contact» -> contact, case."""
    parts = lexicon().prepositions
    cut = next((i for i, word in enumerate(found) if i and word in parts), len(found))
    head, rest = _trimmed(found[:cut]), found[cut + 1 :]
    # What follows «by» or «with» says how a thing is found, not where it belongs.
    scope = _trimmed(rest) if rest and parts[found[cut]] == "scope" else ""
    return tuple(noun for noun in (scope, head) if noun)


def _trimmed(found: list[str]) -> str:
    """Words as a phrase, up to the next preposition, without empty words at its ends."""
    lists = lexicon()
    found = found[: next((i for i, word in enumerate(found) if i and word in lists.prepositions), len(found))]
    while found and found[0] in lists.leading_words:
        found = found[1:]
    while found and found[-1] in lists.empty_nouns:
        found = found[:-1]
    if len(found) > 1 and found[-1] in lists.interchangeable_keys:
        found = found[:-1]   # what finds the id of a user is about users
    return " ".join(found)


def words_of_title(title: str, api: str) -> list[str]:
    """The words of an API's title (or else of its name) that say what it is about: «Google Calendar API» -> calendar.

    The name stands in for a title of more than three such words, as `ssm-contacts` does.
    """
    noise = lexicon().title_noise
    told, short = ([w for w in words(text) if w not in noise and not w.isdigit()] for text in (title, api))
    awkward = len(told) > LONGEST_TITLE or any(len(word) == 1 for word in told)   # IoT has the words io, t
    return short if short and (not told or awkward) else told


def api_words(title: str, api: str) -> str:
    """What a person calls an API, in lower case: «Amazon WorkDocs» -> workdocs, «AWS Supply Chain» -> supply chain.

    Words that the title writes as one stay one. A name that insiders use, or a title of more than three words, is
    looked up in the lexicon, or is the API's own name.
    """
    lists = lexicon()
    if api in lists.api_names:
        return lists.api_names[api]
    told: list[str] = []
    for token in re.findall(r"[A-Za-z0-9]+", re.sub(r"\(.*?\)", " ", title)):
        inner = words(token)
        glued = len(inner) > 1 and (inner[0] in ("amazon", "aws", "google") or len(inner) > 3)
        told += [w for w in inner if w not in lists.title_noise] if glued else [token.lower()]
    told = [w for w in told if w not in lists.title_noise and not w.isdigit() and not re.fullmatch(r"v\d+\w*", w)]
    if told and len(told) <= LONGEST_TITLE:
        return " ".join(dict.fromkeys(told))
    short = [w for w in words(api) if w not in lists.title_noise and not w.isdigit() and len(w) > 1]
    return " ".join((short or told)[:LONGEST_TITLE])


def _plural_word(word: str) -> str:
    irregular = lexicon().plural
    if word in irregular:
        return irregular[word]
    if word.endswith("y") and word[-2:-1] not in ("a", "e", "o", "u"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh")) else "s")


def _says_something(text: str) -> bool:
    return bool(text) and text not in lexicon().empty_nouns
