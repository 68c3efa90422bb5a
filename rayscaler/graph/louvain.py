"""Louvain communities by igraph: the default engine of `partition` (the paper names Louvain)."""

from __future__ import annotations

import random
from collections.abc import Sequence

import igraph
import numpy as np

from rayscaler.graph.communities import Part


def louvain_each(parts: Sequence[Part]) -> list[np.ndarray]:
    """`louvain` of each part."""
    return [louvain(part.n, *part.edges, resolution=part.resolution, seed=part.seed) for part in parts]


def louvain(
    n: int, src: np.ndarray, dst: np.ndarray, weight: np.ndarray, *, resolution: float, seed: int
) -> np.ndarray:
    """The community of each of `n` nodes, an int64 label from 0, by multilevel modularity at `resolution`.

    src, dst, weight: each undirected edge once, weights positive. igraph visits nodes in random order; `seed` fixes it,
    so equal input gives equal labels. Not safe for threads: igraph has one random generator per process.
    """
    graph = igraph.Graph(n=n, edges=np.column_stack((src, dst)))
    igraph.set_random_number_generator(random.Random(seed))
    try:
        found = graph.community_multilevel(weights=weight, resolution=resolution)
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership, dtype=np.int64)
