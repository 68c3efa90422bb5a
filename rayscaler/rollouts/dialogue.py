"""The dialogue of user, agent and environment as a state machine without I/O of its own.

A `Dialogue` says what it needs next; whoever drives it (a plain loop, an event loop with a thousand of them) fetches
that and calls `advance` with the event. The order of roles is OpenAI's: system, user, then assistant; after an
assistant message with tool calls one tool message per call, in the order of the calls, then assistant again; after an
assistant message in words, user.

    need USER   --UserSaid-->      AGENT, or ended by `###STOP###`
    need AGENT  --AgentSaid-->     TOOLS if it calls tools, else USER
    need TOOLS  --ToolsAnswered--> AGENT
    any         --Failed-->        ended

It ends by itself at `max_turns` replies of the agent (when an eleventh would be asked of `max_turns=10`: the user still
hears the tenth), when the agent asks for more than `max_calls` calls in all (those are not run), and at a malformed
reply, which is described in `error_detail` and not recorded as a message. An agent is asked again up to `max_retries`
times in a row before that: `unread` holds what it wrote and what is wrong with it, for the agent's next view
(`views.agent_view`); once it can be read, nothing of that is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple

from rayscaler.canonical import dumps
from rayscaler.errors import FingerprintError
from rayscaler.messages import STOP, Message, ToolCall
from rayscaler.rollouts.chat import Reply
from rayscaler.trajectory import ErrorType, StopReason

MAX_DEPTH = 100
"""Levels of a call's arguments. A stored trajectory with more than 200 could not be read again."""


class Need(StrEnum):
    """What a dialogue waits for."""

    USER = "user"
    AGENT = "agent"
    TOOLS = "tools"
    NOTHING = "nothing"


class Limits(NamedTuple):
    """When a dialogue that does not come to an end is ended."""

    max_turns: int
    max_calls: int
    max_retries: int = 0


class Unread(NamedTuple):
    """A reply of the agent that could not be read: its text, and why."""

    text: str
    fault: str


class UserSaid(NamedTuple):
    """The user's reply."""

    reply: Reply


class AgentSaid(NamedTuple):
    """The agent's reply."""

    reply: Reply


class ToolsAnswered(NamedTuple):
    """The environment's answers to the pending calls, as JSON values in the order of the calls."""

    answers: tuple[Any, ...]


class Failed(NamedTuple):
    """Something outside the dialogue broke: a chat or the environment."""

    stop_reason: StopReason
    detail: str


Event = UserSaid | AgentSaid | ToolsAnswered | Failed


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One state. `stop_reason` is set exactly when `need` is NOTHING."""

    messages: tuple[Message, ...]
    limits: Limits
    need: Need = Need.USER
    turns: int = 0
    calls: int = 0
    unread: tuple[Unread, ...] = ()
    stop_reason: StopReason | None = None
    error_type: ErrorType = ErrorType.NONE
    error_detail: str = ""

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """The calls that wait for their answers; empty unless `need` is TOOLS."""
        return self.messages[-1].tool_calls if self.need is Need.TOOLS else ()


def begin(system: str, limits: Limits) -> Dialogue:
    """The state in which the user is asked for its opening. `system` is the agent's system prompt."""
    return Dialogue(messages=(Message(role="system", content=system),), limits=limits)


def advance(state: Dialogue, event: Event) -> Dialogue:
    """The state after `event`. Raises ValueError for an event that the state does not wait for."""
    match event:
        case Failed(stop_reason, detail) if state.need is not Need.NOTHING:
            return _end(state, stop_reason, ErrorType.INFRASTRUCTURE, detail)
        case UserSaid(reply) if state.need is Need.USER:
            return _after_user(state, reply)
        case AgentSaid(reply) if state.need is Need.AGENT:
            return _after_agent(state, reply)
        case ToolsAnswered(answers) if state.need is Need.TOOLS and len(answers) == len(state.pending):
            return _ask_agent(_say(state, *map(_tool_message, state.pending, answers)))
    found = type(event).__name__
    raise ValueError(f"the dialogue needs {state.need} ({len(state.pending)} calls pending), found {found}")


