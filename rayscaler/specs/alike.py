"""Which tools can repeat each other at all, told from 12 bytes of each: groups that nothing crosses.

`duplicates.py` compares tools that share a version's name, a route or a text. Tools that are linked so, over however
many others, are one group; a tool that shares nothing is in none, and no row of `duplicates` names it. So the rows of
all tools are those of the groups, found one after another.
"""

from __future__ import annotations

import numpy as np

from rayscaler.canonical import digest
from rayscaler.specs.duplicates import Signature

GROUPED = 2**15
"""Tools that are compared together, at least: 700 bytes each. More cost memory, fewer another reading of `tools`."""

Marks = tuple[int, int, int]


def marks_of(tool: Signature) -> Marks:
    """32 bits each of what versions, routes and texts are told by; 0 where there is none.

    Different tools share a mark now and then (two of 10 million in 11,600 pairs). Then a group is larger than it need
    be, and nothing else: whoever compares its tools compares their whole digests.
    """
    versions = digest([tool.vendor, tool.api, tool.name], length=8)
    versions_mark, route, text = (int(key[:8] or "0", 16) for key in (versions, tool.route, tool.text))
    return versions_mark, route, text


def groups_of(marks_N3: np.ndarray, *, at_least: int = GROUPED) -> list[np.ndarray]:
    """Rows of tools to be compared with each other (ascending, uint32): whole groups, as many as make `at_least` rows.

    marks_N3: uint32, a row per tool. Takes some 30 bytes per tool while it works.
    """
    labels_N = _labels([_first_alike(marks_N) for marks_N in marks_N3.T])
    led_N = labels_N != np.arange(len(labels_N), dtype=np.uint32)
    led_N[labels_N[led_N]] = True
    rows_M = np.flatnonzero(led_N).astype(np.uint32)
    rows_M = rows_M[np.argsort(labels_N[rows_M], kind="stable")]
    sorted_M = labels_N[rows_M]
    ends_G = np.append(np.flatnonzero(sorted_M[1:] != sorted_M[:-1]) + 1, len(rows_M))
    groups, start = [], 0
    while start < len(rows_M):
        stop = int(ends_G[np.searchsorted(ends_G, min(start + at_least, len(rows_M)))])
        groups.append(np.sort(rows_M[start:stop]))
        start = stop
    return groups


def _labels(firsts: list[np.ndarray]) -> np.ndarray:
    """The first row of each row's group (uint32, N); rows with the same entry in one of `firsts` are of one group."""
    labels_N = np.arange(len(firsts[0]), dtype=np.uint32)
    before_N = None
    while before_N is None or (labels_N != before_N).any():
        before_N = labels_N
        for first_N in firsts:
            least_N = labels_N.copy()
            np.minimum.at(least_N, first_N, labels_N)
            labels_N = least_N[first_N]
        labels_N = labels_N[labels_N]   # a long chain of links is gone along in doubling steps
    return labels_N


def _first_alike(marks_N: np.ndarray) -> np.ndarray:
    """The first row with each row's mark (uint32, N); a row without a mark is alone."""
    order_N = np.argsort(marks_N, kind="stable").astype(np.uint32)
    sorted_N = marks_N[order_N]
    begins_N = sorted_N == 0
    begins_N[:1] = True
    begins_N[1:] |= sorted_N[1:] != sorted_N[:-1]
    # The sorted place where each row's mark begins.
    start_N = np.where(begins_N, np.arange(len(order_N), dtype=np.uint32), np.uint32(0))
    np.maximum.accumulate(start_N, out=start_N)
    first_N = np.empty(len(marks_N), np.uint32)
    first_N[order_N] = order_N[start_N]
    return first_N
