"""The one protocol behind both sides of a conversation.

Whoever speaks, the scripted policies of this package or a language model behind a server, is a `Chat`: it gets the
conversation from its own point of view and gives back one message. A conversation never knows which it talks to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, Protocol

from rayscaler.messages import Message

Side = Literal["agent", "user"]


class Sampling(NamedTuple):
    """How a model draws its reply. Scripted sides ignore it: they are given a generator."""

    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 2048
    seed: int = 0


class Usage(NamedTuple):
    """What one reply of a model took. `retries`: how often the call was made again; `latency_s` has them all."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    latency_s: float = 0.0
    retries: int = 0
    finish_reason: str = ""


class Reply(NamedTuple):
    """One reply of a chat. `malformed` says why the text could not be read as a message, where it could not; the text
    is then the content of `message`. `usage` is None for a side that is no model.
    """

    message: Message
    malformed: str = ""
    usage: Usage | None = None


class ModelCall(NamedTuple):
    """One reply of a model in a conversation, with what it was drawn with."""

    side: Side
    sampling: Sampling
    usage: Usage
    malformed: str


class Chat(Protocol):
    """One side of one conversation.

    The speaker sees itself as `assistant` and the other side as `user`. May raise anything: the caller records the
    failure (`StopReason.CHAT_FAILED`) and the conversation ends as data. A side that never waits can be driven without
    an event loop.
    """

    async def reply(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]], sampling: Sampling) -> Reply:
        """The next message of this side. `tools` are in OpenAI form, empty for the user's side."""
        ...
