"""What a column holds, as a person would say it, from its name, schema and description."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from rayscaler.environment import Semantic
from rayscaler.environments.lexicon import joined, lexicon, phrase_of
from rayscaler.environments.schemas import enum_of, type_of

_FORMATS = {
    "date": Semantic.DATE,
    "date-time": Semantic.DATETIME,
    "datetime": Semantic.DATETIME,
    "google-datetime": Semantic.DATETIME,
    "time": Semantic.TIME,
    "email": Semantic.EMAIL,
    "uri": Semantic.URL,
    "url": Semantic.URL,
    "uuid": Semantic.CODE,
    "byte": Semantic.BASE64,
    "phone": Semantic.PHONE,
    "google-duration": Semantic.CODE,
    "hostname": Semantic.URL,
}
_TEXTUAL = frozenset(
    {
        "email",
        "phone",
        "first_name",
        "last_name",
        "person",
        "username",
        "street",
        "city",
        "state",
        "postcode",
        "country",
        "company",
        "title",
        "text",
        "url",
        "status",
        "currency",
        "date",
        "time",
        "datetime",
        "timezone",
        "language",
        "code",
        "word",
    }
)
_NUMERIC = frozenset({"money", "percent", "quantity", "latitude", "longitude"})
_EPOCH = re.compile(r"(epoch|unix|since 1970|timestamp).*(\bms\b|millis)|(\bms\b|millis).*(epoch|unix|since 1970)")
_HEX = re.compile(r"\bhex|\brgb")
_INTEGER_FORMATS = ("int32", "int64", "uint32", "uint64")


def semantic_of(name: str, schema: dict[str, Any]) -> Semantic:
    """The semantic of a column called `name` with this JSON Schema. Never ID or REFERENCE: keys decide those."""
    kind = type_of(schema)
    if kind in ("object", "array"):
        return Semantic.JSON
    if kind == "boolean":
        return Semantic.BOOLEAN
    if enum_of(schema):
        return Semantic.STATUS if _by_name(name, _TEXTUAL) == "status" else Semantic.ENUM
    about = str(schema.get("description", ""))[:240].lower()
    if (kind == "integer" or schema.get("format") in _INTEGER_FORMATS) and _EPOCH.search(about):
        return Semantic.MILLISECONDS
    if kind in ("integer", "number"):
        return _number(name, kind)
    if schema.get("format") in _INTEGER_FORMATS:
        return Semantic.QUANTITY
    if _HEX.search(about) and {"color", "colour"} & set(phrase_of(name)):
        return Semantic.COLOR
    if phrase_of(name)[-1:] in (("pem",), ("pkcs",)) or "base64" in about:
        return Semantic.BASE64
    if schema.get("format") in _FORMATS:
        return _FORMATS[str(schema["format"])]
    return _text(name, str(schema.get("description", "")))


def _number(name: str, kind: str) -> Semantic:
    found = _by_name(name, _NUMERIC)
    if found in ("latitude", "longitude", "money", "percent"):
        return Semantic(found)
    if kind == "integer":
        return Semantic.QUANTITY
    return Semantic(found) if found else Semantic.NUMBER


def _text(name: str, description: str) -> Semantic:
    told = _described(description)
    found = _by_name(name, _TEXTUAL)
    if told in ("datetime", "date", "email", "url", "phone") and found in (
        "",
        "word",
        "code",
        "datetime",
        "date",
        "time",
        "text",
        "title",
    ):
        return Semantic(told)
    if found == "datetime" and told != "datetime" and phrase_of(name)[-1] in ("at", "on", "start", "end", "due"):
        return Semantic.DATETIME
    if found:
        return Semantic(found)
    return Semantic(told) if told else Semantic.WORD


@cache
def _by_name(name: str, allowed: frozenset[str]) -> str:
    """The semantic whose word ends the name with the longest match, else stands inside it; empty if none does."""
    text = joined(name)
    ends, inside = "", ""
    best_end = best_inside = 0
    for semantic, terms in lexicon()["semantics"].items():
        if semantic not in allowed:
            continue
        for term in terms:
            if (text == term or text.endswith(f" {term}")) and len(term) > best_end:
                ends, best_end = semantic, len(term)
            elif text.startswith(f"{term} ") and len(term) > best_inside:
                inside, best_inside = semantic, len(term)
    return ends or (inside if inside in ("email", "phone", "url", "date", "datetime", "text") else "")


@cache
def _described(description: str) -> str:
    head = description[:160].lower()
    for semantic, marks in lexicon()["described"].items():
        if any(mark in head for mark in marks):
            return str(semantic)
    return ""
