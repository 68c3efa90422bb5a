"""What the loss looks at, as a page: training examples as rendered text, supervised tokens on a coloured ground.

The page is one file without scripts or references to others. Each token is an element of its own whose tooltip gives
its place and id; tokens whose bytes are no whole characters alone are shown together with the next ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from rayscaler.display.conversation import Decoder

REPLACEMENT = "\ufffd"
"""What a decoder writes for bytes that are no character."""

MAX_BYTES = 4
"""Tokens that one character may be spread over: UTF-8 has at most four bytes."""

_STYLE = """
:root { color-scheme: light dark; --ground: #ffffff; --text: #30343a; --quiet: #7a818a; --line: #d9dde2;
        --mask: #bfe8c8; --mask-text: #0b3d1a; --control: #8a5fb0; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #16181b; --text: #c9ced6; --quiet: #8a919b; --line: #33383f;
          --mask: #1f5a30; --mask-text: #d8f5de; --control: #c39be6; } }
body { background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
       max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 0.3rem; }
p, dt { color: var(--quiet); margin: 0.2rem 0; }
pre { border: 1px solid var(--line); border-radius: 6px; padding: 0.8rem 1rem; white-space: pre-wrap;
      overflow-wrap: anywhere; font: 13px/1.55 ui-monospace, monospace; }
i { font-style: normal; } i:hover { outline: 1px solid var(--control); }
.s { background: var(--mask); color: var(--mask-text); } .c { color: var(--control); }
.key span { border-radius: 3px; padding: 0 0.4rem; margin-right: 0.8rem; }
"""


class Piece(NamedTuple):
    """Some tokens that are whole characters together. place: of the first one in the example."""

    place: int
    ids: tuple[int, ...]
    supervised: bool
    text: str


def pieces(input_ids: Sequence[int], loss_mask: Sequence[int], tokenizer: Decoder) -> Iterator[Piece]:
    """The tokens one by one; as few as may be together where one alone is no text. A piece is never half supervised."""
    place = 0
    while place < len(input_ids):
        size = 1
        while True:
            ids = tuple(input_ids[place : place + size])
            text = tokenizer.decode(ids, skip_special_tokens=False)
            following = place + size
            ends = following == len(input_ids) or loss_mask[following] != loss_mask[place] or size == MAX_BYTES
            if REPLACEMENT not in text or ends:
                break
            size += 1
        yield Piece(place, ids, bool(loss_mask[place]), text)
        place += size


def mask_page(examples: Iterable[Mapping[str, Any]], tokenizer: Decoder, *, control: Sequence[str], title: str) -> str:
    """The page. examples: rows of the table `examples`. control: texts of tokens that only the template writes."""
    shown = [_example(row, tokenizer, frozenset(control)) for row in examples]
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    key = ('<p class="key"><span class="s">supervised: what the assistant generates, end of turn included</span>'
           '<span>not supervised</span><span class="c">tokens of the template</span></p>')
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{key}{"".join(shown)}' \
           "</body></html>\n"


def _example(row: Mapping[str, Any], tokenizer: Decoder, control: frozenset[str]) -> str:
    tokens = "".join(_token(piece, control) for piece in pieces(row["input_ids"], row["loss_mask"], tokenizer))
    share = f"{sum(row['loss_mask']):,} of {len(row['input_ids']):,} tokens supervised"
    return f"<h2>{escape(row['trajectory_id'])}</h2><p>phase {row['phase']}, {share}</p><pre>{tokens}</pre>"


def _token(piece: Piece, control: frozenset[str]) -> str:
    names = [name for name, holds in (("s", piece.supervised), ("c", piece.text in control)) if holds]
    style = f' class="{" ".join(names)}"' if names else ""
    ids = " ".join(map(str, piece.ids))
    return f'<i{style} title="{piece.place}: {ids}">{escape(piece.text)}</i>'
