"""tau2-bench's own telecom and mock beside ours, call by call: gold, gold without each action, nothing, random calls.

    git clone https://github.com/sierra-research/tau2-bench && git -C tau2-bench checkout a2c02472
    python jobs/bench.py tau2 --upstream tau2-bench --data ../shared/data/bench/tau2-bench

Upstream's code must be importable: its requirements, of which this needs few, are in its own pyproject.toml.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from rayscaler.evaluation.benchmark import Item
from rayscaler.evaluation.tau2_bench import Tau2Bench
from rayscaler.evaluation.tau2_data import DOMAINS, SIDES, read
from rayscaler.messages import Message, ToolCall
from rayscaler.trajectory import Step, StopReason, Trajectory

VALUES: dict[str, list[Any]] = {
    "customer_id": ["C1001", "C1002", "C9"], "line_id": ["L1001", "L1002", "L1003", "L9"], "reason": ["r"],
    "bill_id": ["B1001", "B1002", "B1234321", "B9"], "id": ["C1001", "L1002", "D1001", "P1002", "B1001", "X1", "L9"],
    "phone_number": ["555-123-2002", "1"], "full_name": ["John Smith", "x"], "dob": ["1985-06-15"], "limit": [1, 12],
    "gb_amount": [2.0, 1, -1, 0.5], "summary": ["s"], "mode": ["4g_only", "2g_only", "4g_5g_preferred", "3g_only", "x"],
    "apn_settings": [{}, {"apn_name": "broken"}, {"x": 1}], "app_name": ["messaging", "browser", "none"],
    "permission": ["sms", "Storage", "x"], "user_id": ["user_1", "u"], "title": ["t"], "description": ["d"],
    "task_id": ["task_1", "task_2", "t"], "status": ["completed", "pending"], "notification_id": ["notif_1", "n"],
}  # fmt: skip
"""What random calls are made of, right and wrong."""


class Made(NamedTuple):
    """A call that somebody makes: upstream's name of the side, the tool, its arguments."""

    side: str
    name: str
    arguments: dict[str, Any]


class Outcome(NamedTuple):
    """What became of a run: its reward, both databases as text, and each answer with whether it is an error."""

    reward: float
    databases: tuple[str, str]
    answers: list[tuple[str, bool]]


def main(
    upstream: Annotated[Path, typer.Option(help="A checkout of sierra-research/tau2-bench.")],
    data: Annotated[Path, typer.Option(help="The benchmark's data.")] = Path("../shared/data/bench/tau2-bench"),
    seed: int = 5,
    quick: bool = False,
) -> None:
    """Compare our worlds and rewards of tau2-bench's two-sided domains with upstream's."""
    sys.path.insert(0, str(upstream.resolve() / "src"))
    os.environ["TAU2_DATA_DIR"] = str(upstream.resolve() / "data")
    importlib.import_module("loguru").logger.remove()
    bench, rng = Tau2Bench(data), random.Random(seed)
    print("| domain | run | runs | official 1.0 | same reward | same databases | answers | same text | same flag |")
    print("|---|---|---|---|---|---|---|---|---|")
    for domain in ("telecom", "mock"):
        items = {item.item_id: item for item in bench.items() if item.subset == domain}
        tasks = {f"{domain}-{task['id']}": task for task in read(data / domain / DOMAINS[domain].task_sets[domain])}
        counts: dict[str, Counter[str]] = {}
        for name, task in list(tasks.items())[:: 20 if quick else 1]:
            official = Official(domain, task)
            for kind, calls in runs(items[name], official.tools(), rng):
                note(counts.setdefault(kind, Counter()), official.play(calls), ours(bench, items[name], calls))
        for kind, found in counts.items():
            shown = " | ".join(f"{found[key]:,}" for key in ("runs", "official", "rewards", "databases", "answers",
                                                             "texts", "flags"))
            print(f"| {domain} | {kind} | {shown} |")


def runs(item: Item, tools: dict[str, tuple[str, list[str]]], rng: random.Random) -> list[tuple[str, list[Made]]]:
    """Runs of one task, each with its kind."""
    actions = item.payload["actions"]
    gold = [Made(a.get("requestor") or "assistant", a["name"], a["arguments"]) for a in actions]
    found = [("gold", gold), *(("one action left out", gold[:n] + gold[n + 1 :]) for n in range(len(gold)))]
    found += [("nothing", [])] if gold else []
    for _ in range(2):
        mixed = [*gold, *(random_call(tools, rng) for _ in range(25))]
        rng.shuffle(mixed)
        found.append(("gold among 25 random calls", mixed))
    return found


