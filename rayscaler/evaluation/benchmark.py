"""What a benchmark is: items that are played, worlds that answer their calls, and a grade for each conversation.

An adapter reads a benchmark's own data and is a `Benchmark`. It plays nothing: `runtime.episodes` plays every item of
every benchmark the same way, and `grade` is a function of the item and of what was recorded, so stored conversations
can be graded again without a model.

    benchmark = open_benchmark(...)
    for item in benchmark.items():
        trajectory = ...                        # played, or read from a table
        benchmark.grade(item, trajectory)       # Grade(reward=1.0, parts={"database": 1.0}, uncovered=(), detail="")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from rayscaler.messages import STOP, Message, ToolCall
from rayscaler.trajectory import Trajectory

Caller = Literal["agent", "user"]

ToolSchema = dict[str, Any]
"""One tool in OpenAI's form: `{"type": "function", "function": {"name", "description", "parameters"}}`."""


@dataclass(frozen=True)
class SimulatedUser:
    """A user that a model plays, until it says `stop`."""

    prompt: str
    """Its system prompt, whole."""
    tools: tuple[ToolSchema, ...] = ()
    """What the user may call itself (a phone in its hand)."""
    stop: tuple[str, ...] = (STOP,)
    """The conversation ends when a message of the user holds one of these."""
    greeting: str = "Hi! How can I help you today?"
    """What the agent is taken to have said first."""
    records_greeting: bool = False
    """Whether the greeting stands in the record, where the agent sees it."""


@dataclass(frozen=True)
class Turn:
    """What a scripted user says at once, and the tools that are offered from then on besides the earlier ones."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSchema, ...] = ()


@dataclass(frozen=True)
class ScriptedTurns:
    """A user whose messages are fixed. Each turn ends when the agent answers in words."""

    turns: tuple[Turn, ...]
    answers_calls: bool = True
    """If not, the agent's first reply to the last turn ends the conversation, and no call is answered."""
    calls_per_turn: int = 0
    """Replies with calls after which a turn ends all the same; 0 has no such limit."""


@dataclass(frozen=True)
class Item:
    """One thing to do, in one trial or several."""

    item_id: str
    """Unique in the benchmark."""
    subset: str
    """What scores are told apart by: `retail`, `multi_turn_base`."""
    prompt: str
    """The agent's system prompt; empty for none."""
    tools: tuple[ToolSchema, ...]
    user: SimulatedUser | ScriptedTurns
    n_calls: int = 0
    """Length of the gold run, where one is known."""
    labels: tuple[str, ...] = ()
    """What it is scored apart by too, besides its subset."""
    group: str = ""
    """Items of one group rise and fall together (calls of one task): intervals draw whole groups. Empty: its own."""
    max_replies: int = 0
    """Replies of the agent after which the benchmark ends a conversation; 0 leaves it to the recipe."""
    max_errors: int = 0
    """Calls answered with an error, of both sides, at which the benchmark ends a conversation; 0 for no such limit."""
    payload: Any = field(default=None, repr=False, compare=False)
    """What only the adapter reads: gold, start state."""


class Answer(NamedTuple):
    """What the world says to one call. `error` names what went wrong, `ends` says that the conversation is over."""

    text: str
    error: str = ""
    ends: bool = False


class World(Protocol):
    """The tools and the state of one conversation. The same calls in the same order give the same answers."""

    def call(self, call: ToolCall, by: Caller) -> Answer:
        """Run one call. A call that cannot be run is answered with its error; nothing raises for what a model wrote."""
        ...


class Grade(NamedTuple):
    """What one conversation is worth.

    reward: 0 to 1, over what is covered. parts: the checks that went into it, each 0 to 1. uncovered: checks that the
    benchmark asks for and that were not made (a judge model), by name; such a reward is an upper bound and is reported
    apart. detail: why it is below 1.
    """

    reward: float
    parts: dict[str, float]
    uncovered: tuple[str, ...] = ()
    detail: str = ""


class Benchmark(Protocol):
    """One benchmark, read from its data."""

    @property
    def name(self) -> str:
        """What the tables call it."""

    @property
    def version(self) -> str:
        """Version and commit of its data."""

    def items(self) -> Sequence[Item]:
        """Every item, in the benchmark's own order."""
        ...

    def world(self, item: Item) -> World:
        """A fresh world for one conversation."""
        ...

    def grade(self, item: Item, trajectory: Trajectory) -> Grade:
        """The grade of a recorded conversation. A function of its arguments: no model, no clock."""
        ...


def calls_of(trajectory: Trajectory, by: Caller = "agent") -> list[ToolCall]:
    """The calls that one side made and that were answered, in order."""
    return [call for side, call in calls_by_side(trajectory) if side == by]


def calls_by_side(trajectory: Trajectory) -> list[tuple[Caller, ToolCall]]:
    """The calls that were answered, in order, each with the side that made it."""
    sides: dict[str, Caller] = {
        call.id: "user" if message.role == "user" else "agent"
        for message in trajectory.messages for call in message.tool_calls
    }  # fmt: skip
    return [(sides[step.call.id], step.call) for step in trajectory.steps if step.call.id in sides]


def said_by(trajectory: Trajectory, by: Caller = "agent") -> list[str]:
    """The words that one side said, message by message, without empty ones."""
    role = "assistant" if by == "agent" else "user"
    return [m.content for m in trajectory.messages if m.role == role and m.content.strip()]
