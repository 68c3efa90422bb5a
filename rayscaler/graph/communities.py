"""The tool graph cut into communities of a wanted size (AgentScaler section 2.1).

Nearest rows become one undirected weighted graph; an engine cuts it; communities that are too large are cut again
inside, at a growing resolution and at last by force; those that are too small are left over for `domains` to place.
Modularity cannot see communities that are small beside the whole graph and joins unlike ones (its resolution limit), so
a community that fits is cut again too if it falls apart by itself: if its own best cut is a clean one.

Invariant: same pairs, same recipe, same seed, same labels, whatever the order of the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from rayscaler.recipes import PartitionRecipe
from rayscaler.seeds import seed_of

LEFT_OVER = -1
"""Label of a tool in no community of at least `min_tools`."""

SHARPNESS = 4
"""Similarities above tau lie close together; their power pulls them apart. With it 3 times fewer tools of a 1,740-tool
pool were in domains of a cohesion below 0.78 (power 1: 368, power 4: 154, power 8: no clear gain)."""

ROUNDS = 6
"""How often a community may be cut again before it is cut by force; the resolution doubles from the second on."""


class Undirected(NamedTuple):
    """Each edge once, `src < dst`, sorted; float64 weights above 0."""

    src_E: np.ndarray
    dst_E: np.ndarray
    weight_E: np.ndarray


class Part(NamedTuple):
    """A graph to cut: `n` nodes, its edges, the resolution, and the seed of the engine's random numbers."""

    n: int
    edges: Undirected
    resolution: float
    seed: int


class Engine(Protocol):
    """Something that finds communities in graphs that have nothing to do with one another."""

    def __call__(self, parts: Sequence[Part]) -> list[np.ndarray]:
        """One integer label per node of each part."""
        ...


class Piece(NamedTuple):
    """Sorted members of the graph, and the edges among them with the ends as positions in `members`."""

    members: np.ndarray
    inside: Undirected


