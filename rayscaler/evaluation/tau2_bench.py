"""tau2-bench (Barres et al., arXiv 2506.07982): retail and airline, run on the benchmark's own data.

Data: databases with their schemas, tools, policies, tasks with gold actions and criteria, and the hash of each gold end
state (`gold.json`), from github.com/sierra-research/tau2-bench at `COMMIT`.

The reward is the product of what the task's `reward_basis` names: `DB` (the end state equals that of gold's actions),
`COMMUNICATE` (each string stands in words of the agent, commas left out, in any case), `ACTION` (each gold action was
called). A conversation that the user did not end is worth 0.

Not covered, and named in `uncovered`: `NL_ASSERTION` where a task has assertions, because upstream asks a judge model.
Not covered at all: telecom and mock (tools in the user's hand), banking, voice. Different from upstream: the agent's
prompt is the policy alone; arguments that do not fit a tool are refused in other words; the airline's database is a
reconstruction (the data's SOURCES.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rayscaler.errors import ConfigError
from rayscaler.evaluation import tau2_airline, tau2_retail
from rayscaler.evaluation.benchmark import Grade, Item, SimulatedUser, calls_of
from rayscaler.evaluation.database import Tables
from rayscaler.evaluation.shapes import Shapes
from rayscaler.evaluation.tau2_world import State, Tau2World, spelt
from rayscaler.evaluation.toolbox import Tool
from rayscaler.messages import ToolCall
from rayscaler.trajectory import StopReason, Trajectory

COMMIT = "a2c024725189473d2d7cea3a5cfdbcc67478e41f"

DOMAINS: dict[str, tuple[Mapping[str, Tool], str]] = {
    "retail": (tau2_retail.TOOLS, "db.json"),
    "airline": (tau2_airline.TOOLS, "db.reconstructed.json"),
}
"""Domain -> its tools and the file of its database."""

JUDGE = "NL_ASSERTION"
"""What a judge model decides."""

STOPS = ("###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###")
"""What ends a conversation, in the user's words."""

MAX_REPLIES = 100
"""Upstream allows 200 steps, of both sides."""


class Tau2Bench:
    """Both domains, or those whose folders are there."""

    name = "tau2-bench"
    version = COMMIT[:12]

    def __init__(self, folder: Path) -> None:
        domains = [name for name in DOMAINS if (folder / name).is_dir()]
        if not domains:
            raise ConfigError(f"{folder}: expected tau2-bench's folders {' and '.join(DOMAINS)}, found neither")
        files = {name: (_read(folder / name / "db_schema.json"), _read(folder / name / DOMAINS[name][1]))
                 for name in domains}
        self.__setstate__({"files": files, "items": [item for name in domains for item in _items(folder, name)]})

    def __getstate__(self) -> dict[str, Any]:
        """Workers get what was read: record types that are made at run time do not pickle."""
        return {"files": self._files, "items": self._items}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._files = state["files"]
        self._items: list[Item] = state["items"]
        self.shapes = {name: Shapes(schema) for name, (schema, _) in self._files.items()}
        self.tables: dict[str, Tables] = {}
        for name, (_, records) in self._files.items():
            database = self.shapes[name].database.model_validate(records)
            self.tables[name] = {table: getattr(database, table) for table in self.shapes[name].tables}

    def items(self) -> list[Item]:
        """Every task, retail first."""
        return self._items

    def world(self, item: Item) -> Tau2World:
        """A fresh world."""
        state = State(self.shapes[item.subset], self.tables[item.subset])
        return Tau2World(state, DOMAINS[item.subset][0])

    def gold_world(self, item: Item) -> Tau2World:
        """The world after the gold actions; those that fail are passed over, as upstream does."""
        world = self.world(item)
        for action in item.payload["actions"]:
            world.run(action["name"], action["arguments"])
        return world

    def grade(self, item: Item, trajectory: Trajectory) -> Grade:
        """The product of the checks that the task's reward is based on."""
        wanted, calls = item.payload, calls_of(trajectory)
        world = self.world(item)
        for call in calls:
            world.run(call.name, call.arguments)
        faults = {
            "database": world.state.db.differences(self.gold_world(item).state.db, spelt),
            "communicate": [text for text in wanted["communicate_info"] if not _said(trajectory, text)],
            "action": [a["name"] for a in wanted["actions"] if not any(_matches(a, call) for call in calls)],
        }
        basis = [BASIS[name] for name in wanted["reward_basis"] if name in BASIS]
        parts = {name: float(not faults[name]) for name in basis}
        judged = JUDGE in wanted["reward_basis"] and bool(wanted["nl_assertions"])
        uncovered = ("nl_assertions",) if judged else ()
        if trajectory.stop_reason is not StopReason.USER_STOP:
            detail = f"not ended by the user: {trajectory.stop_reason}"
            return Grade(0.0, {**parts, "ended": 0.0}, uncovered, detail)
        detail = "; ".join(f"{name}: {fault}" for name in basis for fault in faults[name])
        return Grade(float(all(parts.values())), {**parts, "ended": 1.0}, uncovered, detail)


BASIS = {"DB": "database", "COMMUNICATE": "communicate", "ACTION": "action"}
"""tau2's names of checks -> ours."""


def _said(trajectory: Trajectory, text: str) -> bool:
    words = [m.content for m in trajectory.messages if m.role == "assistant"]
    return any(text.lower() in said.lower().replace(",", "") for said in words)


def _matches(action: Mapping[str, Any], call: ToolCall) -> bool:
    """Whether a call is a gold action, in the arguments that count."""
    if action["name"] != call.name:
        return False
    names = call.arguments.keys() if action.get("compare_args") is None else action["compare_args"]
    made = {key: value for key, value in call.arguments.items() if key in names}
    gold = {key: value for key, value in action["arguments"].items() if key in names}
    return not names or made == gold


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _items(folder: Path, domain: str) -> list[Item]:
    tools = tuple(_read(folder / domain / "tools.json"))
    policy = (folder / domain / "policy.rendered.md").read_text(encoding="utf-8")
    guidelines = (folder / "user_simulator" / "simulation_guidelines.md").read_text(encoding="utf-8")
    found = []
    for task in _read(folder / domain / "tasks.json"):
        criteria = {key: value for key, value in (task["evaluation_criteria"] or {}).items() if value is not None}
        wanted = {"actions": [], "communicate_info": [], "nl_assertions": [], "reward_basis": ["DB", "COMMUNICATE"]}
        prompt = f"{guidelines.replace('<PERSONA_GUIDELINES>', '')}\n\n<scenario>\n{_scenario(task)}\n</scenario>"
        found.append(Item(
            item_id=f"{domain}-{task['id']}",
            subset=domain,
            prompt=policy,
            tools=tools,
            user=SimulatedUser(prompt, stop=STOPS, records_greeting=True),
            n_calls=len(criteria.get("actions", [])),
            max_replies=MAX_REPLIES,
            payload={**wanted, **criteria},
        ))  # fmt: skip
    return found


def _scenario(task: Mapping[str, Any]) -> str:
    """The scenario as labelled lines."""
    scenario = task["user_scenario"]
    instructions = scenario["instructions"]
    told = {"instructions": instructions} if isinstance(instructions, str) else instructions
    lines = {"persona": scenario.get("persona"), **told}
    return "\n".join(f"{name.replace('_', ' ').capitalize()}: {text}" for name, text in lines.items() if text)
