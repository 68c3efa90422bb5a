"""One conversation of a benchmark from start to end: item and world in, trajectory out.

It is what `rollouts.play` is for rayscaler's own tasks, for items of any benchmark: a simulated user that may have
tools of its own, a scripted user, or one reply. Tool messages hold the world's text as it is. Nothing that goes wrong
here raises: a chat or a world that breaks gives a trajectory with `ErrorType.INFRASTRUCTURE`.

An agent that writes what cannot be read is told so and asked again, up to `max_retries` times in a row, as in rollouts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from rayscaler.evaluation.benchmark import Caller, Item, ScriptedTurns, SimulatedUser, ToolSchema, Turn, World
from rayscaler.messages import Message, ToolCall
from rayscaler.rollouts.chat import Chat, ModelCall, Reply, Sampling
from rayscaler.rollouts.dialogue import Unread, fault_in
from rayscaler.rollouts.play import MAX_DETAIL, MAX_SEED
from rayscaler.rollouts.views import agent_view
from rayscaler.trajectory import ErrorType, Step, StopReason, Trajectory


class Bounds(NamedTuple):
    """When a conversation that does not come to an end is ended: replies of the agent, calls of both sides."""

    max_turns: int
    max_calls: int
    max_retries: int = 0


class Voices(NamedTuple):
    """Who plays. `user` is None where no item has a simulated user."""

    agent: Chat
    user: Chat | None = None
    agent_sampling: Sampling = Sampling()
    user_sampling: Sampling = Sampling()


class Ended(Exception):
    """The conversation is over: no error, but how it leaves the loops that drive it."""

    def __init__(self, reason: StopReason, error_type: ErrorType = ErrorType.NONE, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.error_type, self.detail = reason, error_type, detail[:MAX_DETAIL]


class Played(NamedTuple):
    """A conversation that has ended, and what its models' replies took."""

    messages: tuple[Message, ...]
    steps: tuple[Step, ...]
    stop_reason: StopReason
    error_type: ErrorType
    error_detail: str
    model_calls: tuple[ModelCall, ...]

    def trajectory(self, item: Item, *, trajectory_id: str, where: str, trial: int, seed: int, agent: str, user: str,
                   ) -> Trajectory:
        """The conversation as it is stored. `where` stands for the environment."""
        return Trajectory(
            trajectory_id=trajectory_id, task_id=item.item_id, environment_id=where, trial=trial,
            messages=self.messages, steps=self.steps, changes=(), stop_reason=self.stop_reason,
            error_type=self.error_type, error_detail=self.error_detail, agent=agent, user=user, seed=seed,
        )  # fmt: skip


async def play_item(item: Item, world: World, voices: Voices, bounds: Bounds) -> Played:
    """Play `item` in `world`, which is fresh."""
    stage = _Stage(item, world, voices, bounds)
    try:
        if isinstance(item.user, ScriptedTurns):
            await _scripted(stage, item.user)
        else:
            await _simulated(stage, item.user)
    except Ended as end:
        return Played(tuple(stage.record), tuple(stage.steps), end.reason, end.error_type, end.detail,
                      tuple(stage.model_calls))
    raise AssertionError("a conversation ends by saying why")


def unplayed(error: Exception) -> Played:
    """What is recorded of a conversation that did not begin, or could not be recorded, because of `error`."""
    end = _broken(StopReason.ENVIRONMENT_FAILED, error)
    return Played((), (), end.reason, end.error_type, end.detail, ())


@dataclass
class _Stage:
    """What was said and done so far, and each side's view of it."""

    item: Item
    world: World
    voices: Voices
    bounds: Bounds
    record: list[Message] = field(default_factory=list)
    agent_sees: list[Message] = field(default_factory=list)
    user_sees: list[Message] = field(default_factory=list)
    tools: list[ToolSchema] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    model_calls: list[ModelCall] = field(default_factory=list)
    turns: int = 0

    def __post_init__(self) -> None:
        self.tools = list(self.item.tools)
        if self.item.prompt:
            self.hear(Message(role="system", content=self.item.prompt))

    def hear(self, message: Message) -> None:
        """A message that the agent sees."""
        self.record.append(message)
        self.agent_sees.append(message)

    def answer(self, calls: Sequence[ToolCall], by: Caller) -> None:
        """Run calls; their answers go to the side that made them. Raises Ended."""
        ends = False
        for call in calls:
            if len(self.steps) >= self.bounds.max_calls:
                raise Ended(StopReason.MAX_CALLS, _of(by), f"asked for call {len(self.steps) + 1}")
            try:
                answer = self.world.call(call, by)
            except Exception as error:  # the boundary to the world: what breaks there is recorded, whatever it is
                raise _broken(StopReason.ENVIRONMENT_FAILED, error) from error
            self.steps.append(Step(call=call, response=answer.text, error=answer.error))
            told = Message(role="tool", content=answer.text, tool_call_id=call.id, name=call.name)
            self.record.append(told)
            (self.agent_sees if by == "agent" else self.user_sees).append(told)
            ends = ends or answer.ends
        if ends:
            raise Ended(StopReason.TOOL_STOP)
        n_errors, most = sum(bool(step.error) for step in self.steps), self.item.max_errors
        if most and n_errors >= most:
            raise Ended(StopReason.MAX_ERRORS, _of(by), f"{n_errors} calls were answered with an error")

    def sampling(self, of: Sampling) -> Sampling:
        """Each reply has a seed of its own."""
        return of._replace(seed=(of.seed + len(self.model_calls)) % MAX_SEED)

    def note(self, side: Caller, sampling: Sampling, reply: Reply) -> None:
        """Keep what a reply took."""
        if reply.usage is not None:
            self.model_calls.append(ModelCall(side, sampling, reply.usage, reply.malformed))


