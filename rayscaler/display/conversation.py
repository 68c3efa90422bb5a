"""Tasks, trajectories and training examples as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from rayscaler.canonical import dumps
from rayscaler.display.changes import changes_text
from rayscaler.task import Task
from rayscaler.trajectory import Step, Trajectory, Verdict

_ROLES = {"system": "dim", "user": "bold cyan", "assistant": "bold green", "tool": "magenta"}
_LONG = 600


class Decoder(Protocol):
    """Whatever turns token ids back into text."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of `ids`."""
        ...


def task_text(task: Task) -> RenderableType:
    """What the user wants and knows, the gold calls with what they changed, and what the agent must tell."""
    head = Text.assemble(
        (task.task_id, "bold"), f"  {task.kind}, {task.split}\n{task.environment_id}, state {task.seed}", style="dim"
    )
    parts: list[RenderableType] = [head, Text(f"\n{task.intent.opening}\n", style="cyan")]
    for fact in task.intent.facts:
        when = "says" if fact.said else "knows"
        parts.append(Text.assemble(f"{when} ", (fact.name, "bold"), f": {fact.text}"))
    for number, gold in enumerate(task.gold):
        parts.append(Text.assemble(f"\n{number}. ", (gold.tool, "bold"), f" {dumps(gold.arguments)}"))
        looked_up = {n: s for n, s in gold.sources.items() if s.kind == "output"}
        for name, source in looked_up.items():
            path = ".".join(map(str, source.path))
            parts.append(Padding(Text(f"{name} is {path} of the answer to call {source.call}", style="dim"), (0, 4)))
        if gold.writes:
            parts.append(Padding(changes_text(gold.changes), (0, 4)))
    if task.answers:
        parts.append(Text(f"\nmust be told: {', '.join(answer.text for answer in task.answers)}"))
    return Group(*parts)


def trajectory_text(trajectory: Trajectory, verdict: Verdict | None = None) -> RenderableType:
    """The conversation with the rows that each call changed, how it ended, and its verdict."""
    steps = {step.call.id: step for step in trajectory.steps}
    parts: list[RenderableType] = []
    for message in trajectory.messages:
        head = Text(message.role, style=_ROLES[message.role])
        parts.append(head.append(f" {message.name}" if message.name else "", style="dim"))
        if message.reasoning:
            parts.append(Padding(Text(_short(message.reasoning), style="italic dim"), (0, 2)))
        if message.content:
            parts.append(Padding(Text(_short(message.content)), (0, 2)))
        for call in message.tool_calls:
            parts.append(Padding(_call_text(call.name, call.arguments), (0, 2)))
        if message.role == "tool" and message.tool_call_id in steps:
            parts += _step_changes(steps[message.tool_call_id])
    parts += [Text("\nwhat changed in all", style="bold"), changes_text(trajectory.changes)]
    end = f"\nended by {trajectory.stop_reason}"
    if trajectory.error_detail:
        end += f" ({trajectory.error_type}: {trajectory.error_detail})"
    parts.append(Text(end + (f"; planted mistake: {trajectory.planted}" if trajectory.planted else "")))
    return Group(*parts, *([] if verdict is None else [verdict_text(verdict)]))


def verdict_text(verdict: Verdict) -> Text:
    """`kept`, or the filter that dropped it, why, and the rows or calls that decided."""
    if verdict.kept:
        return Text("kept", style="bold green")
    return Text.assemble((f"dropped by {verdict.stage}: {verdict.reason}", "bold red"), f"\n{verdict.detail}")


def mask_text(input_ids: Sequence[int], loss_mask: Sequence[int], tokenizer: Decoder) -> RenderableType:
    """The rendered conversation with what the loss looks at on a green ground."""
    text = Text()
    for supervised, ids in _runs(input_ids, loss_mask):
        text.append(tokenizer.decode(ids, skip_special_tokens=False), style="black on green" if supervised else "dim")
    return Group(text, Text(f"{sum(loss_mask):,} of {len(input_ids):,} tokens supervised", style="bold"))


def _runs(input_ids: Sequence[int], loss_mask: Sequence[int]) -> Iterator[tuple[bool, list[int]]]:
    for mask, pairs in groupby(zip(loss_mask, input_ids, strict=True), key=lambda pair: pair[0]):
        yield bool(mask), [token for _, token in pairs]


def _call_text(name: str, arguments: dict[str, Any]) -> Text:
    return Text.assemble("-> ", (name, "bold"), f" {dumps(arguments)}", style="yellow")


def _step_changes(step: Step) -> list[RenderableType]:
    return [Padding(changes_text(step.changes), (0, 4))] if step.changes else []


def _short(text: str) -> str:
    return text if len(text) <= _LONG else f"{text[:_LONG]}… ({len(text) - _LONG:,} more characters)"
