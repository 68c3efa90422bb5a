"""Results in the forms that other tools read: tau2-bench's `results.json` and lm-eval's `results_<date>.json`. Pure.

tau2's form holds every episode, one file per model and benchmark. Its `reward_breakdown` has tau2's own names only, so
the checks under our names stand in `reward_info.info`. Episodes that the machinery broke carry `infrastructure_error`,
which tau2's own metrics leave out as ours do.

lm-eval's form holds the scores: one file per model, each benchmark a group, each of its subsets a task. An interval is
no standard error; `*_stderr` is its half width over 1.96.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rayscaler.evaluation.scores import Z95
from rayscaler.messages import Message
from rayscaler.trajectory import StopReason, Trajectory

Row = Mapping[str, Any]

BREAKDOWN = {"database": "DB", "env_assertion": "ENV_ASSERTION", "communicate": "COMMUNICATE", "outputs": "COMMUNICATE",
             "action": "ACTION"}
"""Our names of checks -> tau2's `RewardType`."""

TERMINATION = {
    StopReason.USER_STOP: "user_stop",
    StopReason.TURNS_DONE: "agent_stop",
    StopReason.TOOL_STOP: "agent_stop",
    StopReason.MAX_TURNS: "max_steps",
    StopReason.MAX_CALLS: "max_steps",
    StopReason.MAX_ERRORS: "too_many_errors",
    StopReason.MALFORMED_REPLY: "agent_error",
    StopReason.CHAT_FAILED: "infrastructure_error",
    StopReason.ENVIRONMENT_FAILED: "infrastructure_error",
}
"""Why an episode ended -> tau2's `TerminationReason`."""


def tau2_results(episodes: Sequence[Row], grades: Mapping[str, Row], *, about: Row) -> dict[str, Any]:
    """One model's episodes of one benchmark as tau2-bench's `Results`.

    about: `timestamp` (ISO), `commit`, `max_steps`, `policy`; they are the same for all episodes.
    """
    first = episodes[0]
    tasks = list(dict.fromkeys(row["item_id"] for row in episodes))
    openings = {row["item_id"]: _opening(row) for row in episodes}
    return {
        "timestamp": about["timestamp"],
        "info": {
            "git_commit": about["commit"],
            "num_trials": max(row["trial"] for row in episodes) + 1,
            "max_steps": about["max_steps"],
            "max_errors": about["max_steps"],
            "user_info": {"implementation": "rayscaler", "llm": first["user"], "llm_args": {}},
            "agent_info": {"implementation": "rayscaler", "llm": first["agent"], "llm_args": {}},
            "environment_info": {"domain_name": first["benchmark"], "policy": about["policy"]},
            "seed": None,
        },
        "tasks": [{"id": name, "user_scenario": {"instructions": openings[name]}} for name in tasks],
        "simulations": [_simulation(row, grades[row["episode_id"]], about) for row in episodes],
    }


def _simulation(row: Row, grade: Row, about: Row) -> dict[str, Any]:
    trajectory = Trajectory.model_validate_json(row["trajectory"])
    parts = json.loads(grade["parts"])
    broken = grade["reward"] is None
    info = {"parts": parts, "uncovered": list(grade["uncovered"]), "detail": grade["detail"]}
    return {
        "id": row["episode_id"],
        "task_id": row["item_id"],
        "timestamp": about["timestamp"],
        "start_time": about["timestamp"],
        "end_time": about["timestamp"],
        "duration": 0.0,
        "termination_reason": "infrastructure_error" if broken else _termination(trajectory),
        "reward_info": {
            "reward": grade["reward"] or 0.0,
            "reward_basis": sorted({BREAKDOWN[name] for name in parts if name in BREAKDOWN}),
            "reward_breakdown": {BREAKDOWN[name]: value for name, value in parts.items() if name in BREAKDOWN},
            "info": info,
        },
        "messages": _messages(trajectory),
        "trial": row["trial"],
        "seed": row["seed"],
    }


def _termination(trajectory: Trajectory) -> str:
    if trajectory.stop_reason is StopReason.MALFORMED_REPLY and trajectory.error_type == "user":
        return "user_error"
    return TERMINATION[trajectory.stop_reason]


def _messages(trajectory: Trajectory) -> list[dict[str, Any]]:
    errors = {step.call.id: bool(step.error) for step in trajectory.steps}
    caller: dict[str, str] = {}
    found = []
    for number, message in enumerate(m for m in trajectory.messages if m.role != "system"):
        for call in message.tool_calls:
            caller[call.id] = message.role
        found.append({**_message(message, caller, errors), "turn_idx": number})
    return found


def _message(message: Message, caller: Mapping[str, str], errors: Mapping[str, bool]) -> dict[str, Any]:
    if message.role == "tool":
        name = message.tool_call_id
        return {"id": name, "role": "tool", "content": message.content, "requestor": caller[name],
                "error": errors.get(name, False)}
    calls = [{**call.model_dump(mode="json"), "requestor": message.role} for call in message.tool_calls]
    return {"role": message.role, "content": message.content or None, "tool_calls": calls or None}


def _opening(row: Row) -> str:
    messages = Trajectory.model_validate_json(row["trajectory"]).messages
    return next((m.content for m in messages if m.role == "user" and m.content), "")


def lm_eval_results(scores: Iterable[Row], *, about: Row) -> dict[str, Any]:
    """One model's scores as lm-eval writes them. about: `model`, `date` (seconds since 1970), `commit`, `seed`."""
    tasks: dict[str, list[Row]] = {}
    groups: dict[str, list[str]] = {}
    for row in scores:
        if row["by"] not in ("all", "subset"):
            continue
        group = "_".join([row["benchmark"], *([f"without_{row['without']}"] if row["without"] else [])])
        name = f"{group}_{row['of']}" if row["of"] else group
        tasks.setdefault(name, []).append(row)
        known = groups.setdefault(group, [])
        if row["of"] and name not in known:
            known.append(name)
    results = {name: _metrics(name, rows) for name, rows in tasks.items()}
    single = {name: rows for name, rows in tasks.items() if name not in groups}
    return {
        "results": results,
        "groups": {name: results[name] for name in groups if name in results},
        "group_subtasks": groups,
        "configs": {name: {"task": name, "metadata": {"version": rows[0]["version"]}} for name, rows in single.items()},
        "versions": {name: rows[0]["version"] for name, rows in tasks.items()},
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {name: {_name(row): _rises(row) for row in rows} for name, rows in tasks.items()},
        "n-samples": {name: _samples(rows) for name, rows in tasks.items()},
        "config": {"model": "rayscaler", "model_args": f"model={about['model']}", "random_seed": about["seed"]},
        "git_hash": about["commit"],
        "date": about["date"],
        "model_name": about["model"],
        "model_name_sanitized": about["model"],
    }


def _metrics(name: str, rows: Sequence[Row]) -> dict[str, Any]:
    found: dict[str, Any] = {"alias": name}
    for row in rows:
        found[f"{_name(row)},none"] = row["value"]
        found[f"{_name(row)}_stderr,none"] = (row["high"] - row["low"]) / 2 / Z95
    return found


def _name(row: Row) -> str:
    return str(row["metric"]).replace(":", "_")


def _rises(row: Row) -> bool:
    return row["metric"] not in ("infrastructure", "unscored", "user_error")


def _samples(rows: Sequence[Row]) -> dict[str, int]:
    """Items there are, and items that count."""
    n = {row["metric"]: row["n_items"] for row in rows}
    return {"original": n["infrastructure"], "effective": n.get("reward", 0)}
