"""Words that go in circles: n-gram repetition that tells a loop from a list.

A plain n-gram count calls a list of rows a loop: "Order 1 was placed online and will be sent to you on Monday. Order 2
was placed online …" repeats ten words per row. Two things tell them apart. In a loop, what comes after (or before) a
repeated n-gram repeats too; in a list, the values around it change. And words that stand in a tool's answer or that the
user said are quotes, however often they are said.

Not covered: loops that change a counter at every turn, and rows with more than 2n equal words between their values.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+")
_ASCII = bytes(ord(chr(byte).lower()) if _WORD.match(chr(byte)) else ord(" ") for byte in range(128)).ljust(256)
"""The bytes of ASCII text as words in lower case with spaces between: a fifth of the cost of the pattern."""


def repeated_words(spoken: Sequence[str], quoted: Iterable[str], *, n: int, max_repeats: int) -> str:
    """The first n-gram of words that `spoken` says more than `max_repeats` times in a loop, or an empty string.

    spoken: the agent's messages in order. quoted: texts that may be quoted from (tool answers, the user's words).
    """
    if not _may_loop(_words("\n".join(spoken)), n, max_repeats):
        return ""
    texts = [_words(text) for text in spoken]
    counts = Counter(gram for words in texts for gram in zip(*(words[i:] for i in range(n)), strict=False))
    often = {gram for gram, count in counts.items() if count > max_repeats}
    if not often:
        return ""
    places: dict[tuple[str, ...], list[tuple[int, int]]] = {}
    for number, words in enumerate(texts):
        for start in range(len(words) - n + 1):
            gram = tuple(words[start:start + n])
            if gram in often:
                places.setdefault(gram, []).append((number, start))
    loops = [
        " ".join(gram)
        for gram, found in places.items()
        if _same_around(texts, found, n) > max_repeats
    ]
    if not loops:
        return ""
    sources = [f" {' '.join(_words(text))} " for text in quoted]
    return next((loop for loop in loops if not any(f" {loop} " in source for source in sources)), "")


def _may_loop(words: list[str], n: int, max_repeats: int) -> bool:
    """Whether n words in a row occur more than `max_repeats` times each: without that, no n-gram can. Cheap.

    words: those of all messages, one after the other; a run across two messages is let through.
    """
    if len(words) < n + max_repeats:
        return False
    counts = Counter(words)
    # Of n words in a row one stands at a place that n divides: most texts are done with these places.
    for place in range(n - 1, len(words), n):
        first = last = place
        while first >= 0 and counts[words[first]] > max_repeats:
            first -= 1
        while last < len(words) and counts[words[last]] > max_repeats:
            last += 1
        if last - first > n:
            return True
    return False


def _same_around(texts: list[list[str]], places: list[tuple[int, int]], n: int) -> int:
    """How many of `places` stand in equal surroundings, by what is around them up to n words away.

    Equal on both sides counts, and so does equal on one side if it is n words long: a closing line of n words that ends
    many different messages is a habit, not a loop.
    """
    around = [(texts[number][max(0, start - n):start], texts[number][start + n:start + 2 * n])
              for number, start in places]
    both = Counter((tuple(before), tuple(after)) for before, after in around)
    one_side = Counter(("before", *before) for before, _ in around if len(before) == n)
    one_side.update(("after", *after) for _, after in around if len(after) == n)
    return max([*both.values(), *one_side.values()])


def _words(text: str) -> list[str]:
    if text.isascii():
        return text.encode().translate(_ASCII).decode().split()
    return _WORD.findall(text.lower())
