"""The word lists of `seeding.yaml`, read once."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, NamedTuple

import yaml


class Place(NamedTuple):
    """One city with everything that goes with it. `#` in the postcode stands for a digit."""

    city: str
    state: str
    postcode: str
    country: str
    country_code: str
    timezone: str
    latitude: float
    longitude: float
    language: str
    currency: str


_DATA: dict[str, Any] = yaml.safe_load(files("rayscaler.environments").joinpath("seeding.yaml").read_text("utf-8"))

PLACES = tuple(Place(*row) for row in _DATA["places"])
MODIFIERS: tuple[str, ...] = tuple(_DATA["modifiers"])
SENTENCES: tuple[str, ...] = tuple(_DATA["sentences"])
STATUSES: tuple[str, ...] = tuple(_DATA["statuses"])
WORDS: tuple[str, ...] = tuple(_DATA["words"])
MAIL_DOMAINS: tuple[str, ...] = tuple(_DATA["mail_domains"])
RANGES: dict[str, tuple[int, int]] = {word: (low, high) for word, (low, high) in _DATA["ranges"].items()}
TIME_ROLES: dict[str, str] = {word: role for role, words in reversed(_DATA["times"]) for word in words}
"""Word of a column's name -> updated, created, done, end, start, birth."""
CODES: dict[str, list[str]] = {name: patterns for names, patterns in _DATA["codes"] for name in names}
"""Last words of a column's name -> patterns of the codes in it."""
ARNS: dict[str, tuple[str, str, bool]] = {word: (service, kind, regional) for word, service, kind, regional
                                          in _DATA["arns"]}
"""Word before `arn` -> service, what goes before the name, whether region and account stand in it."""
PEOPLE_NOUNS = frozenset(_DATA["people_nouns"])
"""Nouns whose rows are people: their title is a name."""
TITLE_WORDS = frozenset(str(_DATA["title_words"]).split())
"""Words before «name» that do not say whose name it is."""
ABOUT_PEOPLE = frozenset(str(_DATA["about_people"]).split())
"""Words of a column's name that do not say whose name, email … it is."""
ABOUT_PLACES = frozenset(str(_DATA["about_places"]).split())
"""Words of a column's name that do not say whose city, street … it is."""
PEOPLE_WORDS = frozenset(_DATA["people_words"])
"""Last words of plain columns that hold a person's name."""
_WORD_VALUES: dict[str, list[str]] = _DATA["word_values"]
_WHOLE_WORD_VALUES: dict[str, list[str]] = _DATA["whole_word_values"]
_TITLES: dict[str, list[str]] = _DATA["titles"]
_SAME_AS: dict[str, str] = _DATA["same_as"]


def titles_for(noun: str) -> tuple[str, ...]:
    """Title patterns for rows called `noun` (`%` is a modifier); the noun itself behind one where none are listed."""
    for word in reversed(noun.lower().split("_")):
        found = _TITLES.get(_SAME_AS.get(word, word))
        if found:
            return tuple(found)
    return (f"% {noun.replace('_', ' ').lower()}",)


def values_of(name: list[str]) -> tuple[str, ...]:
    """What a column of plain words with this name (split into words) holds; empty where nothing is listed."""
    whole = _WHOLE_WORD_VALUES.get(" ".join(name)) or _WHOLE_WORD_VALUES.get(" ".join(name[-2:]))
    return tuple(whole or _WORD_VALUES.get(name[-1] if name else "") or ())