async def _scripted(stage: _Stage, user: ScriptedTurns) -> None:
    for number, turn in enumerate(user.turns):
        _say_turn(stage, turn)
        if not user.answers_calls and number == len(user.turns) - 1:
            stage.hear(await _agent_reply(stage))
        else:
            await _agent_works(stage, user.calls_per_turn)
    raise Ended(StopReason.TURNS_DONE)


def _say_turn(stage: _Stage, turn: Turn) -> None:
    stage.tools = [*stage.tools, *turn.tools] if turn.tools else stage.tools
    for message in turn.messages:
        stage.hear(message)


async def _simulated(stage: _Stage, user: SimulatedUser) -> None:
    stage.user_sees += [Message(role="system", content=user.prompt), Message(role="user", content=user.greeting)]
    if user.records_greeting:
        stage.hear(Message(role="assistant", content=user.greeting))
    while True:
        await _user_works(stage, user)
        words = await _agent_works(stage, 0)
        stage.user_sees.append(Message(role="user", content=words))


async def _user_works(stage: _Stage, user: SimulatedUser) -> None:
    """The user calls its own tools until it speaks. Raises Ended when it stops."""
    while True:
        message = await _user_reply(stage, user)
        stage.user_sees.append(message)
        if not message.tool_calls:
            break
        stage.record.append(message.model_copy(update={"role": "user"}))
        stage.answer(message.tool_calls, "user")
    said = Message(role="user", content=message.content)
    if any(stop in said.content for stop in user.stop):
        stage.record.append(said)
        if not stage.turns:
            raise Ended(StopReason.MALFORMED_REPLY, ErrorType.USER, "the user ends it before the agent has said a word")
        raise Ended(StopReason.USER_STOP)
    stage.hear(said)


async def _user_reply(stage: _Stage, user: SimulatedUser) -> Message:
    if stage.voices.user is None:
        raise Ended(StopReason.CHAT_FAILED, ErrorType.INFRASTRUCTURE, "the item needs a simulated user, none is given")
    sampling = stage.sampling(stage.voices.user_sampling)
    try:
        reply = await stage.voices.user.reply(stage.user_sees, list(user.tools), sampling)
    except Exception as error:  # the boundary to a chat
        raise _broken(StopReason.CHAT_FAILED, error) from error
    stage.note("user", sampling, reply)
    message, made = reply.message, sum(len(m.tool_calls) for m in stage.record if m.role == "user")
    fault = reply.malformed or ("the user calls tools" if message.tool_calls and not user.tools else "")
    if not fault and not message.tool_calls and not message.content.strip():
        fault = "the user says nothing"
    if fault:
        raise Ended(StopReason.MALFORMED_REPLY, ErrorType.USER, fault)
    # Both sides number their calls from 0; in one record the ids must differ.
    own = tuple(call.model_copy(update={"id": f"user_{made + i}"}) for i, call in enumerate(message.tool_calls))
    return message.model_copy(update={"tool_calls": own})


async def _agent_works(stage: _Stage, calls_per_turn: int) -> str:
    """The agent calls tools until it speaks; its words. After `calls_per_turn` replies with calls, none."""
    replies = 0
    while True:
        message = await _agent_reply(stage)
        stage.hear(message)
        if not message.tool_calls:
            return message.content
        stage.answer(message.tool_calls, "agent")
        replies += 1
        if calls_per_turn and replies >= calls_per_turn:
            return ""


async def _agent_reply(stage: _Stage) -> Message:
    """The agent's next message that can be used. Raises Ended."""
    most = stage.item.max_replies or stage.bounds.max_turns
    if stage.turns >= most:
        raise Ended(StopReason.MAX_TURNS, ErrorType.AGENT, f"no end after {stage.turns} replies of the agent")
    stage.turns += 1
    unread: tuple[Unread, ...] = ()
    while True:
        sampling = stage.sampling(stage.voices.agent_sampling)
        try:
            reply = await stage.voices.agent.reply(agent_view(stage.agent_sees, unread), stage.tools, sampling)
        except Exception as error:  # the boundary to a chat
            raise _broken(StopReason.CHAT_FAILED, error) from error
        stage.note("agent", sampling, reply)
        fault = reply.malformed or fault_in(reply.message, stage.agent_sees)
        if not fault:
            return reply.message.model_copy(update={"role": "assistant"})
        if len(unread) >= stage.bounds.max_retries:
            raise Ended(StopReason.MALFORMED_REPLY, ErrorType.AGENT, fault)
        unread = (*unread, Unread(reply.message.content, fault))


def _of(by: Caller) -> ErrorType:
    return ErrorType.AGENT if by == "agent" else ErrorType.USER


def _broken(reason: StopReason, error: Exception) -> Ended:
    return Ended(reason, ErrorType.INFRASTRUCTURE, f"{type(error).__name__}: {error}")
