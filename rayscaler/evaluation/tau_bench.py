"""tau-bench (Yao et al., arXiv 2406.12045): retail and airline, run on the benchmark's own data.

Data: databases, tools, policies, tasks with gold actions and expected outputs, and the hash of each gold end state
(`gold_test.json`), from github.com/sierra-research/tau-bench at `COMMIT`.

A conversation is worth 1 if the end state of the database equals gold's and every expected output stands in words of
the agent (commas left out, in any case); it is worth 0 if it did not end by itself. Gold's end state is made by
replaying the gold actions here; `data_hash` is upstream's definition, by which it is compared with recorded hashes.

Covered: everything that decides the reward. Different from upstream: the words of the simulated user's prompt are ours;
an agent that calls several tools in one message has all of them run (upstream runs the first); arguments that do not
fit a tool are refused in other words.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from rayscaler.errors import ConfigError
from rayscaler.evaluation import tau_airline, tau_retail
from rayscaler.evaluation.benchmark import Answer, Caller, Grade, Item, SimulatedUser, calls_of
from rayscaler.evaluation.database import Database, Tables
from rayscaler.evaluation.toolbox import Tool, invoke
from rayscaler.messages import STOP, ToolCall
from rayscaler.trajectory import StopReason, Trajectory

COMMIT = "59a200c6d575d595120f1cb70fea53cef0632f6b"

DOMAINS: dict[str, Mapping[str, Tool]] = {"retail": tau_retail.TOOLS, "airline": tau_airline.TOOLS}

ENDING = "transfer_to_human_agents"
"""The tool that ends a conversation; gold does not run it."""

MAX_REPLIES = 30
"""Actions of the agent that upstream allows."""

ENDED = (StopReason.USER_STOP, StopReason.TOOL_STOP)


class TauBench:
    """The test split of both domains, or of those whose folders are there."""

    name = "tau-bench"
    version = f"{COMMIT[:12]}, test split"

    def __init__(self, folder: Path) -> None:
        domains = [name for name in DOMAINS if (folder / name).is_dir()]
        if not domains:
            raise ConfigError(f"{folder}: expected tau-bench's folders {' and '.join(DOMAINS)}, found neither")
        self.tables = {name: _tables(folder / name / "db") for name in domains}
        self._items = [item for name in domains for item in _items(folder / name, name)]

    def items(self) -> list[Item]:
        """Every task, retail first."""
        return self._items

    def world(self, item: Item) -> TauWorld:
        """A fresh world."""
        return TauWorld(self.tables[item.subset], DOMAINS[item.subset])

    def gold_world(self, item: Item) -> TauWorld:
        """The world after the gold actions."""
        world = self.world(item)
        for action in item.payload["actions"]:
            if action["name"] != ENDING:
                world.run(action["name"], action["kwargs"])
        return world

    def grade(self, item: Item, trajectory: Trajectory) -> Grade:
        """1 or 0: the database, and the outputs where the task has any."""
        world = self.world(item)
        for call in calls_of(trajectory):
            world.run(call.name, call.arguments)
        differing = world.db.differences(self.gold_world(item).db, spelt)
        words = [m.content for m in trajectory.messages if m.role == "assistant" and not m.tool_calls]
        unsaid = [text for text in item.payload["outputs"] if not says(words, text)]
        parts = {"database": float(not differing)}
        if item.payload["outputs"]:
            parts["outputs"] = float(not unsaid)
        if trajectory.stop_reason not in ENDED:
            return Grade(0.0, {**parts, "ended": 0.0}, detail=f"did not end by itself: {trajectory.stop_reason}")
        detail = "; ".join([*(f"differs: {place}" for place in differing), *(f"not said: {text}" for text in unsaid)])
        return Grade(float(not differing and not unsaid), {**parts, "ended": 1.0}, detail=detail)


class TauWorld:
    """One domain's tools on one database."""

    def __init__(self, tables: Tables, tools: Mapping[str, Tool]) -> None:
        self.db, self.tools = Database(tables), tools

    def call(self, call: ToolCall, by: Caller) -> Answer:  # noqa: ARG002  users have no tools here
        """Run one call of the agent."""
        text = self.run(call.name, call.arguments)
        refused = text is not None and text.startswith(("Error", "Unknown action"))
        return Answer(str(text), error="refused" if refused else "", ends=call.name == ENDING)

    def run(self, name: str, arguments: Mapping[str, Any]) -> str | None:
        """What the agent reads. Upstream says None in one case: of a fourth certificate."""
        if name not in self.tools:
            return f"Unknown action {name}"
        try:
            text: str | None = invoke(self.tools, self.db, name, arguments)
        except Exception as error:  # the boundary to tools, as upstream has it: any failure is an answer
            return f"Error: {error}"
        return text


def says(words: list[str], text: str) -> bool:
    """Whether one message holds `text`, commas left out, in any case."""
    return any(text.lower() in said.lower().replace(",", "") for said in words)


def data_hash(tables: Mapping[str, Mapping[str, Any]]) -> str:
    """Upstream's hash of a whole database: SHA-256 over the text of its nested sorted tuples."""
    return sha256(str(_hashable(tables)).encode()).hexdigest()


def spelt(record: Any) -> str:
    """The text of a record in `data_hash`."""
    return str(_hashable(record))


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((key, _hashable(inner)) for key, inner in sorted(value.items()))
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


def _tables(folder: Path) -> dict[str, dict[str, Any]]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def _items(folder: Path, domain: str) -> list[Item]:
    tools = tuple(json.loads((folder / "tools.json").read_text(encoding="utf-8")))
    policy = (folder / "policy.md").read_text(encoding="utf-8")
    tasks = json.loads((folder / "tasks_test.json").read_text(encoding="utf-8"))
    return [
        Item(
            item_id=f"{domain}-{task['task_index']}",
            subset=domain,
            prompt=policy,
            tools=tools,
            user=SimulatedUser(_user_prompt().format(instruction=task["instruction"], stop=STOP)),
            n_calls=len(task["actions"]),
            max_replies=MAX_REPLIES,
            payload=task,
        )
        for task in tasks
    ]


@cache
def _user_prompt() -> str:
    return str(yaml.safe_load(files("rayscaler.evaluation").joinpath("tau.yaml").read_text("utf-8"))["user"])
