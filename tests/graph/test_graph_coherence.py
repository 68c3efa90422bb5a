"""Coherence is what comparing every pair of tools one by one would give."""

from __future__ import annotations

import io
from itertools import combinations, product

import numpy as np
import pytest
from rich.console import Console

from rayscaler.display.domains import domains_report, second_vendor
from rayscaler.graph.coherence import EVERYTHING, coherence, coherence_rows, totals
from rayscaler.table import check_key, to_arrow
from rayscaler.tables import COHERENCE
from rayscaler.toolspec import ToolSpec


def tool(vendor: str, api: str, noun: str, number: int) -> ToolSpec:
    return ToolSpec(tool_id=f"{vendor}/{api}/1/{noun}{number}", name=f"get_{noun}", vendor=vendor, api=api,
                    resources=(noun,), parameters={}, format="test")


TOOLS = [tool("acme", "shop", "orders", i) for i in range(3)] + [tool("rival", "mall", "orders", i) for i in range(2)]
TOOLS += [tool("acme", "shop", noun, 9) for noun in ("carts", "items", "labels")]
GROUPS = [[0, 1, 2, 3, 4], [5, 6], [7]]


def unit_rows(n: int, dimension: int = 6) -> np.ndarray:
    rows = np.random.default_rng(4).standard_normal((n, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_similarities_are_means_over_pairs():
    vectors = unit_rows(8)
    found = coherence(GROUPS, TOOLS, vectors)
    for number, group in enumerate(GROUPS):
        pairs = [float(vectors[a] @ vectors[b]) for a, b in combinations(group, 2)]
        assert found[number].inside == pytest.approx(np.mean(pairs) if pairs else 1.0, abs=1e-5)
        others = {n: np.mean([vectors[a] @ vectors[b] for a, b in product(group, GROUPS[n])])
                  for n in range(3) if n != number}
        assert found[number].nearest == max(others, key=others.get)
        assert found[number].outside == pytest.approx(max(others.values()), abs=1e-5)


def test_purity_is_the_share_of_the_most_frequent():
    first = coherence(GROUPS, TOOLS, unit_rows(8))[0]
    assert first.api_purity == pytest.approx(3 / 5)
    assert first.noun_purity == 1.0
    assert (first.n_nouns, first.n_apis, first.n_vendors) == (1, 2, 2)


def test_totals_count_each_domain_by_its_size():
    found = coherence(GROUPS, TOOLS, unit_rows(8))
    whole = totals(found)
    assert whole.inside == pytest.approx((5 * found[0].inside + 2 * found[1].inside + 1 * found[2].inside) / 8)
    assert whole.share_5_to_60 == 5 / 8
    assert (whole.n_domains, whole.n_tools, whole.mixed_vendors, whole.mixed_apis, whole.largest) == (3, 8, 1, 1, 5)
    assert totals([]).n_domains == 0


def rows() -> tuple[list[dict], list[dict]]:
    domains = [
        {"domain_id": f"d{n}", "title": f"domain {n}", "tool_ids": [TOOLS[i].tool_id for i in group],
         "n_tools": len(group), "vendors": sorted({TOOLS[i].vendor for i in group}),
         "apis": sorted({f"{TOOLS[i].vendor}/{TOOLS[i].api}" for i in group})}
        for n, group in enumerate(GROUPS)
    ]  # fmt: skip
    return coherence_rows(coherence(GROUPS, TOOLS, unit_rows(8)), domains, 0.5), domains


def test_the_rows_fit_the_table_and_the_first_is_of_all():
    measured, _ = rows()
    check_key(COHERENCE, to_arrow(COHERENCE, measured))
    assert measured[0]["domain_id"] == EVERYTHING
    assert (measured[0]["n_apis"], measured[0]["n_vendors"], measured[0]["modularity"]) == (2, 2, 0.5)
    assert [row["domain_id"] for row in measured[1:]] == ["d0", "d1", "d2"]


def test_one_domain_has_no_other():
    only = coherence([[0, 1]], TOOLS, unit_rows(8))[0]
    assert (only.nearest, only.outside) == (-1, 0.0)
    assert coherence([], TOOLS, unit_rows(8)) == []


def test_the_report_names_what_mixes_vendors():
    measured, domains = rows()
    console = Console(width=110, record=True, file=io.StringIO())
    console.print(domains_report(measured, domains))
    text = console.export_text()
    assert "1 domains mix vendors" in text
    assert "acme/shop, rival/mall" in text
    assert "62.5%" in text                                            # 5 of 8 tools are in a domain of 5 to 60
    assert second_vendor(domains[0]) == 2 / 5
    assert second_vendor(domains[1]) == 0.0
