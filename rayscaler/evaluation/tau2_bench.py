"""tau2-bench (Barres et al., arXiv 2506.07982): retail, airline, telecom and mock, run on the benchmark's own data.

Data: databases with their schemas, tools, policies, tasks with gold actions and criteria, and the hash of each gold end
state (`gold.json`), from github.com/sierra-research/tau2-bench at `COMMIT`.

The reward is the product of what the task's `reward_basis` names: `DB` (the end state equals that of gold's actions),
`ENV_ASSERTION` (what the task asserts of the end state holds), `COMMUNICATE` (each string stands in words of the agent,
commas left out, in any case), `ACTION` (each gold action was called). A conversation that the user did not end is worth
0; ten calls that end in an error end one.

In telecom and mock the user has tools too, on a database of its own; they are called in the same world.

Not covered, and named in `uncovered`: `NL_ASSERTION` where a task has assertions, because upstream asks a judge model;
a conversation that went before (two tasks of mock begin in the middle: its calls were made, its words are not heard).
Not covered at all: banking, voice, the agent alone with both sides' tools (upstream's solo mode). Different from
upstream: the agent's prompt is the policy alone; arguments that do not fit a tool are refused in other words; the
airline's database is a reconstruction (the data's SOURCES.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rayscaler.evaluation.benchmark import Caller, Grade, Item, calls_by_side
from rayscaler.evaluation.database import Tables
from rayscaler.evaluation.shapes import Shapes
from rayscaler.evaluation.tau2_data import DOMAINS, SIDES, Records, domains_in, laid_over, read_items, read_records
from rayscaler.evaluation.tau2_world import State, Tau2World
from rayscaler.messages import ToolCall
from rayscaler.trajectory import StopReason, Trajectory

COMMIT = "a2c024725189473d2d7cea3a5cfdbcc67478e41f"

JUDGE = "NL_ASSERTION"
"""What a judge model decides."""


class Tau2Bench:
    """All domains, or those whose folders are there."""

    name = "tau2-bench"
    version = COMMIT[:12]

    def __init__(self, folder: Path) -> None:
        domains = domains_in(folder)
        records = {name: read_records(folder, name) for name in domains}
        self.__setstate__({"records": records, "items": [i for name in domains for i in read_items(folder, name)]})

    def __getstate__(self) -> dict[str, Any]:
        """Workers get what was read: record types that are made at run time do not pickle."""
        return {"records": self._records, "items": self._items}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._records: dict[str, Records] = state["records"]
        self._items: list[Item] = state["items"]
        self.shapes = {name: {side: Shapes(schema) for side, schema in records.schemas.items()}
                       for name, records in self._records.items()}
        self.tables: dict[str, Tables] = {}
        for name, records in self._records.items():
            if not DOMAINS[name].two_sides:
                shapes = self.shapes[name]["agent"]
                database = shapes.database.model_validate(records.content["agent"])
                self.tables[name] = {table: getattr(database, table) for table in shapes.tables}

    def items(self) -> list[Item]:
        """Every task, retail first."""
        return self._items

    def world(self, item: Item) -> Tau2World:
        """A fresh world, as the task prepares it."""
        domain, initial = item.payload["domain"], item.payload["initial"]
        about, shapes, records = DOMAINS[domain], self.shapes[domain], self._records[domain]
        if not about.two_sides:
            return Tau2World(State(shapes["agent"], self.tables[domain]), about.tools)
        data = {side: initial["data"].get(f"{side}_data") or {} for side in ("agent", "user")}
        content = {side: laid_over(records.content[side], data[side]) for side in data}
        state = about.two_sides(shapes, content)
        if data["agent"]:
            state.user = state.agent  # upstream puts the agent's database in both hands where it lays data over it
        world = Tau2World(state, about.tools)
        for call in initial["functions"]:
            world.prepare(call["func_name"], call["arguments"], SIDES[call["env_type"]])
        for side, made in initial["calls"]:
            world.run(made.name, made.arguments, side)
        return world

    def gold_world(self, item: Item) -> Tau2World:
        """The world after the gold actions; those that fail are passed over, as upstream does."""
        world = self.world(item)
        for action in item.payload["actions"]:
            world.run(action["name"], action["arguments"], requestor(action), agree=False)
        return world

    def grade(self, item: Item, trajectory: Trajectory) -> Grade:
        """The product of the checks that the task's reward is based on."""
        wanted, made = item.payload, calls_by_side(trajectory)
        world = self.world(item)
        for side, call in made:
            world.run(call.name, call.arguments, side)
        calls = [call for _, call in (*wanted["initial"]["calls"], *made)]
        checks: dict[str, Callable[[], list[str]]] = {
            "database": lambda: world.state.differences(self.gold_world(item).state),
            "communicate": lambda: [text for text in wanted["communicate_info"] if not _said(trajectory, text)],
            "action": lambda: [a["name"] for a in wanted["actions"] if not any(_matches(a, call) for call in calls)],
            "env_assertion": lambda: [a["func_name"] for a in wanted["env_assertions"] if not _holds(world, a)],
        }
        basis = [BASIS[name] for name in wanted["reward_basis"] if name in BASIS]
        faults = {name: checks[name]() for name in sorted(basis)}
        parts = {name: float(not faults[name]) for name in basis}
        uncovered = _uncovered(wanted)
        if trajectory.stop_reason is not StopReason.USER_STOP:
            detail = f"not ended by the user: {trajectory.stop_reason}"
            return Grade(0.0, {**parts, "ended": 0.0}, uncovered, detail)
        detail = "; ".join(f"{name}: {fault}" for name in basis for fault in faults[name])
        return Grade(float(all(parts.values())), {**parts, "ended": 1.0}, uncovered, detail)


BASIS = {"DB": "database", "ENV_ASSERTION": "env_assertion", "COMMUNICATE": "communicate", "ACTION": "action"}
"""tau2's names of checks -> ours."""


def requestor(action: Mapping[str, Any]) -> Caller:
    """Whose action it is."""
    return SIDES[action.get("requestor") or "assistant"]


def _uncovered(wanted: Mapping[str, Any]) -> tuple[str, ...]:
    judged = JUDGE in wanted["reward_basis"] and bool(wanted["nl_assertions"])
    return (*(("nl_assertions",) if judged else ()), *(("message_history",) if wanted["initial"]["calls"] else ()))


def _holds(world: Tau2World, assertion: Mapping[str, Any]) -> bool:
    """Whether an assertion holds in the end. One that cannot even be made (of a task that is not there) does not."""
    try:
        found = world.prepare(assertion["func_name"], assertion["arguments"], SIDES[assertion["env_type"]])
    except ValueError:
        return False
    return bool(found == assertion.get("assert_value", True))


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
