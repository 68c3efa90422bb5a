"""One run with something deadly in every stage: it ends, what is deadly is named in `rejects`, the rest is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

import poison_works
from poison_works import dies, dies_played
from rayscaler import pipeline
from rayscaler.config import parse_config
from rayscaler.runs import open_run
from rayscaler.stages import compose, embed, evaluate, filter, ingest, materialize, rollout

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.by_hand, pytest.mark.timeout(900, func_only=True)]

POISON = (
    (ingest, "ReadSpecs", "PoisonSpecs"), (embed, "AverageTools", "PoisonVectors"),
    (materialize, "Materialize", "PoisonTools"), (compose, "ComposeTasks", "PoisonEnvironments"),
    (rollout, "PlayScripted", "PoisonTasks"), (filter, "JudgeTrajectories", "PoisonTrajectories"),
    (evaluate, "PlayEpisodes", "PoisonEpisodes"),
)  # fmt: skip


def test_what_is_deadly_in_each_stage_is_named_and_stops_nothing(
    ray_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for stage, work, poison in POISON:
        monkeypatch.setattr(stage, work, getattr(poison_works, poison))
    (tmp_path / "bomb.json").write_text(json.dumps({"openapi": "3.0.0", "info": {"title": "b", "version": "1"}}))
    values = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())
    values["ingest"]["sources"].append({"path": "bomb.json"})
    values["resources"] = {"shard_timeout_s": 20, "row_memory_gb": 0.3, "crash_budget": 20}
    values["compose"]["heldout_tasks"] = 0.4
    values["evaluate"] = {"trials": 1, "models": [{"name": "gold", "agent": {"error_rate": 0.0}}]}
    pipeline.run(parse_config(values, base=tmp_path), str(tmp_path / "run"))

    run = open_run(str(tmp_path / "run"))
    deadly = {"crashed", "out_of_memory", "timed_out"}
    found = [row for row in run.rejects().to_pylist() if row["reason"] in deadly]
    by_stage = {(row["stage"], row["reason"], row["key"]) for row in found}
    assert ("ingest", "crashed", "bomb:bomb.json") in by_stage
    assert ("embed", "timed_out", "googleapis/calendar/v3/calendar.colors.get") in by_stage
    assert ("materialize", "crashed", "amazonaws/connectcases/2022-10-03/CreateCase") in by_stage
    heldout = [row["task_id"] for row in run.table("tasks").to_pylist() if row["split"] != "train"]
    dead_items = [task for task in heldout if dies_played(task)]
    assert 0 < len(dead_items) < len(heldout)
    assert {("evaluate", "crashed", f"gold:heldout:{item}") for item in dead_items} <= by_stage
    unscored = [row["of"] for row in run.table("scores").to_pylist() if row["by"] == "item"]
    assert unscored == sorted(dead_items)
    assert run.table("episodes").num_rows + len(dead_items) == len(heldout)
    tasks, trajectories = run.table("tasks")["task_id"].to_pylist(), run.table("trajectories").to_pylist()
    dead_tasks = [task for task in tasks if dies(task)]
    dead_trajectories = [row["trajectory_id"] for row in trajectories if dies(row["trajectory_id"])]
    assert dead_tasks
    assert dead_trajectories
    assert {("rollout", "crashed", task) for task in dead_tasks} <= by_stage
    assert {("filter", "crashed", key) for key in dead_trajectories} <= by_stage
    [environment] = [e["environment_id"] for e in run.table("environments").to_pylist() if e["title"] == "tasks"]
    assert ("compose", "out_of_memory", environment) in by_stage
    assert len(by_stage) == len(found) == 4 + len(dead_tasks) + len(dead_trajectories) + len(dead_items)

    # Everything else is there: rows in are rows out and rows left out.
    assert run.table("tools").num_rows == run.table("embeddings").num_rows + 1
    assert len(trajectories) + len(dead_tasks) == len(tasks)
    assert run.table("verdicts").num_rows + len(dead_trajectories) == len(trajectories)
    spec_tools = sum(run.table("environments")["n_tools"].to_pylist())
    dropped = [row for row in run.rejects().to_pylist() if row["stage"] == "materialize" and "/" in row["key"]]
    assert spec_tools + len(dropped) == sum(run.table("domains")["n_tools"].to_pylist())
