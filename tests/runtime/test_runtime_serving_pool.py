"""The pool on Ray Serve with real vLLM engines and a tiny Qwen3: models play both sides while an engine is killed."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest

from rayscaler import pipeline
from rayscaler.config import Config, parse_config
from rayscaler.runs import open_run
from rayscaler.runtime import serving_pool
from rayscaler.runtime.serving_app import app_name
from rayscaler.runtime.serving_health import models_of
from rayscaler.runtime.serving_pool import pool, replicas, running, stop
from rayscaler.runtime.serving_process import free_port
from rayscaler.trajectory import ErrorType
from tiny_model import write_tiny_adapter, write_tiny_model

pytestmark = [pytest.mark.vllm, pytest.mark.ray, pytest.mark.timeout(1800)]

REPLY = {"max_tokens": 24, "options": {"chat_template_kwargs": {"enable_thinking": False}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def config(folder: Path) -> Config:
    """The smoke run, played by two engines of a tiny model."""
    model = write_tiny_model(folder / "model")
    return parse_config({
        "name": "served",
        "serve": {"tiny": {"source": str(model), "max_model_len": 16000,
                           "adapters": {"loud": str(write_tiny_adapter(model, folder / "loud"))}}},
        "ingest": {"sources": [{"package": "google-api-python-client", "apis": ["tasks"]}]},
        "compose": {"tasks": 4, "attempts": 20},
        "rollout": {"trials": 8, "max_turns": 6, "agent": {"kind": "openai", "model": "tiny", **REPLY},
                    "user": {"kind": "openai", "model": "tiny", **REPLY}},
        "curate": {"vocabulary": 512},
        "resources": {"workers": 1, "worker_cpus": 0.5, "model_calls": 6, "call_retries": 20, "call_wait_s": 2,
                      "serving": {
            "port": free_port(), "device": "cpu", "drain_s": 60,
            "models": {"tiny": {"min_replicas": 2, "max_replicas": 2, "cpus": 0.5}}}},
    }, base=folder)  # fmt: skip


@pytest.fixture(scope="module")
def base_url(ray_here: None, config: Config) -> Iterator[str]:
    with pool(config.serve, config.resources.serving) as found:
        yield found


def asked(base_url: str, model: str, **knobs: Any) -> Any:
    """What the server answers to a greeting."""
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}], "max_tokens": 8, "temperature": 0,
            **REPLY["options"], **knobs}  # fmt: skip
    return httpx2.post(f"{base_url}/chat/completions", json=body, timeout=120)


def say(base_url: str, model: str) -> Any:
    """The words of its answer, or the status where there are none."""
    answer = asked(base_url, model)
    return answer.json()["choices"][0]["message"]["content"] if answer.status_code == 200 else answer.status_code


def engines() -> list[psutil.Process]:
    """The processes of the replicas."""
    return [p for p in psutil.process_iter() if "ServeReplica" in _command(p) and "Server:tiny" in _command(p)]


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_it_answers_under_its_models_names_and_a_second_block_uses_the_same_pool(base_url, config):
    assert models_of(base_url) == ["tiny"]
    before = sorted(p.pid for p in engines())
    with pool(config.serve, config.resources.serving) as again:
        assert again == base_url
    assert running(config.serve)
    assert sorted(p.pid for p in engines()) == before
    assert replicas(config.serve) == {"tiny": {"RUNNING": 2}}


def test_an_adapter_is_asked_for_by_name_and_says_something_else(base_url):
    assert say(base_url, "tiny") == say(base_url, "tiny") != say(base_url, "tiny:loud")
    assert isinstance(say(base_url, "tiny:none"), int)


def kill_under_load(run: Path, killed: list[int], over: threading.Event) -> None:
    """SIGKILL one of the two replicas, with six calls in flight, once some conversations have ended; note whom."""
    while len(list(run.glob("journal/**/*.json"))) < 3:
        if over.wait(0.05):
            return
    victim = engines()[0]
    killed += [victim.pid, *(child.pid for child in victim.children(recursive=True))]
    os.kill(victim.pid, signal.SIGKILL)


def test_an_engine_that_is_killed_under_load_loses_no_conversation(base_url, config, tmp_path):
    run, killed = tmp_path / "run", []
    pipeline.run(config, str(run), until="compose")
    over = threading.Event()
    killer = threading.Thread(target=kill_under_load, args=(run, killed, over))
    killer.start()
    try:
        pipeline.run(config, str(run), until="filter")
    finally:
        over.set()
        killer.join()
    assert killed, "all conversations had ended before an engine could be killed"
    opened = open_run(str(run))
    played = opened.table("trajectories").to_pylist()
    tasks = opened.table("tasks")["task_id"].to_pylist()
    assert Counter(row["task_id"] for row in played) == dict.fromkeys(tasks, config.recipes.rollout.trials)
    assert {row["error_type"] for row in played} <= {ErrorType.NONE, ErrorType.AGENT, ErrorType.USER}
    calls = opened.table("model_calls").to_pylist()
    assert {row["model"] for row in calls} == {"tiny"}
    assert {row["side"] for row in calls} == {"agent", "user"}
    assert sum(row["retries"] for row in calls) >= 1
    assert len(killed) > 1
    assert not [pid for pid in killed if psutil.pid_exists(pid)]
    assert opened.table("verdicts").num_rows == len(played)


def test_a_killed_engine_is_replaced(base_url, config):
    deadline = time.monotonic() + 900
    while replicas(config.serve) != {"tiny": {"RUNNING": 2}} and time.monotonic() < deadline:
        time.sleep(1)
    assert replicas(config.serve) == {"tiny": {"RUNNING": 2}}


def test_a_pool_that_ends_answers_the_calls_in_flight_first(base_url, config):
    said: list[Any] = []
    caller = threading.Thread(target=lambda: said.append(asked(base_url, "tiny", max_tokens=600, ignore_eos=True)))
    caller.start()
    time.sleep(0.5)
    stop(config.serve, config.resources.serving)
    caller.join()
    assert said[0].json()["usage"]["completion_tokens"] == 600
    assert models_of(base_url) == []
    assert engines() == []


def test_what_does_not_end_in_time_is_told_and_ray_serve_ends_all_the_same(
    ray_here: None, config: Config, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """An engine stands here that does not let go of its call for 8 s; nobody waits for more than 1."""
    from ray import serve

    @serve.deployment(graceful_shutdown_timeout_s=8)
    class Stuck:
        async def __call__(self) -> None:
            await asyncio.sleep(600)

    serve.run(Stuck.bind(), name=app_name(config.serve), route_prefix="/stuck").remote()
    time.sleep(1)
    monkeypatch.setattr(serving_pool, "END_S", 1.0)
    with caplog.at_level(logging.WARNING, logger="rayscaler"):
        stop(config.serve, config.resources.serving.model_copy(update={"drain_s": 0.0}))
    assert "the pool has not ended 1 s after it was asked to" in caplog.text
    assert not running(config.serve)
