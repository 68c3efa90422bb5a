"""Generated ids under other numbers: `ord-1007` becomes `ord-5293` wherever a conversation has it.

The number of a generated id means nothing, so a conversation under other numbers is as right as it was: verdicts
compare rows up to generated ids too. A model that meets other numbers in each epoch cannot remember them and must copy.

Works on tokens, one for one, so an example keeps its length and its mask. Covered: ids of the plain style (a word, a
hyphen, four digits or more) that the tokenizer cuts into tokens of digits alone. Not covered: UUIDs and names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from numpy.random import Generator

_ID = re.compile(r"(?<=[A-Za-z]-)\d{4,}(?![\d-])")

TRIES = 100
"""Numbers that are drawn for an id before it keeps its own, where others have taken them all."""


class Renamer:
    """Renames with one tokenizer. `texts` maps token ids to their text; only those of digits count."""

    def __init__(self, texts: Mapping[int, str]) -> None:
        self._texts = texts
        self._of_length: dict[int, list[int]] = defaultdict(list)
        for token, text in sorted(texts.items()):
            if text.isascii() and text.isdigit():
                self._of_length[len(text)].append(token)

    def __call__(self, input_ids: Sequence[int], rng: Generator) -> list[int]:
        """The same example under other numbers: equal ids stay equal, different ones different."""
        places = self._places(input_ids)
        taken = {tuple(input_ids[start:stop]) for start, stop in places}
        renamed: dict[tuple[int, ...], tuple[int, ...]] = {}
        found = list(input_ids)
        for start, stop in places:
            old = tuple(input_ids[start:stop])
            if old not in renamed:
                renamed[old] = self._drawn(old, taken, rng)
                taken.add(renamed[old])
            found[start:stop] = renamed[old]
        return found

    def _drawn(self, old: tuple[int, ...], taken: set[tuple[int, ...]], rng: Generator) -> tuple[int, ...]:
        for _ in range(TRIES):
            alike = [self._of_length[len(self._texts[token])] for token in old]
            new = tuple(tokens[int(rng.integers(len(tokens)))] for tokens in alike)
            if new not in taken:
                return new
        return old

    def _places(self, input_ids: Sequence[int]) -> list[tuple[int, int]]:
        """Where the numbers of ids stand, as ranges of tokens; numbers that share a token with other text are left."""
        starts, text = {}, ""
        for place, token in enumerate(input_ids):
            starts[len(text)] = place
            text += self._texts[token]
        starts[len(text)] = len(input_ids)
        spans = [match.span() for match in _ID.finditer(text)]
        return [(starts[a], starts[b]) for a, b in spans if a in starts and b in starts]
