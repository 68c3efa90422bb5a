"""tau2-bench's domains and tasks, read from the benchmark's own files: JSON values, which workers get as they are."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from rayscaler.errors import ConfigError
from rayscaler.evaluation import (
    tau2_airline,
    tau2_mock,
    tau2_phone_setup,
    tau2_phone_tools,
    tau2_retail,
    tau2_telecom,
)
from rayscaler.evaluation.benchmark import Caller, Item, SimulatedUser
from rayscaler.evaluation.tau2_phone import Telecom
from rayscaler.evaluation.tau2_world import Toolset, TwoSides
from rayscaler.messages import ToolCall

MAX_REPLIES = 100
"""Upstream allows 200 steps, of both sides."""

MAX_ERRORS = 10
"""Calls that end in an error, of either side, after which upstream ends a conversation."""

STOPS = ("###STOP###", "###TRANSFER###", "###OUT-OF-SCOPE###")
"""What ends a conversation, in the user's words."""

SIDES: dict[str, Caller] = {"assistant": "agent", "user": "user"}
"""Upstream's names of the sides -> ours."""


class Domain(NamedTuple):
    """One domain: what can be called in it, and the files of its databases and task sets (subset -> file).

    two_sides: the state where the user has a database too; None where it has none.
    """

    tools: Toolset
    database: str
    task_sets: dict[str, str]
    two_sides: type[TwoSides] | None = None
    user_database: str = ""


DOMAINS: dict[str, Domain] = {
    "retail": Domain(Toolset(tau2_retail.TOOLS), "db.json", {"retail": "tasks.json"}),
    "airline": Domain(Toolset(tau2_airline.TOOLS), "db.reconstructed.json", {"airline": "tasks.json"}),
    "telecom": Domain(
        Toolset(tau2_telecom.TOOLS, tau2_phone_tools.TOOLS, tau2_telecom.FUNCTIONS, tau2_phone_setup.FUNCTIONS,
                tau2_telecom.agree),
        "db.toml",
        {"telecom": "tasks_base.json", "telecom-small": "tasks_small.json", "telecom-full": "tasks_full.json"},
        Telecom, "user_db.toml",
    ),
    "mock": Domain(
        Toolset(tau2_mock.TOOLS, tau2_mock.USER_TOOLS, tau2_mock.FUNCTIONS, tau2_mock.USER_FUNCTIONS),
        "db.json", {"mock": "tasks.json"}, TwoSides, "user_db.json",
    ),
}  # fmt: skip
"""Domain -> what it is. Task sets whose file is not there are left out: `telecom-full` is not in the shared data."""


class Records(NamedTuple):
    """A domain's databases: side -> JSON Schema, and side -> content."""

    schemas: dict[str, Any]
    content: dict[str, Any]


def domains_in(folder: Path) -> list[str]:
    """The domains whose folders are there. ConfigError if none is."""
    found = [name for name in DOMAINS if (folder / name).is_dir()]
    if not found:
        raise ConfigError(f"{folder}: expected tau2-bench's folders {', '.join(DOMAINS)}, found none of them")
    return found


def read_records(folder: Path, domain: str) -> Records:
    """The databases of a domain. ConfigError names a file that is missing or cannot be read."""
    about, place = DOMAINS[domain], folder / domain
    schemas, content = {"agent": read(place / "db_schema.json")}, {"agent": read(place / about.database)}
    if about.two_sides:
        schemas["user"], content["user"] = read(place / "user_db_schema.json"), read(place / about.user_database)
    return Records(schemas, content)


def read(path: Path) -> Any:
    """The value of a JSON or TOML file."""
    try:
        text = path.read_text(encoding="utf-8")
        return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: expected a file of tau2-bench, found {error}") from error


def read_items(folder: Path, domain: str) -> list[Item]:
    """The tasks of a domain as items, set by set."""
    place = folder / domain
    policy = (place / "policy.rendered.md").read_text(encoding="utf-8")
    agent_tools, user_tools = tuple(read(place / "tools.json")), ()
    if DOMAINS[domain].two_sides:
        user_tools = tuple(read(place / "user_tools.json"))
    which = "simulation_guidelines_tools.md" if user_tools else "simulation_guidelines.md"
    guidelines = (folder / "user_simulator" / which).read_text(encoding="utf-8")
    found = []
    for subset, file in DOMAINS[domain].task_sets.items():
        for task in read(place / file) if (place / file).is_file() else []:
            prompt = f"{guidelines.replace('<PERSONA_GUIDELINES>', '')}\n\n<scenario>\n{_scenario(task)}\n</scenario>"
            payload = _payload(task, domain)
            found.append(Item(
                item_id=f"{subset}-{task['id']}",
                subset=subset,
                prompt=policy,
                tools=agent_tools,
                user=SimulatedUser(prompt, tools=user_tools, stop=STOPS, records_greeting=True),
                n_calls=len(payload["actions"]),
                max_replies=MAX_REPLIES,
                max_errors=MAX_ERRORS,
                payload=payload,
            ))  # fmt: skip
    return found


def _payload(task: Mapping[str, Any], domain: str) -> dict[str, Any]:
    """What the grade reads. Where a task has no criteria at all, or names neither actions nor assertions, upstream
    checks no database."""
    wanted: dict[str, Any] = {
        "domain": domain, "initial": _initial(task), "actions": [], "env_assertions": [], "communicate_info": [],
        "nl_assertions": [], "reward_basis": ["DB", "COMMUNICATE"],
    }  # fmt: skip
    criteria = task.get("evaluation_criteria") or {"reward_basis": []}
    wanted |= {key: value for key, value in criteria.items() if value is not None}
    if criteria.get("actions") is None and criteria.get("env_assertions") is None:
        wanted["reward_basis"] = [name for name in wanted["reward_basis"] if name not in ("DB", "ENV_ASSERTION")]
    return wanted


def _initial(task: Mapping[str, Any]) -> dict[str, Any]:
    """The state that a conversation begins in: data that is laid over the databases, functions that are run, and the
    calls of a conversation that went before."""
    state = task.get("initial_state") or {}
    calls = [(SIDES[message["role"]], ToolCall(id=call["id"], name=call["name"], arguments=call["arguments"]))
             for message in state.get("message_history") or [] for call in message.get("tool_calls") or []]
    return {"data": state.get("initialization_data") or {}, "functions": state.get("initialization_actions") or [],
            "calls": calls}


def laid_over(below: Any, above: Any) -> Any:
    """Objects merged at every depth; where both have a value, that of `above`."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{key: laid_over(below.get(key), value) for key, value in above.items()}}
    return above


def _scenario(task: Mapping[str, Any]) -> str:
    """The scenario as labelled lines."""
    scenario = task["user_scenario"]
    instructions = scenario["instructions"]
    told = {"instructions": instructions} if isinstance(instructions, str) else instructions
    lines = {"persona": scenario.get("persona"), **told}
    return "\n".join(f"{name.replace('_', ' ').capitalize()}: {text}" for name, text in lines.items() if text)
