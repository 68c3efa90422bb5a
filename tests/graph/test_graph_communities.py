"""Partitions keep to their sizes and do not depend on the order of the pairs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.graph.communities import LEFT_OVER, Undirected, blocks, modularity, partition, separation, undirected
from rayscaler.graph.louvain import louvain, louvain_each
from rayscaler.recipes import PartitionRecipe
from rayscaler.seeds import seed_of


def cliques(*sizes: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of cliques one after the other, each joined to the next by one edge."""
    starts = np.cumsum([0, *sizes])
    pairs = [(i, j) for a, b in pairwise(starts) for i in range(a, b) for j in range(i + 1, b)]
    pairs += [(int(b) - 1, int(b)) for b in starts[1:-1]]
    src, dst = np.array(pairs).T
    return src, dst


def alike(src, dst):
    return undirected(src, dst, np.full(len(src), 0.9))


def test_both_directions_become_one_edge_of_the_larger_weight_without_loops():
    graph = undirected(np.array([2, 1, 0, 3, 0]), np.array([1, 2, 0, 1, 2]), np.array([0.5, 0.9, 1.0, 0.7, -0.1]))
    assert graph.src_E.tolist() == [1, 1]
    assert graph.dst_E.tolist() == [2, 3]
    np.testing.assert_allclose(graph.weight_E, [0.9**4, 0.7**4])


def test_cliques_joined_by_an_edge_are_communities_and_small_ones_are_left_over():
    src, dst = cliques(8, 6, 3)
    labels = partition(18, alike(src, dst), PartitionRecipe(min_tools=5), louvain_each, 0)
    assert labels.tolist() == [0] * 8 + [1] * 6 + [LEFT_OVER] * 4


def test_a_large_community_is_cut_by_force_where_nothing_else_helps():
    src, dst = cliques(25)                                           # a clique has no better cut
    recipe = PartitionRecipe(min_tools=2, max_tools=10)
    labels = partition(25, alike(src, dst), recipe, louvain_each, 0)
    assert np.bincount(labels).max() <= 10
    assert (labels >= 0).all()


def test_a_community_that_fits_is_cut_again_if_it_falls_apart():
    src, dst = cliques(5, 5, 5, 5)

    def lumps(parts):                                                # an engine with a resolution limit
        first = parts[0].seed == seed_of(0, "partition")
        return [np.zeros(20, dtype=int)] if first else louvain_each(parts)

    apart = partition(20, alike(src, dst), PartitionRecipe(split=0.55), lumps, 0)
    whole = partition(20, alike(src, dst), PartitionRecipe(split=1.0), lumps, 0)
    assert apart.tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    assert whole.tolist() == [0] * 20


def test_modularity_of_two_triangles_joined_by_an_edge():
    graph = undirected(*cliques(3, 3), np.ones(7))
    by_hand = 6 / 7 - 2 * (7 / 14) ** 2                              # 6 of 7 edges inside, half the ends each side
    labels = np.array([0, 0, 0, 1, 1, 1])
    assert modularity(graph, labels) == pytest.approx(by_hand)
    assert separation(graph, [np.arange(3), np.arange(3, 6)]) == pytest.approx(by_hand / 0.5)
    assert modularity(graph, np.zeros(6, dtype=int)) == pytest.approx(0.0)
    assert modularity(Undirected(*(np.zeros(0, dtype=int),) * 3), labels) == 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 60), pairs=st.integers(0, 200), least=st.integers(1, 6),
       most=st.integers(6, 20))
def test_sizes_are_kept_and_the_order_of_pairs_does_not_matter(*, seed, n, pairs, least, most):
    rng = np.random.default_rng(seed)
    src, dst = rng.integers(0, max(n, 1), size=(2, pairs if n else 0))
    similarity = rng.uniform(0.3, 1.0, size=len(src)).astype(np.float32)
    recipe = PartitionRecipe(min_tools=least, max_tools=most)
    labels = partition(n, undirected(src, dst, similarity), recipe, louvain_each, 3)
    order = rng.permutation(len(src))
    again = partition(n, undirected(dst[order], src[order], similarity[order]), recipe, louvain_each, 3)
    assert labels.tolist() == again.tolist()
    assert len(labels) == n
    sizes = np.bincount(labels[labels >= 0])
    assert all(least <= size <= most for size in sizes)
    firsts = [int(np.flatnonzero(labels == label)[0]) for label in range(len(sizes))]
    assert firsts == sorted(firsts)


def test_louvain_leaves_the_global_random_generator_alone():
    import random

    random.seed(1)
    expected = random.random()
    random.seed(1)
    src, dst = cliques(6, 6)
    a = louvain(12, src, dst, np.ones(len(src)), resolution=1.0, seed=9)
    assert random.random() == expected
    assert a.tolist() == louvain(12, src, dst, np.ones(len(src)), resolution=1.0, seed=9).tolist()


def test_blocks_break_the_weakest_edges_and_hold_no_more_than_they_may():
    src, dst = cliques(4, 4, 4)                                      # 0-3, 4-7, 8-11, joined in a row
    weight = np.where((src == 3) & (dst == 4), 0.9, np.where((src == 7) & (dst == 8), 0.2, 0.8))
    graph = undirected(src, dst, weight)
    assert [b.tolist() for b in blocks(12, graph, 8)] == [[*range(8)], [*range(8, 12)]]
    assert [b.tolist() for b in blocks(12, graph, 12)] == [[*range(12)]]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 60), pairs=st.integers(0, 200), most=st.integers(1, 70))
def test_blocks_hold_every_node_once(*, seed, n, pairs, most):
    rng = np.random.default_rng(seed)
    src, dst = rng.integers(0, n, size=(2, pairs))
    found = blocks(n, undirected(src, dst, rng.uniform(0.3, 1.0, size=pairs)), most)
    assert sorted(np.concatenate(found).tolist()) == [*range(n)]
    assert max(map(len, found)) <= most
    assert all((np.diff(block) > 0).all() for block in found)


def test_a_graph_in_blocks_is_partitioned_like_each_of_them(monkeypatch):
    src, dst = cliques(6, 6, 6, 6)
    monkeypatch.setattr("rayscaler.graph.communities.MOST", 12)
    labels = partition(24, alike(src, dst), PartitionRecipe(min_tools=5), louvain_each, 0)
    assert labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
