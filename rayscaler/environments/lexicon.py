"""The words that API names are made of, and what they mean to a database (`lexicon.yaml`, data and no code).

Everything here works on *phrases*: tuples of lower-case words, as `toolspec.words` gives them.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from rayscaler.toolspec import words

Phrase = tuple[str, ...]


@cache
def lexicon() -> dict[str, Any]:
    """The whole lexicon, read once."""
    text = files("rayscaler.environments").joinpath("lexicon.yaml").read_text(encoding="utf-8")
    loaded = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert isinstance(loaded, dict)
    return loaded


@cache
def word_set(section: str) -> frozenset[str]:
    """The entries of a flat list of the lexicon."""
    return frozenset(str(word) for word in lexicon()[section])


@cache
def verb_of(word: str) -> str:
    """The canonical verb that `word` is a synonym of (`fetch` -> get), a transition's own name, or empty."""
    return _verbs().get(word, word if word in lexicon()["transitions"] else "")


@cache
def _verbs() -> dict[str, str]:
    return {synonym: verb for verb, synonyms in lexicon()["verbs"].items() for synonym in synonyms}


@cache
def singular(word: str) -> str:
    """The singular of an English noun: `addresses` -> address, `policies` -> policy, `status` -> status."""
    plurals: dict[str, str] = lexicon()["plurals"]
    if word in plurals:
        return word
    if word in _singulars():
        return _singulars()[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes", "zzes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2:
        return word[:-1]
    return word


@cache
def _singulars() -> dict[str, str]:
    return {plural: one for one, plural in lexicon()["plurals"].items()}


@cache
def plural(word: str) -> str:
    """The plural of an English noun in the singular: `box` -> boxes, `query` -> queries."""
    plurals: dict[str, str] = lexicon()["plurals"]
    if word in plurals:
        return plurals[word]
    if word.endswith("y") and len(word) > 1 and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    if word.endswith(("s", "sh", "ch", "x", "z")):
        return word + "es"
    return word + "s"


def noun(phrase: Phrase) -> Phrase:
    """`phrase` with its last word in the singular."""
    return (*phrase[:-1], singular(phrase[-1])) if phrase else ()


def table_name(phrase: Phrase) -> str:
    """The table of a singular noun phrase: (contact, flow) -> contact_flows."""
    return "_".join("_".join((*phrase[:-1], plural(phrase[-1]))).split())


@cache
def phrase_of(name: str) -> Phrase:
    """The words of an identifier as a phrase."""
    return tuple(words(name))


@cache
def joined(name: str) -> str:
    """The words of an identifier joined by spaces: what the lexicon's lists are written in."""
    return " ".join(words(name))


@cache
def norm(name: str) -> str:
    """Spelling-free identity of an identifier: `calendarId`, `calendar_id` and `CalendarID` are one."""
    return "".join(words(name))


@cache
def is_boilerplate(name: str) -> bool:
    """Whether a parameter of this name has no effect on a database: pagination, auth, format, client tokens."""
    text = joined(name)
    if text in word_set("boilerplate"):
        return True
    first = text.split(" ", maxsplit=1)[0] if " " in text else ""
    return f"{first} *" in word_set("boilerplate")


@cache
def is_limit(name: str) -> bool:
    """Whether a parameter of this name says how many rows to return."""
    return joined(name) in word_set("limits")


@cache
def is_query(name: str) -> bool:
    """Whether a parameter of this name is free text to search for."""
    return joined(name) in word_set("queries")


@cache
def key_noun(name: str) -> tuple[Phrase, str]:
    """What row a parameter or column names, and by what: `calendarId` -> ((calendar,), id), `text` -> ((), "")."""
    parts = phrase_of(name)
    if parts and parts[-1] in word_set("key_suffixes"):
        return () if parts[:-1] == ("resource",) and parts[-1] == "name" else noun(parts[:-1]), singular(parts[-1])
    return (), ""
