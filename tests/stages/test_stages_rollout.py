"""The rollout stage with a model behind a server: a killed worker's conversations are played elsewhere, each once."""

from __future__ import annotations

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fake_server import FakeServer, agent_row, fake_server
from rayscaler import pipeline
from rayscaler.config import load_config
from rayscaler.errors import ConfigError
from rayscaler.recipes import Endpoint, RolloutRecipe
from rayscaler.resources import Resources
from rayscaler.rollouts.play import trajectory_id
from rayscaler.runs import open_run
from rayscaler.runtime.conversations import JOURNAL
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS
from rayscaler.task import Task
from rayscaler.trajectory import Trajectory

pytestmark = [pytest.mark.ray, pytest.mark.timeout(420)]

CONFIG = load_config(Path(__file__).parents[2] / "configs" / "smoke.yaml")
IN_FLIGHT = 8


def tasks_of(run: str) -> list[Task]:
    return [Task.model_validate_json(row["task"]) for row in open_run(run).table("tasks").to_pylist()]


def replay(server: FakeServer, run: str, tasks: list[Task]) -> None:
    """Have the server say what the faultless agent says in every task of the run."""
    fingerprint = next(r.fingerprint for r in open_run(run).tables() if r.table.startswith("environments@"))
    hosts = Hosts(Store(run), Ref(ENVIRONMENTS, fingerprint))
    server.set(*(agent_row(task, hosts[task.environment_id], seed=CONFIG.seed) for task in tasks), latency=0.1)


def with_agent(agent: Endpoint):
    """`smoke.yaml` with a model as its agent and two workers."""
    recipes = CONFIG.recipes.model_copy(update={"rollout": RolloutRecipe(agent=agent)})
    return CONFIG.model_copy(update={
        "recipes": recipes, "resources": Resources(workers=2, model_calls=IN_FLIGHT, call_retries=2)})


def kill_a_worker(server: FakeServer, dashboard: str) -> None:
    """SIGKILL one of the actors that play, once the server has answered for a while."""
    from ray.util.state import list_actors

    deadline = time.monotonic() + 90
    while server.stats()["requests"] < 60 and time.monotonic() < deadline:
        time.sleep(0.05)
    actors = list_actors(address=dashboard, filters=[("state", "=", "ALIVE")], timeout=20)
    playing = [actor.pid for actor in actors if "MapWorker" in actor.class_name]
    assert playing, [actor.class_name for actor in actors]
    os.kill(playing[0], signal.SIGKILL)


def test_a_killed_worker_s_conversations_are_played_elsewhere_and_none_twice(smoke_run, ray_dashboard, tmp_path):
    run = str(tmp_path / "run")
    shutil.copytree(smoke_run, run)
    tasks = tasks_of(run)
    with fake_server() as server, ThreadPoolExecutor(1) as background:
        replay(server, run, tasks)
        config = with_agent(server.endpoint())
        done = background.submit(pipeline.run, config, run, until="rollout")
        kill_a_worker(server, ray_dashboard)
        done.result(timeout=120)
        stats = server.stats()
    found = open_run(run)
    rows, calls = found.table("trajectories").to_pylist(), found.table("model_calls").to_pylist()
    assert [row["trajectory_id"] for row in rows] == [trajectory_id(t, config.recipes.rollout, 0) for t in tasks]
    assert {row["stop_reason"] for row in rows} == {"user_stop"}
    assert {row["agent"] for row in rows} == {"fake"}
    recorded = [Trajectory.model_validate_json(row["trajectory"]) for row in rows]
    replies = sum(message.role == "assistant" for trajectory in recorded for message in trajectory.messages)
    assert len(calls) == replies
    assert stats["most_in_flight"] <= IN_FLIGHT
    lost = stats["requests"] - replies      # what the dead worker had begun; what it had ended was in the journal
    assert 0 <= lost <= IN_FLIGHT * max(row["n_messages"] for row in rows)
    assert Store(run).names(JOURNAL) == []


def test_a_server_that_is_not_there_is_named_before_a_worker_starts(smoke_run, tmp_path):
    run = str(tmp_path / "run")
    shutil.copytree(smoke_run, run)
    with fake_server() as server:
        gone = with_agent(server.endpoint())
    with pytest.raises(ConfigError, match=r"rollout\.agent\.base_url: no server answers at http://127\.0\.0\.1"):
        pipeline.run(gone, run, until="rollout")
