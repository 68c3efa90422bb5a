"""Tiles merged equal brute force, to the bit, for any tiling."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.errors import ShapeError
from rayscaler.graph.edges import Nearest, merge_nearest, nearest_in_tile, pairs_in_tile, ranks, tiles
from rayscaler.graph.edges_exact import DENSE, Hits, NumpyScreen, Screen, error_bound, exact_similarity


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, dtype=np.float64)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class LyingScreen:
    """A processor as bad as the proof allows: each product off by up to the error bound, either way."""

    def __init__(self, panel: int, seed: int) -> None:
        self.panel, self.rng = panel, np.random.default_rng(seed)

    def __call__(self, a_AD: np.ndarray, b_BD: np.ndarray, floor: float) -> Hits:
        product = a_AD.astype(np.float64) @ b_BD.T.astype(np.float64)
        product += self.rng.choice([-0.98, 0.98], product.shape) * error_bound(a_AD.shape[1])
        a_E, b_E = np.nonzero(product > floor)
        return Hits(a_E, b_E, product[a_E, b_E].astype(np.float32))


def tiled(
    vectors_ND: np.ndarray, *, block: int, tau: float, k: int, reverse: bool = False, screen: Screen | None = None
) -> Nearest:
    parts = [
        nearest_in_tile(vectors_ND[t.a : t.a_end], vectors_ND[t.b : t.b_end], tau=tau, k=k, same=t.same,
                        a_start=t.a, b_start=t.b, screen=screen)
        for t in tiles(len(vectors_ND), block)
    ]
    return merge_nearest(parts[::-1] if reverse else parts, k=k)


def brute_force(vectors_ND: np.ndarray, *, tau: float, k: int) -> list[tuple[int, int, np.float32]]:
    """Each pair in exact arithmetic on the same 26 digits."""
    whole = [[round(float(x) * 2**26) for x in row] for row in vectors_ND]
    found = []
    for i, a in enumerate(whole):
        near = []
        for j, b in enumerate(whole):
            exact = Fraction(sum(x * y for x, y in zip(a, b, strict=True)), 2**52)
            if i != j and exact > Fraction(tau):
                near.append((-float(np.float32(float(exact))), j))
        found += [(i, j, np.float32(-s)) for s, j in sorted(near)[:k]]
    return found


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 40), block=st.integers(1, 45), k=st.integers(1, 6),
       tau=st.sampled_from([-0.5, 0.0, 0.3, 0.8]), kinds=st.integers(1, 40), panel=st.integers(1, 50))
def test_any_tiling_gives_the_brute_force_top_k_to_the_bit(*, seed, n, block, k, tau, kinds, panel):
    rng = np.random.default_rng(seed)
    vectors_ND = unit(rng.normal(size=(kinds, 7)))[rng.integers(0, kinds, size=n)]   # with exact duplicates
    found = tiled(vectors_ND, block=block, tau=tau, k=k, reverse=bool(seed % 2), screen=NumpyScreen(panel))
    assert list(zip(found.src_E.tolist(), found.dst_E.tolist(), found.similarity_E, strict=True)) == brute_force(
        vectors_ND, tau=tau, k=k
    )


def test_384_dimensions_give_equal_bytes_for_every_tiling():
    rng = np.random.default_rng(5)
    vectors_ND = unit(rng.normal(size=(120, 384)) + 0.8)
    whole = tiled(vectors_ND, block=120, tau=0.3, k=15)
    assert len(whole) == 120 * 15
    for block in (1, 7, 64, 119):
        parts = tiled(vectors_ND, block=block, tau=0.3, k=15)
        assert all(x.tobytes() == y.tobytes() for x, y in zip(whole, parts, strict=True))


def test_a_screen_that_errs_as_far_as_it_may_changes_nothing():
    rng = np.random.default_rng(11)
    centres = unit(rng.normal(size=(6, 24)))
    near = unit(centres[rng.integers(0, 6, 300)] + 1e-5 * rng.normal(size=(300, 24)))   # k-th and next: 1e-10 apart
    tau = float(np.median(near[0] @ near.T))
    for k in (1, 5, 40):
        whole = tiled(near, block=300, tau=tau, k=k)
        for seed in range(3):
            lied = tiled(near, block=128, tau=tau, k=k, screen=LyingScreen(panel=50, seed=seed))
            assert all(np.array_equal(x, y) for x, y in zip(whole, lied, strict=True))


@pytest.mark.parametrize("dimension", [2, 7, 384, 1536])
def test_single_precision_stays_within_the_error_bound_in_any_order_of_summation(dimension):
    rng = np.random.default_rng(dimension)
    for shift in (0.0, 3.0):   # all of one sign: the sums grow, and so does the rounding
        a, b = unit(rng.normal(size=(40, dimension)) + shift), unit(rng.normal(size=(40, dimension)) + shift)
        rows, columns = (axis.ravel() for axis in np.indices((40, 40)))
        exact = exact_similarity(a, b, rows, columns).reshape(40, 40)
        one_by_one = np.zeros((40, 40), np.float32)
        for d in rng.permutation(dimension):
            one_by_one += np.outer(a[:, d], b[:, d])
        for single in (a @ b.T, one_by_one):
            assert np.abs(single - exact).max() < error_bound(dimension)


def test_few_pairs_and_the_whole_product_give_equal_bits():
    rng = np.random.default_rng(3)
    a, b = unit(rng.normal(size=(90, 384))), unit(rng.normal(size=(80, 384)))
    every = [axis.ravel() for axis in np.indices((90, 80))]
    whole = exact_similarity(a, b, *every)
    few = rng.permutation(len(whole))[: len(whole) // DENSE]
    assert exact_similarity(a, b, every[0][few], every[1][few]).tobytes() == whole[few].tobytes()


def test_without_k_every_pair_above_tau_comes_once():
    rng = np.random.default_rng(9)
    vectors_ND = unit(rng.normal(size=(70, 5)))
    found = set()
    for t in tiles(70, 32):
        pairs = pairs_in_tile(vectors_ND[t.a : t.a_end], vectors_ND[t.b : t.b_end], tau=0.4, same=t.same, a_start=t.a,
                              b_start=t.b, screen=NumpyScreen(16))
        assert not found & set(zip(pairs.src_E.tolist(), pairs.dst_E.tolist(), strict=True))
        found |= set(zip(pairs.src_E.tolist(), pairs.dst_E.tolist(), strict=True))
    assert found == {(s, d) for s, d, _ in brute_force(vectors_ND, tau=0.4, k=70) if s < d}


def test_a_similarity_of_exactly_tau_is_no_edge():
    vectors_ND = unit([[1, 0], [0.6, 0.8], [0, 1]])
    exact = nearest_in_tile(vectors_ND, vectors_ND, tau=-1, k=2, same=True)
    smallest_of_0 = float(Fraction(round(float(np.float32(0.6)) * 2**26) * 2**26, 2**52))
    assert len(exact) == 6
    above = nearest_in_tile(vectors_ND, vectors_ND, tau=smallest_of_0, k=2, same=True)
    assert [(s, d) for s, d in zip(above.src_E, above.dst_E, strict=True)] == [(1, 2), (2, 1)]


def test_duplicates_are_ordered_by_id():
    vectors_ND = unit([[1, 2, 3]] * 5)
    found = tiled(vectors_ND, block=2, tau=0.5, k=2)
    assert found.dst_E.tolist() == [1, 2, 0, 2, 0, 1, 0, 1, 0, 1]
    np.testing.assert_allclose(found.similarity_E, 1.0, atol=1e-6)


def test_merging_takes_text_ids_too():
    part = Nearest(np.array(["a", "a", "b"]), np.array(["c", "b", "a"]), np.array([0.9, 0.9, 0.8], dtype=np.float32))
    found = merge_nearest([part], k=1)
    assert found.src_E.tolist() == ["a", "b"]
    assert found.dst_E.tolist() == ["b", "a"]
    assert ranks(part.src_E).tolist() == [1, 2, 1]


def test_tiles_cover_the_upper_triangle_once():
    cells = [
        (i, j) for t in tiles(7, 3) for i in range(t.a, t.a_end) for j in range(t.b, t.b_end) if i <= j or not t.same
    ]
    assert sorted(cells) == [(i, j) for i in range(7) for j in range(i, 7)]
    assert list(tiles(0, 3)) == []


def test_nothing_near_gives_an_empty_result_and_so_does_nothing_at_all():
    assert len(nearest_in_tile(unit(np.eye(4)), unit(np.eye(4)), tau=0.1, k=3, same=True)) == 0
    assert len(merge_nearest([], k=3)) == 0


def test_vectors_of_another_length_are_refused():
    with pytest.raises(ShapeError, match="2 of 3 rows are not of unit length, first row 1"):
        nearest_in_tile(np.array([[1, 0], [2, 0], [0, np.nan]]), np.eye(2), tau=0, k=1, same=True)
    with pytest.raises(ShapeError, match="both sides must agree"):
        nearest_in_tile(np.eye(2), np.eye(3), tau=0, k=1, same=False)
    with pytest.raises(ShapeError, match="found 1 axes"):
        nearest_in_tile(np.ones(2), np.eye(2), tau=0, k=1, same=True)
