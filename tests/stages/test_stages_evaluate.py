"""Evaluation on held-out tasks: scripted sides and a model, scores, and grading again without a model.

The workers of both stages are called here as Ray calls them; one test goes through the pipeline.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fake_server import agent_row, fake_server
from rayscaler import pipeline
from rayscaler.canonical import dumps
from rayscaler.cli import app
from rayscaler.config import Config, load_config, parse_config
from rayscaler.display.reports import write_reports
from rayscaler.display.scores import regraded
from rayscaler.errors import ConfigError
from rayscaler.evaluation.calls import grade_call
from rayscaler.filters.judge import judge
from rayscaler.recipes import FilterRecipe, RolloutRecipe, ScriptedAgent
from rayscaler.record import Record
from rayscaler.resources import Resources
from rayscaler.rollouts.play import play
from rayscaler.runs import Run, open_run
from rayscaler.runtime.alone import joined
from rayscaler.runtime.conversations import Terms, share
from rayscaler.runtime.heldout import TaskSet
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.compose import task_row
from rayscaler.stages.evaluate import Given, PlayEpisodes, key_of
from rayscaler.stages.materialize import environment_row
from rayscaler.stages.score import CountGrades, GradeEpisodes
from rayscaler.table import to_arrow
from rayscaler.tables import ENVIRONMENTS, EPISODES, EVALUATION_CALLS, GRADES, REJECTS, SCORES, TASKS
from rayscaler.task import Task
from rayscaler.trajectory import Trajectory
from shop_tasks import shop, shop_tasks

SMOKE = Path(__file__).parents[2] / "configs" / "smoke.yaml"
MARK = "0123456789abcdef"
TASKS_HELD_OUT = [task.model_copy(update={"split": "heldout_domain" if number % 2 else "heldout_task"})
                  for number, task in enumerate(shop_tasks())]


def config_of(folder: Path, **evaluate: Any) -> Config:
    return parse_config({"name": "shop", "seed": 7, "evaluate": evaluate}, base=folder)


def put(store: Store, table: Any, rows: list[dict[str, Any]]) -> Ref:
    ref = Ref(table, MARK)
    store.write_part(ref, "part-00000-0.parquet", to_arrow(table, rows))
    store.write_record(ref, Record(
        table=str(table), fingerprint=MARK, stage="score", stage_version=1, recipe={}, seed=7, inputs={},
        rows=len(rows), files=1, content="", rows_in=0, reasons={}, seconds=1.5, rayscaler="0.1.0"))
    return ref


def evaluated(folder: Path, **evaluate: Any) -> Run:
    """A run in `folder` whose held-out tasks the configured models have played, graded and scored."""
    config, store = config_of(folder, **evaluate), Store(str(folder))
    recipe, tables = config.recipes.evaluate, (ENVIRONMENTS, TASKS, EPISODES, EVALUATION_CALLS, GRADES, SCORES)
    refs = {"environments": put(store, ENVIRONMENTS, [environment_row(shop().spec, {})]),
            "tasks": put(store, TASKS, [task_row(task) for task in TASKS_HELD_OUT])}
    terms = Terms(share(Resources(call_retries=0), 1), "journal")
    episodes, calls, names = [], [], [task.task_id for task in TASKS_HELD_OUT]
    for model in recipe.models:
        work = PlayEpisodes(Given(model.name, model.agent, recipe, 7, store, refs, {}, terms))
        kinds = ["heldout", *(["calls"] if model.agent.kind == "openai" and recipe.heldout.calls else [])]
        for kind in kinds:
            made = work([{"model": model.name, "kind": kind, "item": name} for name in names])
            episodes += made.rows["episodes"]
            calls += made.rows["evaluation_calls"]
    put(store, EVALUATION_CALLS, calls)
    played = put(store, EPISODES, episodes)
    graded = GradeEpisodes({}, config.recipes.score, store, refs, 7)(episodes)
    lost = put(store, REJECTS, [])
    scored = CountGrades(store, played, lost, put(store, GRADES, graded.rows["grades"]), 7)(0)
    put(store, SCORES, scored.rows["scores"])
    store.write_json({"config": config.model_dump(mode="json", exclude={"base"}),
                      "tables": {t.name: MARK for t in tables}, "stages": {"score": MARK}}, "run.json")
    return open_run(str(folder))


def values(run: Run, model: str, benchmark: str = "heldout", by: str = "all") -> dict[str, float]:
    rows = run.table("scores").to_pylist()
    return {r["metric"]: r["value"] for r in rows if (r["model"], r["benchmark"], r["by"]) == (model, benchmark, by)}


SCRIPTED = {"trials": 2, "models": [{"name": "gold", "agent": {"error_rate": 0.0}},
                                    {"name": "sloppy", "agent": {"error_rate": 1.0}}]}


@pytest.fixture(scope="module")
def scripted(tmp_path_factory) -> Run:
    """Played by a faultless agent and by one that always makes a mistake."""
    return evaluated(tmp_path_factory.mktemp("scripted"), **SCRIPTED, heldout={"verticals": ["*shop*"]})


def test_items_that_are_played_one_by_one_give_what_they_give_together(scripted):
    """So a shard whose worker dies can be taken apart."""
    recipe = config_of(Path(), **SCRIPTED).recipes.evaluate
    refs = {name: scripted.ref(name) for name in ("tasks", "environments")}
    terms = Terms(share(Resources(), 1), "journal")
    work = PlayEpisodes(Given("gold", recipe.models[0].agent, recipe, 7, scripted.store, refs, {}, terms))
    payload = [{"model": "gold", "kind": "heldout", "item": task.task_id} for task in TASKS_HELD_OUT]
    assert joined([work([row]) for row in payload]) == work(payload)
    assert key_of(payload[0]) == f"gold:heldout:{TASKS_HELD_OUT[0].task_id}"


def test_a_faultless_agent_scores_one_and_a_sloppy_one_what_the_filters_say(scripted):
    assert values(scripted, "gold")["pass^1"] == values(scripted, "gold")["pass^2"] == 1.0
    recipe = RolloutRecipe(agent=ScriptedAgent(error_rate=1.0), trials=2, max_calls=100)
    kept = []
    for task in TASKS_HELD_OUT:
        played = [play(task, shop(), recipe, trial=trial, seed=7) for trial in range(2)]
        kept.append([judge(t, task, shop().spec.identity, FilterRecipe()).kept for t in played])
    assert values(scripted, "sloppy")["pass^1"] == pytest.approx(sum(map(sum, kept)) / (2 * len(kept)))
    assert values(scripted, "sloppy")["pass^2"] == pytest.approx(sum(all(pair) for pair in kept) / len(kept))
    assert values(scripted, "sloppy")["pass^1"] < 0.5


def test_splits_verticals_and_lengths_have_scores_of_their_own(scripted):
    rows = [r for r in scripted.table("scores").to_pylist() if (r["model"], r["metric"]) == ("gold", "pass^1")]
    found = {(r["by"], r["of"]): r["n_items"] for r in rows}
    assert found["subset", "heldout_task"] + found["subset", "heldout_domain"] == len(TASKS_HELD_OUT)
    assert found["label", "vertical"] == len(TASKS_HELD_OUT)
    assert sum(n for (by, _), n in found.items() if by == "n_calls") == len(TASKS_HELD_OUT)


def test_graded_again_every_grade_and_score_is_the_stored_one_until_one_was_changed(scripted, tmp_path):
    config = config_of(tmp_path, **SCRIPTED)
    found = regraded(scripted, config)
    assert (found.n_episodes, found.grades, found.scores) == (len(scripted.table("episodes")), [], [])
    folder = tmp_path / "changed"
    shutil.copytree(scripted.store.uri, folder)
    grades = scripted.table("grades").to_pylist()
    put(Store(str(folder)), GRADES, [{**grades[0], "reward": 1.0 - grades[0]["reward"]}, *grades[1:]])
    assert len(regraded(open_run(str(folder)), config).grades) == 1


def test_the_command_shows_the_scores_and_grades_again(scripted, tmp_path):
    shown = CliRunner().invoke(app, ["scores", scripted.store.uri, "--output", str(tmp_path)]).output
    assert "sloppy" in shown
    assert "pass^2" in shown
    assert (tmp_path / "gold" / "heldout" / "results.json").is_file()
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({"name": "shop", "seed": 7, "evaluate": SCRIPTED}))
    again = CliRunner().invoke(app, ["scores", scripted.store.uri, "--again", str(config)]).output
    assert "every grade and every score is the stored one" in " ".join(again.split())


def test_the_reports_hold_every_episode_and_every_score(scripted, tmp_path):
    paths = list(write_reports(scripted, tmp_path))
    tau2 = json.loads((tmp_path / "sloppy" / "heldout" / "results.json").read_text())
    rewards = [s["reward_info"]["reward"] for s in tau2["simulations"]]
    assert len(rewards) == 2 * len(TASKS_HELD_OUT)
    assert sum(rewards) / len(rewards) == pytest.approx(values(scripted, "sloppy")["reward"])
    assert {task["id"] for task in tau2["tasks"]} == {task.task_id for task in TASKS_HELD_OUT}
    lm_eval = json.loads(next(p for p in paths if p.parent.name == "sloppy" and "results_" in p.name).read_text())
    assert lm_eval["groups"]["heldout"]["pass^1,none"] == values(scripted, "sloppy")["pass^1"]
    assert lm_eval["n-samples"]["heldout"] == {"original": len(TASKS_HELD_OUT), "effective": len(TASKS_HELD_OUT)}


def test_a_model_plays_whole_tasks_and_single_calls_and_a_dead_server_is_no_failure(tmp_path):
    with fake_server() as server:
        server.set(*(agent_row(task, shop(), seed=7) for task in TASKS_HELD_OUT))
        models = [{"name": "fake", "agent": {"kind": "openai", "model": "fake", "base_url": server.base_url}}]
        run = evaluated(tmp_path / "plays", trials=1, models=models)
        server.set(fault={"500": 1.0})
        gone = evaluated(tmp_path / "gone", trials=2, models=models)
    whole, calls = values(run, "fake"), values(run, "fake", "calls")
    assert (whole["pass^1"], whole["infrastructure"]) == (1.0, 0.0)
    assert calls["part:call"] == calls["part:tool"] == 1.0
    assert len(run.table("evaluation_calls")) > len(TASKS_HELD_OUT)
    assert values(gone, "fake") == values(gone, "fake", "calls") == {"infrastructure": 1.0, "unscored": 1.0}
    assert {row["reward"] for row in gone.table("grades").to_pylist()} == {None}


def test_a_call_is_right_by_tool_and_arguments_in_any_order():
    for task in TASKS_HELD_OUT:
        items = TaskSet("v", ("*",), 7).calls(task, shop()).found
        assert sum(len(item.payload) for item in items) == task.n_calls
        assert {item.group for item in items} == {task.task_id}
        for item in items:
            assert item.user.turns[0].messages[-1].role in ("user", "tool"), "the model is asked where gold called"
            assert grade_call(item.payload, reply(item.payload[::-1])).reward == 1.0
            assert grade_call(item.payload, reply(())).parts == {"tool": 0.0, "call": 0.0}
            wrong = [call.model_copy(update={"arguments": {**call.arguments, "zz": 1}}) for call in item.payload]
            assert grade_call(item.payload, reply(wrong)).parts == {"tool": 1.0, "call": 0.0}


def reply(calls: Any) -> Trajectory:
    return Trajectory(trajectory_id="t", task_id="t", environment_id="e", trial=0, steps=(), changes=(),
                      messages=[{"role": "assistant", "tool_calls": tuple(calls)}], stop_reason="turns_done")


@pytest.mark.parametrize(
    ("models", "text"),
    [
        ([], "needs at least one"),
        ([{"name": "a", "agent": {}}, {"name": "a", "agent": {}}], "each with its own name"),
        ([{"name": "a"}], "exactly one of `agent`, `phase` and `folder`"),
        ([{"name": "a", "agent": {}, "folder": "x"}], "exactly one of"),
    ],
)
def test_models_that_cannot_be_are_refused_by_name(models, text, tmp_path):
    with pytest.raises(ConfigError, match=text):
        config_of(tmp_path, models=models)


def smoke_with(**evaluate: Any) -> Config:
    """smoke.yaml with an evaluation."""
    config = load_config(SMOKE)
    given = config_of(SMOKE.parent, **evaluate).recipes
    return config.model_copy(update={"recipes": config.recipes.model_copy(
        update={"evaluate": given.evaluate, "score": given.score})})


def test_a_phase_needs_a_run_that_trains():
    with pytest.raises(ConfigError, match="it reads `checkpoints`, which no stage of this configuration makes"):
        pipeline.steps(smoke_with(models=[{"name": "a", "phase": "general"}]))


def test_only_what_an_evaluation_needs_is_made():
    config = smoke_with(models=[{"name": "a", "agent": {}}])
    names = [step.stage.NAME for step in pipeline.needed_by(pipeline.steps(config), "score")]
    assert names == ["ingest", "embed", "connect", "partition", "link", "materialize", "compose", "evaluate", "score"]


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_an_evaluation_is_a_stage_of_a_run(smoke_run, tmp_path):
    folder = str(tmp_path / "run")
    shutil.copytree(smoke_run, folder)
    config = smoke_with(trials=2, models=[{"name": "gold", "agent": {"error_rate": 0.0}}])
    results = pipeline.run(config, folder, only="score")
    assert [r.name for r in results if not r.skipped] == ["evaluate", "score"]
    run = open_run(folder)
    heldout = [t for t in map(Task.model_validate_json, run.table("tasks")["task"].to_pylist()) if t.split != "train"]
    assert heldout
    assert len(run.table("episodes")) == 2 * len(heldout)
    assert values(run, "gold")["pass^2"] == 1.0
    assert all(r.skipped for r in pipeline.run(config, folder, only="score"))
    assert dumps(run.table("grades").to_pylist())
