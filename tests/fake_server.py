"""The fake OpenAI server as a process of its own, and what it replays: conversations of the scripted sides."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterable, Iterator
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

    def stats(self) -> dict[str, int]:
        """What it has counted."""
        with urllib.request.urlopen(self.base_url.replace("/v1", "/stats"), timeout=5) as answer:
            return json.loads(answer.read())

    def endpoint(self, **knobs: Any) -> Endpoint:
        """A recipe of its model."""
        return Endpoint(**{"model": "fake", "base_url": self.base_url, **knobs})


@contextmanager
def fake_server(folder: Path, rows: Iterable[dict[str, Any]] = (), **knobs: object) -> Iterator[FakeServer]:
    """`jobs/fake_openai.py` for the time of the block. `fault` is a mapping of names to shares."""
    replay = folder / "replay.jsonl"
    replay.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    faults = knobs.pop("fault", {})
    command = [sys.executable, str(SCRIPT), "--replay", str(replay)]
    command += [f"--fault={name}={share}" for name, share in faults.items()]
    command += [f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in knobs.items()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield FakeServer(process.stdout.readline().strip())
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