def _after_user(state: Dialogue, reply: Reply) -> Dialogue:
    message = reply.message
    fault = reply.malformed or ("the user calls tools" if message.tool_calls else "")
    if not fault and not message.content.strip():
        fault = "the user says nothing"
    if fault:
        return _end(state, StopReason.MALFORMED_REPLY, ErrorType.USER, fault)
    state = _say(state, Message(role="user", content=message.content))
    if STOP in message.content:
        return _end(state, StopReason.USER_STOP, ErrorType.NONE, "")
    return _ask_agent(state)


def _after_agent(state: Dialogue, reply: Reply) -> Dialogue:
    message = reply.message
    fault = reply.malformed or fault_in(message, state.messages)
    if fault and len(state.unread) < state.limits.max_retries:
        return replace(state, unread=(*state.unread, Unread(message.content, fault)))
    if fault:
        return _end(state, StopReason.MALFORMED_REPLY, ErrorType.AGENT, fault)
    calls = message.tool_calls
    spoken = Message(role="assistant", content=message.content, reasoning=message.reasoning, tool_calls=calls)
    state = replace(_say(state, spoken), turns=state.turns + 1, unread=(), need=Need.TOOLS if calls else Need.USER)
    if state.calls + len(calls) > state.limits.max_calls:
        detail = f"asked for call {state.calls + len(calls)}, the limit is {state.limits.max_calls}"
        return _end(state, StopReason.MAX_CALLS, ErrorType.AGENT, detail)
    return replace(state, calls=state.calls + len(calls))


def fault_in(message: Message, before: Sequence[Message]) -> str:
    """What makes a reply of the agent unusable after the messages `before`, or empty."""
    if not message.content.strip() and not message.tool_calls:
        return "the agent neither speaks nor calls a tool"
    taken = {call.id for earlier in before for call in earlier.tool_calls}
    for call in message.tool_calls:
        if not call.name:
            return f"call {call.id!r} names no tool"
        if not call.id or call.id in taken:
            return f"the id {call.id!r} of the call to {call.name} is empty or was used before"
        taken.add(call.id)
        try:
            dumps(call.arguments)
        except FingerprintError as error:
            return f"arguments of the call to {call.name} are no JSON: {error}"
        except RecursionError:
            return f"arguments of the call to {call.name} are nested too deeply"
        if _depth(call.arguments) > MAX_DEPTH:
            return f"arguments of the call to {call.name} are nested deeper than {MAX_DEPTH} levels"
    return ""


def _depth(value: Any) -> int:
    """Levels of nesting; counted without recursion, up to one more than may be."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        level = [inner for one in level if isinstance(one, (dict, list))
                 for inner in (one.values() if isinstance(one, dict) else one)]
        depth += 1
    return depth


def _tool_message(call: ToolCall, answer: Any) -> Message:
    """The answer as canonical JSON text, whole: nothing is cut, so an agent reads exactly what the environment said."""
    return Message(role="tool", content=dumps(answer), tool_call_id=call.id, name=call.name)


def _ask_agent(state: Dialogue) -> Dialogue:
    if state.turns >= state.limits.max_turns:
        return _end(state, StopReason.MAX_TURNS, ErrorType.AGENT, f"no end after {state.turns} replies of the agent")
    return replace(state, need=Need.AGENT)


def _say(state: Dialogue, *messages: Message) -> Dialogue:
    return replace(state, messages=state.messages + messages)


def _end(state: Dialogue, stop_reason: StopReason, error_type: ErrorType, detail: str) -> Dialogue:
    return replace(state, need=Need.NOTHING, stop_reason=stop_reason, error_type=error_type, error_detail=detail)
