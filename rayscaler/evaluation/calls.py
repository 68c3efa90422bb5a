"""Call accuracy: is the next call right, given everything that gold has said and done so far (teacher-forced)?

One item per message of a faultless conversation that calls tools. The model sees the conversation up to there and gives
one reply, which is right if it makes the same calls: the same tools with equal arguments, in any order. It moves before
pass^k does, because one wrong turn does not spoil the rest of the conversation.

Not covered: another call that would serve as well (a second way to find the same row).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rayscaler.canonical import dumps, whole_numbers
from rayscaler.evaluation.benchmark import Grade, Item, ScriptedTurns, ToolSchema, Turn
from rayscaler.messages import Message, ToolCall
from rayscaler.trajectory import Trajectory


def call_items(
    gold: Trajectory, tools: Sequence[ToolSchema], *, subset: str, labels: tuple[str, ...] = ()
) -> list[Item]:
    """The items of one faultless conversation. `n_calls` is the place of the (first) call in it, from 1."""
    items: list[Item] = []
    made = 0
    for place, message in enumerate(gold.messages):
        if not message.tool_calls:
            continue
        items.append(Item(
            item_id=f"{gold.task_id}#{len(items)}",
            subset=subset,
            prompt="",
            tools=tuple(tools),
            user=ScriptedTurns((Turn(gold.messages[:place]),), answers_calls=False),
            n_calls=made + 1,
            labels=labels,
            group=gold.task_id,
            payload=message.tool_calls,
        ))  # fmt: skip
        made += len(message.tool_calls)
    return items


def grade_call(wanted: Sequence[ToolCall], trajectory: Trajectory) -> Grade:
    """1.0 if the last reply makes the wanted calls and no other. parts: the tools alone, and with their arguments."""
    last = trajectory.messages[-1] if trajectory.messages else Message(role="assistant")
    made = last.tool_calls if last.role == "assistant" else ()
    tools = float(Counter(c.name for c in made) == Counter(c.name for c in wanted))
    calls = float(Counter(map(_spelt, made)) == Counter(map(_spelt, wanted)))
    detail = "" if calls else f"wanted {_shown(wanted)}, found {_shown(made) or last.content[:200]!r}"
    return Grade(calls, {"tool": tools, "call": calls}, detail=detail)


def _spelt(call: ToolCall) -> str:
    return f"{call.name}({dumps(whole_numbers(call.arguments))})"


def _shown(calls: Sequence[ToolCall]) -> str:
    return ", ".join(_spelt(call)[:200] for call in calls)
