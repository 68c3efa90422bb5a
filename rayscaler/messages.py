"""Messages and tool calls in the form that OpenAI's API and Hugging Face chat templates share.

Arguments are kept as a JSON object, not as a string: `to_openai` writes the string that the API wants, `to_template`
the object that chat templates want.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from rayscaler.canonical import dumps

Role = Literal["system", "user", "assistant", "tool"]

STOP = "###STOP###"
"""What the simulated user says when it is done (the convention of tau-bench, which the paper follows)."""


class ToolCall(BaseModel):
    """One call that the agent asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    arguments: dict[str, Any]


class Message(BaseModel):
    """One turn of a conversation. A tool message answers the call named by `tool_call_id`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""

    def to_openai(self) -> dict[str, Any]:
        """The message as OpenAI's chat completions API takes it."""
        row = self._common()
        if self.tool_calls:
            row["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": dumps(c.arguments)}}
                for c in self.tool_calls
            ]
        return row

    def to_template(self) -> dict[str, Any]:
        """The message as Hugging Face chat templates take it: arguments are objects, reasoning is its own field."""
        row = self._common()
        if self.reasoning:
            row["reasoning_content"] = self.reasoning
        if self.tool_calls:
            row["tool_calls"] = [
                {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
                for c in self.tool_calls
            ]
        return row

    def _common(self) -> dict[str, Any]:
        row: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.role == "tool":
            row["tool_call_id"] = self.tool_call_id
            row["name"] = self.name
        return row
