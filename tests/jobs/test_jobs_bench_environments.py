"""The environments benchmark measures what it says: valid calls of a certified environment of five tables."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "jobs"))

from benchmarks import environments

from rayscaler.environments.hosting import HostedEnvironment


@pytest.fixture(scope="module")
def shop() -> HostedEnvironment:
    return HostedEnvironment(environments.shop(), rows=environments.ROWS)


def test_the_measured_environment_has_five_tables_and_two_hundred_rows(shop: HostedEnvironment):
    session = shop.start(1)
    assert [len(session.rows(e.name)) for e in shop.spec.entities] == [40] * 5
    assert len(shop.spec.tools) == 19


@pytest.mark.parametrize("kind", ["read", "write", "get", "transition"])
def test_the_calls_succeed_and_only_writes_change_something(shop: HostedEnvironment, kind: str):
    session = shop.start(3)
    for call in environments.calls_of(shop, kind, 12, 3):
        result = session.call(*call)
        assert result.ok
        assert bool(result.changes) == (kind in ("write", "transition"))


def test_every_figure_has_its_cell(shop: HostedEnvironment):
    assert len(environments.reset_times(shop, 5, 1)) == 3
    assert len(environments.comparison(8, 1)) == 5
    live = environments.live_sessions(shop, 20, 0.05, 1)
    assert [cell.replace(",", "").replace(".", "").isdigit() for cell in live] == [True] * 6
    distance = environments.distances({"shop": shop.spec}, 8, 1)[0]
    assert distance[:2] == ["shop", "11"]
    assert all(0 <= float(cell) <= 1 for cell in distance[2:])
