"""The tool graph cut into communities of a wanted size (AgentScaler section 2.1).

Nearest rows become one undirected weighted graph; an engine cuts it; communities that are too large are cut again
inside, at a growing resolution and at last by force; those that are too small are left over for `domains` to place.
Modularity cannot see communities that are small beside the whole graph and joins unlike ones (its resolution limit), so
a community that fits is cut again too if it falls apart by itself: if its own best cut is a clean one.

Invariant: same pairs, same recipe, same seed, same labels, whatever the order of the pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


MOST = 2**16
"""Nodes that an engine is given at once: some 200 MiB of igraph. The pools that were measured are smaller."""

EDGES_AT_ONCE = 2**16
"""Edges of `blocks` that are Python numbers at a time."""


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
    joined = (src_E != dst_E) & (similarity_E > 0)
    src_E, dst_E = src_E[joined].astype(np.int64), dst_E[joined].astype(np.int64)
    ends_E = np.minimum(src_E, dst_E) << 32 | np.maximum(src_E, dst_E)   # one number: half the memory of two
    del src_E, dst_E
    order = np.argsort(ends_E, kind="stable")
    ends_E = ends_E[order]
    first = np.flatnonzero(np.concatenate(([True], ends_E[1:] != ends_E[:-1]))[: len(ends_E)])
    similarity = similarity_E[joined][order]
    del order
    nearest = np.maximum.reduceat(similarity, first) if len(first) else similarity
    ends_E = ends_E[first]
    return Undirected(ends_E >> 32, ends_E & (2**32 - 1), nearest.astype(np.float64) ** SHARPNESS)


def partition(n: int, graph: Undirected, recipe: PartitionRecipe, engine: Engine, seed: int) -> np.ndarray:
    """One label per tool (int64, N): communities of `min_tools` to `max_tools`, numbered by their first tool; else -1.

    graph: undirected edges between tools below `n`. More than MOST tools are cut block by block (`blocks`).
    """
    if n == 0:
        return np.zeros(0, dtype=np.int64)
    parts: list[np.ndarray] = []
    everything = Piece(np.arange(n), graph)
    for members, inside in [everything] if n <= MOST else _pieces(*everything, blocks(n, graph, MOST)):
        labels_M = engine([Part(len(members), inside, recipe.resolution, seed_of(seed, "partition"))])[0]
        parts += _sized(list(_pieces(members, inside, _groups(labels_M))), recipe, engine, seed)
    return _numbered(n, [p for p in parts if len(p) >= recipe.min_tools])


def blocks(n: int, graph: Undirected, most: int) -> list[np.ndarray]:
    """Sorted members of blocks of at most `most` nodes.

    Single linkage with a limit: edges join blocks, the heaviest first, where both together have at most `most` nodes.
    So what an engine is not shown are the weakest edges, and it needs memory for `most` nodes, however many there are.
    """
    parent, size = list(range(n)), [1] * n

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = node = parent[parent[node]]
        return node

    order = np.lexsort((graph.dst_E, graph.src_E, -graph.weight_E))
    for start in range(0, len(order), EDGES_AT_ONCE):
        some = order[start : start + EDGES_AT_ONCE]
        for a, b in zip(graph.src_E[some].tolist(), graph.dst_E[some].tolist(), strict=True):
            into, other = root(a), root(b)
            if into != other and size[into] + size[other] <= most:
                parent[other] = into
                size[into] += size[other]
    return _packed(_groups(np.array([root(node) for node in range(n)])), most)


def _packed(groups: list[np.ndarray], most: int) -> list[np.ndarray]:
    """Groups laid together, the largest first, each where there is room: few blocks of nearly `most` nodes."""
    packed: list[list[np.ndarray]] = []
    sizes: list[int] = []
    for group in sorted(groups, key=lambda g: -len(g)):
        home = next((i for i, size in enumerate(sizes) if size + len(group) <= most), len(sizes))
        if home == len(sizes):
            packed.append([])
            sizes.append(0)
        packed[home].append(group)
        sizes[home] += len(group)
    return [np.sort(np.concatenate(members)) for members in packed]


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
    src_E, dst_E, most = labels_N[graph.src_E], labels_N[graph.dst_E], int(labels_N.max()) + 1
    degree = sum(np.bincount(ends, graph.weight_E, most) for ends in (src_E, dst_E))
    return float(graph.weight_E[src_E == dst_E].sum() / total - np.square(degree / (2 * total)).sum())


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


def _pieces(members: np.ndarray, graph: Undirected, groups: list[np.ndarray]) -> Iterator[Piece]:
    """Each group of positions in `members` with the edges inside it. One pass over all edges."""
    label_M = _labels(groups)
    place_M = np.zeros(len(label_M), dtype=np.int64)
    for group in groups:
        place_M[group] = np.arange(len(group))
    label_E = label_M[graph.src_E]
    inside = np.flatnonzero(label_E == label_M[graph.dst_E])
    inside = inside[np.argsort(label_E[inside], kind="stable")]
    ends = np.searchsorted(label_E[inside], np.arange(1, len(groups)))
    del label_E
    for group, e in zip(groups, np.split(inside, ends), strict=True):
        within = Undirected(place_M[graph.src_E[e]], place_M[graph.dst_E[e]], graph.weight_E[e])
        yield Piece(members[group], within)


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
