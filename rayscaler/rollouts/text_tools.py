"""A conversation with tools as plain text, the way Qwen3's chat template writes it.

For servers that know no `tools`: the tools stand in the system prompt, calls in the assistant's words as `<tool_call>`
blocks, answers in the user's as `<tool_response>` blocks. `reading.read_reply` reads what comes back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from rayscaler.messages import Message


def as_text(messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """`messages` in OpenAI form with roles system, user and assistant only; the first one tells of `tools`."""
    rows: list[dict[str, Any]] = []
    answers: list[str] = []
    for message in messages:
        if message.role == "tool":
            answers.append(f"<tool_response>\n{message.content}\n</tool_response>")
            continue
        if answers:
            rows.append({"role": "user", "content": "\n".join(answers)})
            answers = []
        rows.append({"role": message.role, "content": _content(message)})
    if answers:
        rows.append({"role": "user", "content": "\n".join(answers)})
    if tools:
        rows[0]["content"] = "\n\n".join([rows[0]["content"], tools_prompt(tools)])
    return rows


def tools_prompt(tools: Sequence[dict[str, Any]]) -> str:
    """What the system prompt says of the tools and of how they are called."""
    return _template().replace("{tools}", "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)).strip()


def _content(message: Message) -> str:
    calls = [{"name": call.name, "arguments": call.arguments} for call in message.tool_calls]
    blocks = [f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>" for call in calls]
    return "\n".join([part for part in (message.content, *blocks) if part])


@cache
def _template() -> str:
    return str(yaml.safe_load(files("rayscaler.rollouts").joinpath("prompts.yaml").read_text("utf-8"))["tools"])
