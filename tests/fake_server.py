"""The fake OpenAI server as a process of its own, and what it replays: conversations of the scripted sides."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from rayscaler.environment import Environment
from rayscaler.messages import Message
from rayscaler.recipes import Endpoint, RolloutRecipe, ScriptedAgent
from rayscaler.rollouts.play import play
from rayscaler.rollouts.views import user_prompt
from rayscaler.task import Task

SCRIPT = Path(__file__).parents[1] / "jobs" / "fake_openai.py"

PERFECT = RolloutRecipe(agent=ScriptedAgent(error_rate=0.0))


class FakeServer(NamedTuple):
    """A running server."""

    base_url: str
    process: subprocess.Popen[str]

    def stats(self) -> dict[str, int]:
        """What it has counted since it was set."""
        return self._ask("/stats", None)

    def set(self, *rows: dict[str, Any], fault: dict[str, float] | None = None, **settings: Any) -> FakeServer:
        """Another behaviour, counted from zero, and more to replay: settings of `jobs/fake_openai.py`."""
        self._ask("/settings", {"faults": fault or {}, "replay": rows, **settings})
        return self

    def endpoint(self, **knobs: Any) -> Endpoint:
        """A recipe of its model."""
        return Endpoint(**{"model": "fake", "base_url": self.base_url, **knobs})

    def _ask(self, path: str, body: Any) -> dict[str, int]:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(self.base_url.replace("/v1", path), data=data, timeout=5) as answer:
            return json.loads(answer.read())


@contextmanager
def fake_server() -> Iterator[FakeServer]:
    """`jobs/fake_openai.py` as a process for the time of the block."""
    process = subprocess.Popen([sys.executable, str(SCRIPT)], stdout=subprocess.PIPE, text=True)
    try:
        yield FakeServer(process.stdout.readline().strip(), process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def agent_row(task: Task, environment: Environment, *, trial: int = 0, seed: int = 1) -> dict[str, Any]:
    """What the faultless scripted agent says in this conversation; the user's opening names it."""
    messages = play(task, environment, PERFECT, trial=trial, seed=seed).messages
    return {"key": messages[1].content, "replies": [m.to_openai() for m in messages if m.role == "assistant"]}


def user_row(task: Task, *lines: str) -> dict[str, Any]:
    """A user of this task who says `lines`, one after the other."""
    return {"key": user_prompt(task.intent),
            "replies": [Message(role="assistant", content=line).to_openai() for line in lines]}
