"""The graph benchmark measures what it says: everyone gets the same pairs, and differences are found."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

sys.path.append(str(Path(__file__).parents[2] / "jobs"))

from benchmarks import baselines, graph, measure


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> graph.Case:
    return graph.make_case(1500, 7, tmp_path_factory.mktemp("bench") / "case")


def pairs_of(case: graph.Case) -> set[tuple[int, int]]:
    similar = case.vectors_ND.astype(np.float64) @ case.vectors_ND.T.astype(np.float64)
    rows, columns = np.nonzero(np.triu(similar, 1) > case.tau)
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


def test_the_threshold_leaves_about_thirty_edges_per_tool(case: graph.Case):
    assert 2 * len(pairs_of(case)) / case.n == pytest.approx(graph.DEGREE, rel=0.25)


@pytest.mark.parametrize("method", baselines.METHODS)
def test_every_baseline_finds_the_pairs_of_the_upper_triangle(method: str, case: graph.Case):
    if method == "faiss":
        pytest.importorskip("faiss")
    src, dst, values = baselines.METHODS[method](case.vectors_ND, case.tau)
    found = set(zip(src.tolist(), dst.tolist(), strict=True))
    assert len(found) == len(src)
    assert len(found ^ pairs_of(case)) <= 1   # one pair defines tau, within rounding
    np.testing.assert_allclose(values, np.sum(case.vectors_ND[src] * case.vectors_ND[dst], axis=1), atol=2e-6)


def test_a_pair_too_few_far_from_tau_is_reported(case: graph.Case):
    src, dst, values = baselines.numpy_pairs(case.vectors_ND, case.tau)
    whole = pa.table({"src": src.astype(np.int32), "dst": dst.astype(np.int32), "similarity": values})
    (case.folder / "ours").mkdir()
    pq.write_table(whole, case.folder / "ours" / "part.parquet")
    pq.write_table(whole, case.folder / "numpy.parquet")
    nearest, furthest = np.argsort(values)[[0, -1]]
    for row, verdict in ((nearest, "differs in 1 pairs, at most .*: the same set"), (furthest, "NOT the same set")):
        pq.write_table(pa.concat_tables([whole.slice(0, row), whole.slice(row + 1)]), case.folder / "faiss.parquet")
        lines = graph._differences(case, ["numpy", "faiss"])
        assert lines[0].endswith("differs in 0 pairs: the same set")
        assert re.search(verdict, lines[1])


def test_memory_is_summed_over_descendants():
    with measure.peak_rss(0.01) as peak:
        kept = np.ones(50 * measure.MIB, np.uint8)
        measure.timed(kept.sum)
    assert peak[0] > 50 * measure.MIB
    assert measure.own_peak_mb() > 50


def test_repeats_are_joined_and_the_median_is_shown():
    time = measure.joined([measure.Timed([s], mb, [0.5]) for s, mb in ((3.0, 1.0), (1.0, 9.0), (2.0, 4.0))])
    assert (time.median_s, time.rss_mb) == (2.0, 9.0)
    assert time.cells() == ["2.00", "3.00 1.00 2.00", "9", "0.5 0.5 0.5"]
