"""Descriptions cut to what a reader needs: whole sentences where they fit."""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"(?<!i\.e\.)(?<!e\.g\.)(?<!etc\.)(?<=[.!?])\s+(?=[A-Z0-9«\"`(*])")
_MARKUP = re.compile(r"<[^>]{1,80}>")


def first_sentence(text: str, longest: int = 160) -> str:
    """The first sentence of a description, at most `longest` characters and a mark that something is missing."""
    sentence = _SENTENCE_END.split(_plain(text), maxsplit=1)[0]
    if len(sentence) > longest:
        return _cut(sentence, longest)
    return sentence if not sentence or sentence[-1] in ".!?…" else f"{sentence}."


def shortened(text: str, longest: int) -> str:
    """As many whole sentences of a description as fit in `longest` characters; a part of the first if none does."""
    whole = _plain(text)
    if len(whole) <= longest:
        return whole
    kept = ""
    for sentence in _SENTENCE_END.split(whole):
        if len(kept) + len(sentence) + 1 > longest:
            break
        kept = f"{kept} {sentence}".lstrip()
    return kept or _cut(whole, longest)


def _plain(text: str) -> str:
    return re.sub(r" ([.,;:!?])", r"\1", " ".join(_MARKUP.sub(" ", text).split()))


def _cut(sentence: str, longest: int) -> str:
    """The words that fit, cut at a comma where one is late enough."""
    head = sentence[: longest - 1].rsplit(" ", 1)[0]
    clause = re.split(r"[,;:](?=[^,;:]*$)", head)[0]
    return f"{(clause if len(clause) > longest // 2 else head).rstrip(',;: ')} …"