def random_call(tools: dict[str, tuple[str, list[str]]], rng: random.Random) -> Made:
    """A call of any tool; now and then by the wrong side, or without an argument."""
    name = rng.choice(sorted(tools))
    side, parameters = tools[name]
    arguments = {parameter: rng.choice(VALUES[parameter]) for parameter in parameters}
    if arguments and rng.random() < 0.04:
        arguments.pop(next(iter(arguments)))
    if rng.random() < 0.03:
        side = "user" if side == "assistant" else "assistant"
    return Made(side, name, arguments)


class Official:
    """One task in upstream's own code."""

    def __init__(self, domain: str, task: dict[str, Any]) -> None:
        self.environment = importlib.import_module(f"tau2.domains.{domain}.environment").get_environment
        self.task = importlib.import_module("tau2.data_model.tasks").Task.model_validate(task)
        self.messages = importlib.import_module("tau2.data_model.message")

    def tools(self) -> dict[str, tuple[str, list[str]]]:
        """Name -> whose it is, and its parameters."""
        environment = self.environment()
        sides = (("assistant", environment.tools), ("user", environment.user_tools))
        return {name: (side, list(tool.openai_schema["function"]["parameters"].get("properties", {})))
                for side, kit in sides for name, tool in kit.get_tools().items()}

    def play(self, calls: list[Made]) -> Outcome:
        """Make the calls and grade them. What upstream's grading does not survive is worth 0."""
        environment, state = self._fresh(), self.task.initial_state
        history = list((state and state.message_history) or [])
        environment.set_state(state and state.initialization_data, state and state.initialization_actions, history)
        answers = []
        for number, (side, name, arguments) in enumerate(calls):
            call = self.messages.ToolCall(id=f"c{number}", name=name, arguments=deepcopy(arguments), requestor=side)
            answer = environment.get_response(call)
            answers.append((answer.content, answer.error))
            said = self.messages.UserMessage if side == "user" else self.messages.AssistantMessage
            history += [said(role=side, tool_calls=[call]), answer]
        databases = spelt(environment.tools.db), spelt(environment.user_tools.db)
        return Outcome(self._reward(history), databases, answers)

    def _fresh(self, solo_mode: bool = False) -> Any:  # noqa: ARG002  upstream calls it so
        """A new world. Upstream keeps one VPN for all worlds of a process; here each has its own."""
        environment = self.environment()
        kit = type(environment.user_tools)
        if hasattr(kit, "default_vpn_details"):
            level = type(kit.default_vpn_details.server_performance)
            kit.default_vpn_details = kit.default_vpn_details.model_copy(update={"server_performance": level.EXCELLENT})
        return environment

    def _reward(self, history: list[Any]) -> float:
        criteria = self.task.evaluation_criteria
        if criteria is None:
            return 1.0
        env = importlib.import_module("tau2.evaluator.evaluator_env").EnvironmentEvaluator
        action = importlib.import_module("tau2.evaluator.evaluator_action").ActionEvaluator
        try:
            reward = env.calculate_reward(self._fresh, self.task, history).reward
        except ValueError:
            return 0.0
        if "ACTION" in [str(one.value) for one in criteria.reward_basis]:
            reward *= action.calculate_reward(self.task, history).reward
        return float(reward)


def ours(bench: Tau2Bench, item: Item, calls: list[Made]) -> Outcome:
    """The same run in our world. The agent says what the task asks it to say: only calls are compared here."""
    world, messages, steps, answers = bench.world(item), [], [], []
    for number, (side, name, arguments) in enumerate(calls):
        call = ToolCall(id=f"c{number}", name=name, arguments=arguments)
        answer = world.call(call, SIDES[side])
        answers.append((answer.text, bool(answer.error)))
        messages.append(Message(role="user" if side == "user" else "assistant", tool_calls=(call,)))
        steps.append(Step(call=call, response=answer.text))
    messages += [Message(role="assistant", content=text) for text in item.payload["communicate_info"]]
    record = Trajectory(
        trajectory_id="t", task_id=item.item_id, environment_id="e", trial=0, changes=(), steps=tuple(steps),
        messages=(*messages, Message(role="user", content="###STOP###")), stop_reason=StopReason.USER_STOP,
    )  # fmt: skip
    state: Any = world.state
    return Outcome(bench.grade(item, record).reward, (spelt(state.agent), spelt(state.user)), answers)


def spelt(database: Any) -> str:
    """A database as upstream hashes it."""
    return json.dumps(database.model_dump(), sort_keys=True, default=str)


def note(counts: Counter[str], theirs: Outcome, own: Outcome) -> None:
    """Count what is alike."""
    pairs = list(zip(theirs.answers, own.answers, strict=True))
    counts.update(
        runs=1, official=theirs.reward == 1.0, rewards=theirs.reward == own.reward,
        databases=theirs.databases == own.databases, answers=len(pairs), texts=sum(a == b for a, b in pairs),
        flags=sum(a[1] == b[1] for a, b in pairs),
    )  # fmt: skip
