"""Stages with a model that refines, on Ray: what it says is taken or not, and no run asks twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from rayscaler import pipeline
from rayscaler.config import Config, parse_config
from rayscaler.display.refinements import refinements_report
from rayscaler.errors import ConfigError
from rayscaler.runs import open_run
from scripted_model import ScriptedModel, scripted_model

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
SMOKE = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())


def refining(server: ScriptedModel, *stages: str, answers: str = "", **more: Any) -> Config:
    """`smoke.yaml` with the scripted model in some stages."""
    knobs = {"model": "scripted", "base_url": server.base_url, "prompt_price": 2.0, "completion_price": 8.0, **more}
    values: dict[str, Any] = {**SMOKE, **{stage: {**SMOKE.get(stage, {}), "refine": knobs} for stage in stages}}
    resources = {"workers": 2, "model_calls": 8, "call_timeout_s": 20, "call_wait_s": 0.1, "answers": answers}
    return parse_config({**values, "resources": resources}, base=ROOT / "configs")


@pytest.fixture
def copies(smoke_run: Path, tmp_path: Path) -> list[str]:
    """Two copies of the finished run."""
    return [str(shutil.copytree(smoke_run, tmp_path / name)) for name in ("one", "two")]


def test_tasks_are_rephrased_and_a_run_elsewhere_with_the_same_answers_asks_nothing(copies, tmp_path):
    plain = open_run(copies[0]).table("tasks").to_pylist()
    with scripted_model("good") as server:
        # Only rephrased: values that a model thinks of make other tasks.
        config = refining(server, "compose", answers=str(tmp_path / "answers"), arguments=False)
        pipeline.run(config, copies[0], until="compose")
        seen = server.seen.copy()
        pipeline.run(config, copies[1], until="compose")
        assert server.seen == seen
    tasks, rows = (open_run(copies[0]).table(name).to_pylist() for name in ("tasks", "refinements"))
    assert [row["task_id"] for row in tasks] == [row["task_id"] for row in plain]
    assert sum(row["requests"] for row in rows) == seen["requests"]
    assert sum(row["prompt_tokens"] - row["cached_tokens"] + row["completion_tokens"] for row in rows) == (
        seen["prompt_tokens"] + seen["completion_tokens"])
    accepted = {row["subject"]: row["after"] for row in rows if row["status"] == "accepted"}
    assert len(accepted) > len(plain) / 2
    openings = {row["task_id"]: row["opening"] for row in plain}
    assert {row["task_id"]: row["opening"] for row in tasks} == openings | accepted
    again, known = (open_run(copies[1]).table(name).to_pylist() for name in ("tasks", "refinements"))
    assert again == tasks
    assert all(row["cached"] == row["attempts"] and row["cost"] == row["cached_cost"] for row in known)


@pytest.mark.slow
@pytest.mark.by_hand
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("persona", ["good", "hostile"])
def test_all_stages_with_a_model_account_for_every_question_and_stand_without_its_answers(persona, smoke_run, tmp_path):
    plain, run = open_run(str(smoke_run)), str(tmp_path / "run")
    with scripted_model(persona) as server:
        config = refining(server, "ingest", "link", "materialize", "compose")
        pipeline.run(config, run, until="compose")
        seen = server.seen.copy()
        pipeline.run(config, run, until="compose")
        assert server.seen == seen
    made, rows = open_run(run), open_run(run).table("refinements").to_pylist()
    assert {row["step"] for row in rows} >= {"describe", "judge_links", "redraft_schema", "arguments", "rephrase"}
    assert sum(row["requests"] for row in rows) == seen["requests"]
    tokens = sum(row["prompt_tokens"] + row["completion_tokens"] - row["cached_tokens"] for row in rows)
    assert tokens == seen["prompt_tokens"] + seen["completion_tokens"]
    same = {name: made.table(name).equals(plain.table(name)) for name in ("tools", "links", "environments", "tasks")}
    if persona == "hostile":
        assert all(row["after"] == row["before"] for row in rows)
        assert sum(row["status"] == "refused" for row in rows) > len(rows) / 2
        assert same == dict.fromkeys(same, True)
    else:
        assert sum(row["status"] == "accepted" for row in rows) > len(rows) / 2
        assert not same["tools"]
        assert not same["tasks"]
    console = Console(width=240, record=True)
    console.print(refinements_report(rows))
    assert "describe: " in console.export_text()


def test_a_model_that_is_not_there_is_named_before_anything_is_made(copies):
    with scripted_model("good") as server:
        config = refining(server, "compose")
    with pytest.raises(ConfigError, match=r"compose\.refine\.base_url: no server answers"):
        pipeline.run(config, copies[0], until="compose")


def test_without_a_model_every_fingerprint_is_what_it_was():
    plain = parse_config(SMOKE, base=ROOT / "configs")
    off = parse_config({**SMOKE, "compose": {**SMOKE["compose"], "refine": None}}, base=ROOT / "configs")
    assert [step.fingerprint for step in pipeline.steps(off)] == [step.fingerprint for step in pipeline.steps(plain)]
    assert "refine" not in plain.recipes.compose.identity()
