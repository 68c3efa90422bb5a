"""What a visitor gets: the starter pool through the whole pipeline."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayscaler import pipeline
from rayscaler.config import load_config
from rayscaler.environments.certificate_coherence import check_pairs
from rayscaler.runs import Run, open_run

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.by_hand, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def run(ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = str(tmp_path_factory.mktemp("starter") / "run")
    pipeline.run(load_config(ROOT / "configs" / "starter.yaml"), folder)
    return open_run(folder)


def test_about_500_operations_of_a_dozen_services_become_ten_certified_environments_and_more(run: Run):
    tools = run.table("tools")
    assert 400 <= tools.num_rows <= 600
    assert len(set(zip(tools["vendor"].to_pylist(), tools["api"].to_pylist(), strict=True))) >= 12
    environments = run.table("environments").to_pylist()
    assert len(environments) >= 10
    assert all(row["n_tools"] >= 5 for row in environments)


@pytest.mark.parametrize("seed", [101, 102])
def test_what_one_tool_writes_another_sees_also_in_states_that_no_certificate_saw(run: Run, seed: int):
    shares = {}
    for row in run.environments():
        environment = run.environment(row["environment_id"])
        pairs = check_pairs(environment, environment.start(seed), seed=seed)
        tried = [pair.held for pair in pairs if pair.held is not None]
        if tried:
            shares[row["environment_id"]] = (sum(tried), len(tried))
    assert len(shares) >= 20
    assert sum(held for held, _ in shares.values()) >= 0.95 * sum(every for _, every in shares.values())


def test_fifty_trajectories_and_more_are_kept_and_become_examples(run: Run):
    verdicts = run.table("verdicts").to_pylist()
    assert sum(row["kept"] for row in verdicts) >= 50
    assert all(row["reason"] == "kept" for row in verdicts if row["kept"])
    examples = run.table("examples").to_pylist()
    assert len(examples) >= 50
    assert all(0 < row["n_supervised"] < row["n_tokens"] == len(row["input_ids"]) for row in examples)


def test_no_unplanted_conversation_is_dropped(run: Run):
    dropped = [row for row in run.table("verdicts").to_pylist() if not row["kept"] and not row["planted"]]
    assert dropped == []
