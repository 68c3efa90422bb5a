"""The word lists of `lexicon.yaml`: type words, hosts that many vendors share, route segments that name nothing."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import yaml


@cache
def _lexicon() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(files("rayscaler.specs").joinpath("lexicon.yaml").read_text("utf-8"))
    return loaded


@cache
def words_of(section: str) -> frozenset[str]:
    """One word list. KeyError for a section that is not there."""
    return frozenset(_lexicon()[section])


@cache
def type_words() -> dict[str, tuple[str, str]]:
    """Type word -> (JSON Schema type or "" for anything, format or "")."""
    table = {}
    for target, spellings in _lexicon()["types"].items():
        kind, _, format_ = target.partition("/")
        table.update(dict.fromkeys(spellings, (kind, format_)))
    return table
