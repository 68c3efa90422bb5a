"""One vLLM process with a tiny Qwen3: it answers, parses its tool calls and reasoning, and ends with the block."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psutil
import pytest

from rayscaler.errors import StageError
from rayscaler.runtime.serving_health import is_healthy, models_of
from rayscaler.runtime.serving_process import Server, served
from tiny_model import write_tiny_model

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(900)]

TOOL = {"type": "function", "function": {"name": "cancel_order", "description": "Cancel an order.", "parameters": {
    "type": "object", "properties": {"order_id": {"type": "string"}, "reason": {"type": "string"}},
    "required": ["order_id", "reason"]}}}  # fmt: skip

CALL = '<tool_call>\n{"name": "cancel_order", "arguments": {"order_id": "ord-1007", "reason": "late"}}\n</tool_call>'


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


STARTER = """
import sys, time
from rayscaler.runtime.serving_process import served
with served(sys.argv[1], name="tiny", device="cpu") as server:
    print(server.base_url, server.pid, server.log, flush=True)
    time.sleep(3600)
"""


class Started(NamedTuple):
    """A server, and the process that holds its block open."""

    server: Server
    starter: subprocess.Popen[str]


@pytest.fixture(scope="module")
def started(model: Path) -> Iterator[Started]:
    """One start for all tests: most of what they take. The last of them kills the starter."""
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(model)], stdout=subprocess.PIPE, text=True)
    try:
        url, pid, log = starter.stdout.readline().split()
        yield Started(Server(url, "tiny", int(pid), Path(log)), starter)
    finally:
        starter.kill()
        starter.wait()


@pytest.fixture(scope="module")
def server(started: Started) -> Server:
    return started.server


def ask(server: Server, **knobs: Any) -> dict[str, Any]:
    """The answer to one message, with a tool."""
    body = {"model": server.name, "messages": [{"role": "user", "content": "cancel my order"}], "tools": [TOOL],
            "max_tokens": 300, "seed": 3, **knobs}  # fmt: skip
    answer = httpx2.post(f"{server.base_url}/chat/completions", json=body, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]


def test_it_answers_when_the_block_begins_under_the_name_that_it_was_given(server):
    assert is_healthy(server.base_url)
    assert models_of(server.base_url) == ["tiny"]
    assert ask(server, max_tokens=5)["finish_reason"] == "length"


def test_the_same_seed_gives_the_same_words(server):
    first, again, other = (ask(server, max_tokens=20, seed=seed)["message"] for seed in (1, 1, 2))
    assert first == again != other


def test_long_prompts_with_seeds_at_once_are_all_answered(server):
    """Of vLLM 0.32 on a CPU they ended the engine where it read a part of such a prompt."""
    prompts = [f"order {number} " * 500 for number in range(12)]
    with ThreadPoolExecutor(12) as callers:
        answers = list(callers.map(lambda said: ask(server, max_tokens=4, messages=[said]),
                                   ({"role": "user", "content": prompt} for prompt in prompts)))
    assert [answer["finish_reason"] for answer in answers] == ["length"] * 12
    assert is_healthy(server.base_url)


def test_a_tool_call_that_the_model_writes_comes_back_as_a_tool_call(server):
    """The weights are random, so a grammar makes the model write what a trained one would; vLLM parses its tokens."""
    plain = {"chat_template_kwargs": {"enable_thinking": False}}
    choice = ask(server, structured_outputs={"choice": [CALL]}, **plain)
    [call] = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert call["function"]["name"] == "cancel_order"
    assert json.loads(call["function"]["arguments"]) == {"order_id": "ord-1007", "reason": "late"}
    assert not choice["message"]["content"]


def test_reasoning_comes_back_apart_from_the_words(server):
    """Random weights never end their reasoning; asked not to reason, all that they say is words."""
    thinking = ask(server, max_tokens=12)["message"]
    talking = ask(server, max_tokens=12, chat_template_kwargs={"enable_thinking": False})["message"]
    assert thinking["reasoning"]
    assert not thinking["content"]
    assert talking["content"]
    assert not talking["reasoning"]


def test_a_folder_without_a_model_is_told_with_the_servers_own_words(tmp_path):
    with pytest.raises(StageError, match="vLLM ended while it started"), served(tmp_path, device="cpu"):
        pass


def test_a_server_ends_when_its_starter_is_killed(started):
    """All of its processes do: the engine's are children of the server's."""
    server, starter = started
    assert is_healthy(server.base_url)
    assert len(group(server.pid)) > 1
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    deadline = time.monotonic() + 120
    while group(server.pid) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not group(server.pid)
    assert not is_healthy(server.base_url)


def group(number: int) -> list[int]:
    """Processes of a group that still run; one that nobody has buried yet does not."""
    return [p.pid for p in psutil.process_iter() if _group_of(p) == number]


def _group_of(process: psutil.Process) -> int:
    try:
        return -1 if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    except (psutil.Error, ProcessLookupError):
        return -1
