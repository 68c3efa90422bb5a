"""The one protocol behind both sides of a conversation.

Whoever speaks, the scripted policies of this package or a language model behind a server, is a `Chat`: it gets the
conversation from its own point of view and gives back one message. A conversation never knows which it talks to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from rayscaler.messages import Message


class Sampling(BaseModel):
    """How a model draws its reply. Scripted sides ignore it: they are given a generator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    temperature: float = Field(0.7, ge=0)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(2048, ge=1, description="Longest reply, in tokens.")
    seed: int = 0


class Usage(NamedTuple):
    """What one reply cost."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_s: float = 0.0


class Reply(NamedTuple):
    """One reply of a chat. `malformed` says why the text could not be read as a message, where it could not."""

    message: Message
    usage: Usage = Usage()
    malformed: str = ""


class Chat(Protocol):
    """One side of one conversation.

    The speaker sees itself as `assistant` and the other side as `user`. May raise anything: the caller records the
    failure (`StopReason.CHAT_FAILED`) and the conversation ends as data.
    """

    def reply(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]], sampling: Sampling) -> Reply:
        """The next message of this side. `tools` are in OpenAI form, empty for the user's side."""
        ...
