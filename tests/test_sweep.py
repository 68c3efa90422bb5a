"""jobs/sweep.py: the same run over a grid of tau and resolution."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from rayscaler.errors import ConfigError
from rayscaler.runs import open_run

pytestmark = pytest.mark.ray

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def job() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sweep_job", ROOT / "jobs" / "sweep.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_runs_own_cell_is_what_partition_wrote_and_a_larger_tau_has_fewer_edges(job: ModuleType, smoke_run: Path):
    run = open_run(str(smoke_run))
    recipe = run.config["recipes"]
    own, strict = job.sweep(
        str(smoke_run), taus=[recipe["connect"]["tau"], 0.9], resolutions=[recipe["partition"]["resolution"]]
    )
    whole = run.table("coherence").to_pylist()[0]
    assert own["n_domains"] == run.table("domains").num_rows
    assert own["edges"] == run.table("edges").num_rows > strict["edges"]
    for name in ("inside", "outside", "modularity"):
        assert own[name] == pytest.approx(whole[name], abs=1e-4)


def test_a_tau_below_the_runs_own_is_refused(job: ModuleType, smoke_run: Path):
    with pytest.raises(ConfigError, match=r"--tau 0.1: the run kept only edges above 0.6"):
        job.sweep(str(smoke_run), taus=[0.1], resolutions=[1.0])


def test_the_plot_is_drawn(job: ModuleType, tmp_path: Path):
    pytest.importorskip("matplotlib")
    names = [name for name, _ in job.PANELS]
    job.plot([{"tau": tau, "resolution": 1.0, **dict.fromkeys(names, tau)} for tau in (0.6, 0.7)], tmp_path)
    first = (tmp_path / "coherence.svg").read_bytes()
    job.plot([{"tau": tau, "resolution": 1.0, **dict.fromkeys(names, tau)} for tau in (0.6, 0.7)], tmp_path)
    assert (tmp_path / "coherence.svg").read_bytes() == first
    assert (tmp_path / "coherence.png").stat().st_size > 10_000
