"""Parameters that are described in words -> schema and whether they are required.

    "[REQUIRED] string: The ID of the document."            API Zoo
    "Required. string. One of: [wild, albino]. The color."  ToolAlpaca
    " string (Optional. Where to start.)"                   API Zoo
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from rayscaler.specs.lexicon import type_words

_MARK = re.compile(r"[\[(]?\s*(required|optional)\b\s*[\])]?\s*[.,:;-]*\s*", re.I)
_TYPE = re.compile(r"\s*([A-Za-z][A-Za-z_-]{1,20})(?:\[\w*\]|<\w*>)?\s*([:.(,]|$)\s*")
_CHOICE = re.compile(r"One of:\s*\[([^\[\]]{1,400})\]\.?\s*", re.I)
_LONGEST = 4_000


class Described(NamedTuple):
    """What a description says. `required` is None where it says nothing of it."""

    schema: dict[str, Any]
    required: bool | None


def described(text: str) -> Described:
    """What `text` says of a parameter."""
    rest, required = _marked(text.strip()[:_LONGEST], None)
    schema: dict[str, Any] = {}
    match = _TYPE.match(rest)
    if match and match[1].lower() in type_words():
        schema["type"] = match[1].lower()
        rest = rest[match.end() :]
        if match[2] == "(" and rest.rstrip(". ").endswith(")"):
            rest = rest.rstrip(". ")[:-1]
        rest, required = _marked(rest, required)
    choice = _CHOICE.match(rest)
    if choice:
        schema["enum"] = [value.strip() for value in choice[1].split(",")]
        rest = rest[choice.end() :]
    if rest.strip():
        schema["description"] = rest.strip()
    return Described(schema, required)


def _marked(text: str, known: bool | None) -> tuple[str, bool | None]:
    match = _MARK.match(text)
    if not match:
        return text, known
    return text[match.end() :], match[1].lower() == "required"
