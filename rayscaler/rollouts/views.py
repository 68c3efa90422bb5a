"""What each side of a conversation is shown: the system prompts, and the conversation from its point of view."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import yaml

from rayscaler.environment import EnvironmentSpec
from rayscaler.messages import STOP, Message
from rayscaler.rollouts.dialogue import Unread
from rayscaler.task import Intent


def agent_prompt(spec: EnvironmentSpec) -> str:
    """The agent's system prompt: the policy of the environment, or a plain one where it has none."""
    return spec.policy or _prompts()["agent"].format(title=spec.title, now=spec.now).strip()


def user_prompt(intent: Intent) -> str:
    """The system prompt of a user that a model plays: its scenario, what it knows, and when to stop."""
    facts = "\n".join(f"- {fact.name.replace('_', ' ')}: {fact.text}" for fact in intent.facts) or "- nothing more"
    scenario = intent.instructions or intent.opening
    persona = intent.persona or "an ordinary customer"
    return str(_prompts()["user"].format(persona=persona, scenario=scenario, facts=facts, stop=STOP)).strip()


def agent_view(messages: Sequence[Message], unread: Sequence[Unread]) -> Sequence[Message]:
    """The conversation as the agent sees it: as it is, with its last replies that could not be read and why."""
    if not unread:
        return messages
    told: list[Message] = []
    for text, fault in unread:
        told += [Message(role="assistant", content=text)] if text.strip() else []
        told.append(Message(role="user", content=_prompts()["unread"].format(fault=fault).strip()))
    return [*messages, *told]


def user_view(messages: Sequence[Message], prompt: str) -> list[Message]:
    """The conversation as the user sees it: the agent's words come from `user`, its own from `assistant`.

    Tool calls and their answers are left out; the agent's greeting, which opens the view, is in no record.
    """
    view = [Message(role="system", content=prompt), Message(role="user", content=_prompts()["greeting"])]
    for message in messages:
        if message.role == "user":
            view.append(Message(role="assistant", content=message.content))
        elif message.role == "assistant" and not message.tool_calls:
            view.append(Message(role="user", content=message.content))
    return view


@cache
def _prompts() -> dict[str, str]:
    loaded: dict[str, str] = yaml.safe_load(files("rayscaler.rollouts").joinpath("prompts.yaml").read_text("utf-8"))
    return loaded
