"""Documentation in HTML or Markdown -> one line of plain text, cut at the end of a sentence.

    <p>Creates a <code>user</code>.</p>  See [docs](https://x.y).  ->  Creates a user. See docs.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache
from typing import Any

LONGEST_SOURCE = 20_000
"""Characters of a documentation text that are looked at: some descriptions hold whole manuals."""

_BLOCK = re.compile(
    r"</?(?:p|li|ul|ol|br|hr|div|h\d|dl|dd|dt|tr|td|th|table|note|important|pre|fullname|blockquote|section|summary)"
    r"\b[^<>]*>",
    re.I,
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,500}>|<!--.{0,2000}?-->", re.S)
_LINK = re.compile(r"!?\[([^\[\]]{0,300})\]\([^()\s]{0,600}\)")
_HEADING = re.compile(r"(?:^|\n)[ \t]*(?:#{1,6}|[*+-])[ \t]+")
_EMPHASIS = re.compile(r"\*\*|`+|~~~")
_BEFORE_POINT = re.compile(r"\s+([.,;:)])(?=\s|$)")
_CONTROL = dict.fromkeys((*range(32), 127), " ")


@lru_cache(maxsize=65_536)
def _plain(text: str, limit: int) -> str:
    text = text[:LONGEST_SOURCE]
    if "<" in text:
        text = _TAG.sub("", _BLOCK.sub(" ", text))
    if "&" in text:
        text = html.unescape(text)
    if "](" in text:
        text = _LINK.sub(r"\1", text)
    text = _EMPHASIS.sub("", _HEADING.sub("\n", text))
    text = " ".join(text.translate(_CONTROL).split())
    return bounded(_BEFORE_POINT.sub(r"\1", text), limit)


def plain(text: Any, limit: int) -> str:
    """`text` without markup in at most `limit` characters; empty for anything that is no text."""
    return _plain(text, limit) if isinstance(text, str) and text else ""


def bounded(text: str, limit: int) -> str:
    """`text` cut to `limit` characters: after its last whole sentence, else after a whole word with an ellipsis."""
    if len(text) <= limit:
        return text
    head = text[: limit - 1]
    sentence = max(head.rfind(". "), head.rfind("! "), head.rfind("? "), head.rfind("。"))
    if sentence >= limit // 3:
        return head[: sentence + 1]
    word = head.rfind(" ")
    return (head[:word] if word >= limit // 2 else head).rstrip(" ,;:") + "…"