def undirected(src_E: np.ndarray, dst_E: np.ndarray, similarity_E: np.ndarray) -> Undirected:
    """Nearest rows as undirected edges: joined if either is near the other, weighted by similarity to the power of 4.

    Loops and similarities of 0 or less are left out: a modularity has no use for them.
    """
    low, high = np.minimum(src_E, dst_E).astype(np.int64), np.maximum(src_E, dst_E).astype(np.int64)
    kept = (low != high) & (similarity_E > 0)
    low, high, weight = low[kept], high[kept], similarity_E[kept].astype(np.float64) ** SHARPNESS
    order = np.lexsort((-weight, high, low))
    low, high, weight = low[order], high[order], weight[order]
    first = np.ones(len(low), dtype=bool)
    first[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return Undirected(low[first], high[first], weight[first])


def partition(  # noqa: PLR0917 (the graph is three arrays)
    n: int,
    src_E: np.ndarray,
    dst_E: np.ndarray,
    similarity_E: np.ndarray,
    recipe: PartitionRecipe,
    engine: Engine,
    seed: int,
) -> np.ndarray:
    """One label per tool (int64, N): communities of `min_tools` to `max_tools`, numbered by their first tool; else -1.

    src, dst: indices of tools below `n`, directed nearest rows in any order; similarity: float, same length.
    """
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    graph = undirected(src_E, dst_E, similarity_E)
    labels_N = engine([Part(n, graph, recipe.resolution, seed_of(seed, "partition"))])[0]
    groups = _groups(labels_N)
    parts = _sized(_pieces(np.arange(n), graph, groups), recipe, engine, seed)
    return _numbered(n, [p for p in parts if len(p) >= recipe.min_tools])


def _sized(pieces: list[Piece], recipe: PartitionRecipe, engine: Engine, seed: int) -> list[np.ndarray]:
    """Members of parts of at most `max_tools`: what is larger is cut, and so is what falls apart by itself.

    Level by level, so that an engine gets all pieces of a level at once.
    """
    done: list[np.ndarray] = []
    least = min(2 * recipe.min_tools, recipe.max_tools + 1)   # what is smaller cannot become two communities
    for level in range(1, ROUNDS + 1):
        done += [p.members for p in pieces if len(p.members) < least]
        pieces = [p for p in pieces if len(p.members) >= least]
        if not pieces:
            break
        cuts = engine([_part(piece, recipe, seed, level) for piece in pieces])
        deeper: list[Piece] = []
        for piece, labels_M in zip(pieces, cuts, strict=True):
            groups = _merged(_groups(labels_M), piece.inside, recipe)
            if len(piece.members) <= recipe.max_tools and separation(piece.inside, groups) <= recipe.split:
                done.append(piece.members)
            else:
                deeper += _pieces(*piece, groups)
        pieces = deeper
    return done + [members for piece in pieces for members in _cut(piece.members, recipe.max_tools)]


def _part(piece: Piece, recipe: PartitionRecipe, seed: int, level: int) -> Part:
    """The next cut of a piece.

    Modularity counts from the piece's own edges, so the first cut inside is a finer one without a larger resolution.
    """
    members, inside = piece
    resolution = recipe.resolution if len(members) <= recipe.max_tools else recipe.resolution * 2 ** (level - 1)
    return Part(len(members), inside, resolution, seed_of(seed, "split", level, int(members[0])))


def separation(graph: Undirected, groups: list[np.ndarray]) -> float:
    """How cleanly a graph falls into `groups`: modularity as a share of what so many equal groups can have, 1 - 1/k."""
    return modularity(graph, _labels(groups)) / (1 - 1 / len(groups)) if len(groups) > 1 else 0.0


def modularity(graph: Undirected, labels_N: np.ndarray) -> float:
    """Newman's modularity of a labelling at resolution 1: 0 for one community, towards 1 for many separate ones."""
    total = float(graph.weight_E.sum())
    if total == 0:
        return 0.0
    inside = labels_N[graph.src_E] == labels_N[graph.dst_E]
    ends = np.concatenate((labels_N[graph.src_E], labels_N[graph.dst_E]))
    degree = np.bincount(ends, weights=np.concatenate((graph.weight_E, graph.weight_E)))
    return float(graph.weight_E[inside].sum() / total - np.square(degree / (2 * total)).sum())


def _merged(groups: list[np.ndarray], inside: Undirected, recipe: PartitionRecipe) -> list[np.ndarray]:
    """Pieces of a cut below `min_tools` joined to the neighbour with the most weight that has room, smallest first.

    A finer resolution always breaks off crumbs; they belonged to the community that was cut.
    """
    label_N = _labels(groups)
    size = np.array([len(g) for g in groups], dtype=np.int64)
    for number in sorted(range(len(groups)), key=lambda g: (size[g], g)):
        if not 0 < size[number] < recipe.min_tools:
            continue
        a, b = label_N[inside.src_E], label_N[inside.dst_E]
        towards = np.where(a == number, b, a)
        between = (a != b) & ((a == number) | (b == number))
        pull = np.bincount(towards[between], weights=inside.weight_E[between], minlength=len(groups))
        pull[size + size[number] > recipe.max_tools] = 0
        if pull.max(initial=0) > 0:
            target = int(pull.argmax())
            label_N[label_N == number] = target
            size[target] += size[number]
            size[number] = 0
    return _groups(label_N)


def _pieces(members: np.ndarray, graph: Undirected, groups: list[np.ndarray]) -> list[Piece]:
    """Each group of positions in `members` with the edges inside it. One pass over all edges."""
    label_M = _labels(groups)
    place_M = np.zeros(len(label_M), dtype=np.int64)
    for group in groups:
        place_M[group] = np.arange(len(group))
    label_E = label_M[graph.src_E]
    inside = np.flatnonzero(label_E == label_M[graph.dst_E])
    inside = inside[np.argsort(label_E[inside], kind="stable")]
    ends = np.searchsorted(label_E[inside], np.arange(1, len(groups)))
    edges = (
        Undirected(place_M[graph.src_E[e]], place_M[graph.dst_E[e]], graph.weight_E[e]) for e in np.split(inside, ends)
    )
    return [Piece(members[group], within) for group, within in zip(groups, edges, strict=True)]


def _cut(members: np.ndarray, size: int) -> list[np.ndarray]:
    """Nearly equal pieces in index order: tool ids are sorted, so one API's tools stay side by side."""
    return list(np.array_split(members, -(-len(members) // size)))


def _groups(labels: np.ndarray) -> list[np.ndarray]:
    """The sorted members of each label, ordered by first member."""
    order = np.argsort(labels, kind="stable")
    edges = np.flatnonzero(np.diff(labels[order])) + 1
    return sorted(np.split(order, edges), key=lambda g: int(g[0])) if len(labels) else []


def _labels(groups: list[np.ndarray]) -> np.ndarray:
    """The inverse of `_groups`."""
    label_N = np.zeros(sum(len(g) for g in groups), dtype=np.int64)
    for number, group in enumerate(groups):
        label_N[group] = number
    return label_N


def _numbered(n: int, parts: list[np.ndarray]) -> np.ndarray:
    labels = np.full(n, LEFT_OVER, dtype=np.int64)
    for number, part in enumerate(sorted(parts, key=lambda p: int(p[0]))):
        labels[part] = number
    return labels
