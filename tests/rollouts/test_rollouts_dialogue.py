"""The dialogue state machine: what it waits for, how it ends, what it refuses."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.messages import STOP, Message, ToolCall
from rayscaler.rollouts.chat import Reply
from rayscaler.rollouts.dialogue import (
    AgentSaid,
    Dialogue,
    Failed,
    Limits,
    Need,
    ToolsAnswered,
    UserSaid,
    advance,
    begin,
)
from rayscaler.rollouts.views import agent_view
from rayscaler.trajectory import ErrorType, StopReason

LIMITS = Limits(max_turns=3, max_calls=4)


def user(content: str) -> UserSaid:
    return UserSaid(Reply(Message(role="assistant", content=content)))


def agent(content: str = "", *calls: ToolCall, malformed: str = "") -> AgentSaid:
    return AgentSaid(Reply(Message(role="assistant", content=content, tool_calls=calls), malformed=malformed))


def call(number: int, **arguments: object) -> ToolCall:
    return ToolCall(id=f"call_{number}", name="get_order", arguments=arguments)


def after(*events: object, limits: Limits = LIMITS) -> Dialogue:
    state = begin("Be kind.", limits)
    for event in events:
        state = advance(state, event)
    return state


def test_a_conversation_has_openai_s_order_of_roles_and_ends_with_the_user_s_stop():
    state = after(user("Where is my order?"), agent("Let me see.", call(0), call(1)), ToolsAnswered(({"b": 1}, [])),
                  agent("It is on its way."), user(f"Thanks {STOP}"))
    assert [m.role for m in state.messages] == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]
    assert (state.need, state.stop_reason, state.error_type) == (Need.NOTHING, StopReason.USER_STOP, ErrorType.NONE)
    assert (state.turns, state.calls) == (2, 2)


def test_tool_messages_answer_the_calls_in_their_order_as_whole_json_text():
    rows = [{"z": 1, "a": "ü" * 5000}]
    state = after(user("Hi"), agent("", call(0), call(1)), ToolsAnswered((rows, {"error": {"kind": "not_found"}})))
    first, second = state.messages[-2:]
    assert (first.tool_call_id, second.tool_call_id, first.name) == ("call_0", "call_1", "get_order")
    assert json.loads(first.content) == rows
    assert second.content == '{"error":{"kind":"not_found"}}'


def test_the_user_hears_the_last_allowed_reply_and_may_still_stop():
    spoken = [agent("One."), user("And?"), agent("Two."), user("And?"), agent("Three.")]
    assert after(user("Hi"), *spoken).need is Need.USER
    assert after(user("Hi"), *spoken, user(f"Bye {STOP}")).stop_reason is StopReason.USER_STOP
    ended = after(user("Hi"), *spoken, user("And?"))
    assert (ended.stop_reason, ended.error_type) == (StopReason.MAX_TURNS, ErrorType.AGENT)


def test_calls_beyond_the_limit_are_not_run():
    state = after(user("Hi"), agent("", call(0), call(1), call(2)), ToolsAnswered((1, 2, 3)),
                  agent("", call(3), call(4)))
    assert (state.need, state.stop_reason, state.pending) == (Need.NOTHING, StopReason.MAX_CALLS, ())
    assert state.calls == 3


@pytest.mark.parametrize(
    ("reply", "named"),
    [
        (agent(""), "neither"),
        (agent("  \n"), "neither"),
        (agent("", malformed="no JSON in <tool_call>"), "no JSON"),
        (agent("", ToolCall(id="a", name="", arguments={})), "names no tool"),
        (agent("", ToolCall(id="", name="get", arguments={})), "empty or was used before"),
        (agent("", call(0), call(0)), "empty or was used before"),
        (agent("", call(0, limit=float("nan"))), "no JSON"),
    ],
)
def test_a_malformed_reply_of_the_agent_ends_it_and_is_described_not_recorded(reply, named):
    state = after(user("Hi"), reply)
    assert (state.stop_reason, state.error_type) == (StopReason.MALFORMED_REPLY, ErrorType.AGENT)
    assert named in state.error_detail
    assert len(state.messages) == 2


def test_an_agent_is_told_what_could_not_be_read_and_nothing_of_it_is_recorded():
    limits = Limits(max_turns=3, max_calls=4, max_retries=2)
    broken = AgentSaid(Reply(Message(role="assistant", content="{half"), malformed="no JSON"))
    state = after(user("Hi"), broken, agent(""), limits=limits)
    assert (state.need, state.turns, len(state.messages)) == (Need.AGENT, 0, 2)
    told = [(m.role, m.content) for m in agent_view(state.messages, state.unread)[2:]]
    fault = "the agent neither speaks nor calls a tool"
    assert told == [("assistant", "{half"), ("user", "Your last reply could not be read: no JSON\nWrite it again."),
                    ("user", f"Your last reply could not be read: {fault}\nWrite it again.")]
    mended, ended = advance(state, agent("Hello.")), advance(state, broken)
    assert (mended.unread, mended.messages[-1].content, len(mended.messages)) == ((), "Hello.", 3)
    assert agent_view(mended.messages, mended.unread) == mended.messages
    assert (ended.stop_reason, ended.error_type) == (StopReason.MALFORMED_REPLY, ErrorType.AGENT)


@pytest.mark.parametrize("levels", [101, 250, 900])
def test_arguments_that_are_nested_too_deeply_are_malformed(levels):
    deep: list[object] = []
    for _ in range(levels):
        deep = [deep]
    state = after(user("Hi"), agent("", call(0, deep=deep)))
    assert state.stop_reason is StopReason.MALFORMED_REPLY
    assert "are nested" in state.error_detail


def test_an_empty_word_of_the_user_is_the_user_s_failure():
    state = after(user("  "))
    assert (state.stop_reason, state.error_type) == (StopReason.MALFORMED_REPLY, ErrorType.USER)


def test_a_failure_outside_ends_it_and_keeps_what_was_said():
    state = after(user("Hi"), Failed(StopReason.CHAT_FAILED, "TimeoutError: 60 s"))
    assert (state.stop_reason, state.error_type) == (StopReason.CHAT_FAILED, ErrorType.INFRASTRUCTURE)
    assert state.messages[-1].content == "Hi"


@pytest.mark.parametrize(
    "events",
    [[agent("Hello")], [user("Hi"), user("Hi")], [user("Hi"), agent("", call(0)), ToolsAnswered(())],
     [user(STOP), user("Hi")], [user(STOP), Failed(StopReason.CHAT_FAILED, "")]],
)
def test_an_event_that_is_not_waited_for_is_refused(events):
    with pytest.raises(ValueError, match="the dialogue needs"):
        after(*events)


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=30), st.integers(1, 6), st.integers(1, 6))
def test_whatever_is_said_the_limits_hold_and_it_ends(choices, max_turns, max_calls):
    state, made = begin("", Limits(max_turns, max_calls)), 0
    for n_calls, stops in choices * 3:
        if state.need is Need.NOTHING:
            break
        if state.need is Need.USER:
            state = advance(state, user(STOP if stops else "Go on"))
        elif state.need is Need.AGENT:
            state = advance(state, agent("Hm", *(call(made + i) for i in range(n_calls))))
            made += n_calls
        else:
            state = advance(state, ToolsAnswered((None,) * len(state.pending)))
    assert state.turns <= max_turns
    assert state.calls <= max_calls
    assert (state.stop_reason is None) == (state.need is not Need.NOTHING)
