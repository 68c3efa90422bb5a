"""The whole pipeline on real specifications: accounting, skipping, equal rows however it is run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from rayscaler import pipeline
from rayscaler.config import Config, parse_config
from rayscaler.environment import EnvironmentSpec
from rayscaler.errors import ConfigError
from rayscaler.runs import Run, open_run
from rayscaler.runtime.graph_tool import find_interpreter, imports_here
from rayscaler.stages import evaluate, score, train
from rayscaler.table import check_key
from rayscaler.tables import CATALOGUE, OF_STAGES

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[1]
STAGES = ["ingest", "embed", "connect", "partition", "link", "materialize", "compose", "rollout", "filter", "curate"]


def smoke(**changes: Any) -> Config:
    values = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text())
    return parse_config({**values, **changes}, base=ROOT / "configs")


@pytest.fixture(scope="module")
def run(smoke_run: Path) -> Run:
    return open_run(str(smoke_run))


@pytest.fixture
def copy(smoke_run: Path, tmp_path: Path) -> str:
    return str(shutil.copytree(smoke_run, tmp_path / "copy"))


def left_out(run: Run, stage: str) -> int:
    return sum(row["stage"] == stage for row in run.rejects().to_pylist())


def test_every_table_is_whole_in_its_schema_with_unique_keys(run: Run):
    written = {record.table for record in run.tables()}
    asked = {str(table) for table in CATALOGUE.values() if table.name not in OF_STAGES}
    asked -= {str(table) for stage in (train, evaluate, score) for table in stage.WRITES}
    assert written == asked
    for record in run.tables():
        table = CATALOGUE[record.table.split("@")[0]]
        rows = run.table(table.name)
        assert rows.schema.equals(table.schema)
        assert rows.num_rows == record.rows
        check_key(table, rows)


def test_nothing_is_lost_on_the_way(run: Run):
    tools = run.table("tools").num_rows
    assert run.table("embeddings").num_rows + left_out(run, "embed") == tools
    in_domains = sum(run.table("domains")["n_tools"].to_pylist())
    assert in_domains + left_out(run, "partition") == run.table("embeddings").num_rows
    placed = sorted(tool for tools in run.table("domains")["tool_ids"].to_pylist() for tool in tools)
    specs = [EnvironmentSpec.model_validate_json(text) for text in run.table("environments")["spec"].to_pylist()]
    kept = [tool.tool_id for spec in specs for tool in spec.tools]
    dropped = [row["key"] for row in run.rejects().to_pylist() if row["stage"] == "materialize" and "/" in row["key"]]
    assert sorted(kept + dropped) == placed
    assert run.table("trajectories").num_rows == run.table("tasks").num_rows
    assert run.table("verdicts").num_rows == run.table("trajectories").num_rows
    assert run.table("examples").num_rows + left_out(run, "curate") == run.table("trajectories").num_rows


def test_references_between_tables_hold(run: Run):
    def column(table: str, name: str) -> set[str]:
        return set(run.table(table)[name].to_pylist())

    placed = {tool for tools in run.table("domains")["tool_ids"].to_pylist() for tool in tools}
    assert placed <= column("tools", "tool_id")
    assert column("links", "src") | column("links", "dst") <= placed
    assert column("environments", "environment_id") <= column("domains", "domain_id")
    assert column("tasks", "environment_id") <= column("environments", "environment_id")
    assert column("trajectories", "task_id") == column("tasks", "task_id")
    assert column("examples", "trajectory_id") <= column("verdicts", "trajectory_id")


def test_a_second_run_builds_nothing_and_needs_no_ray(copy: str, monkeypatch: pytest.MonkeyPatch):
    before = {path: path.stat().st_mtime_ns for path in Path(copy).rglob("*.parquet")}
    monkeypatch.setattr(pipeline, "connected", lambda _: pytest.fail("Ray was asked for"))
    results = pipeline.run(smoke(), copy)
    assert [result.name for result in results] == STAGES
    assert all(result.skipped for result in results)
    assert {path: path.stat().st_mtime_ns for path in Path(copy).rglob("*.parquet")} == before
    assert all(stage.whole for stage in pipeline.plan(smoke(), copy))


def test_a_changed_knob_makes_its_stage_and_those_after_it_again(copy: str):
    changed = smoke(filter={"max_repeats": 9})
    planned = {stage.name: stage for stage in pipeline.plan(changed, copy)}
    assert [name for name in STAGES if not planned[name].whole] == ["filter", "curate"]
    assert planned["filter"].why == "not made yet"
    assert planned["curate"].why == "needs filter"


def test_until_stops_after_the_named_stage(tmp_path: Path):
    with pytest.raises(ConfigError, match="there is no stage 'linc'; the stages are ingest, embed"):
        pipeline.run(smoke(), str(tmp_path), until="linc")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_one_worker_and_several_give_equal_rows(run: Run, ray_here: None, tmp_path: Path):
    pipeline.run(smoke(resources={"workers": 1}), str(tmp_path / "one"))
    one = open_run(str(tmp_path / "one"))
    assert {r.table: r.content for r in one.tables()} == {r.table: r.content for r in run.tables()}
    assert one.rejects().equals(run.rejects())


def test_a_perfect_agent_keeps_every_trajectory(copy: str, ray_here: None):
    perfect = smoke(rollout={"agent": {"error_rate": 0.0}})
    results = {result.name: result for result in pipeline.run(perfect, copy, until="filter")}
    assert results["compose"].skipped
    assert not results["filter"].skipped
    verdicts = open_run(copy).table("verdicts").to_pylist()
    assert verdicts
    assert [row for row in verdicts if not row["kept"]] == []


@pytest.mark.graph_tool
def test_graph_tool_partitions_the_same_pool(copy: str, ray_here: None):
    if not imports_here() and find_interpreter() is None:
        pytest.skip("needs graph-tool: apt-get install python3-graph-tool, or conda-forge")
    pipeline.run(smoke(partition={"engine": "graph-tool"}), copy, until="partition")
    domains = open_run(copy).table("domains")
    assert domains.num_rows >= 3
    assert max(domains["n_tools"].to_pylist()) <= 60
