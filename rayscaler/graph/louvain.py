"""Louvain communities by igraph: the default engine of `partition` (the paper names Louvain)."""

from __future__ import annotations

import random

import igraph
import numpy as np


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
        found = graph.community_multilevel(weights=weight.tolist(), resolution=resolution)
    finally:
        igraph.set_random_number_generator(random)
    return np.asarray(found.membership, dtype=np.int64)
