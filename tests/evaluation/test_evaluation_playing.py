"""Items of every kind are played to an end that says why; what breaks outside the conversation is data."""

from __future__ import annotations

from typing import Any

import pytest

from rayscaler.evaluation.adapters import chosen
from rayscaler.evaluation.benchmark import Answer, Item, ScriptedTurns, SimulatedUser, Turn, calls_of, said_by
from rayscaler.messages import STOP, Message, ToolCall
from rayscaler.rollouts.chat import Reply
from rayscaler.rollouts.play import at_once
from rayscaler.runtime.playing import Bounds, Played, Voices, play_item
from rayscaler.trajectory import ErrorType, StopReason

BOUNDS = Bounds(max_turns=6, max_calls=5, max_retries=1)

ADD = {"type": "function", "function": {"name": "add", "description": "", "parameters": {"type": "object"}}}
PRESS = {"type": "function", "function": {"name": "press", "description": "", "parameters": {"type": "object"}}}


class Counter:
    """A world with one number in it."""

    def __init__(self) -> None:
        self.total, self.seen = 0, []

    def call(self, call: ToolCall, by: str) -> Answer:
        self.seen.append((by, call.name))
        if call.name == "break":
            raise MemoryError("gone")
        if call.name == "transfer":
            return Answer("bye", ends=True)
        self.total += call.arguments.get("n", 1)
        return Answer(str(self.total), error="" if call.name in ("add", "press") else "unknown_tool")


class Says:
    """A chat that says what it is given, in order, and keeps what it was shown."""

    def __init__(self, *replies: Any) -> None:
        self.replies, self.shown, self.offered = list(replies), [], []

    async def reply(self, messages, tools, sampling):
        self.shown.append(list(messages))
        self.offered.append([tool["function"]["name"] for tool in tools])
        said = self.replies.pop(0)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, Reply):
            return said
        if isinstance(said, str):
            return Reply(Message(role="assistant", content=said))
        made = sum(len(m.tool_calls) for m in messages)
        calls = tuple(ToolCall(id=f"call_{made + i}", name=n, arguments=a) for i, (n, a) in enumerate(said))
        return Reply(Message(role="assistant", tool_calls=calls))


def item(user: Any = None, **more: Any) -> Item:
    return Item("i", "s", "Be good.", (ADD,), user or SimulatedUser("You want 3."), **more)


def turns(*words: str, **more: Any) -> ScriptedTurns:
    return ScriptedTurns(tuple(Turn((Message(role="user", content=text),)) for text in words), **more)


def played(what: Item, agent: Says, user: Says | None = None, world: Any = None) -> Played:
    return at_once(play_item(what, world or Counter(), Voices(agent, user), BOUNDS))


def test_a_dialogue_ends_when_the_user_says_stop():
    agent = Says([("add", {"n": 3})], "It is 3.")
    user = Says("Give me 3.", STOP)
    found = played(item(), agent, user)
    assert [m.role for m in found.messages] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert found.messages[3].content == "3", "the world's text as it is, not as JSON"
    assert (found.stop_reason, found.error_type) == (StopReason.USER_STOP, ErrorType.NONE)
    assert [m.content for m in user.shown[1]] == ["You want 3.", "Hi! How can I help you today?", "Give me 3.",
                                                  "It is 3."]


def test_a_user_with_tools_calls_them_unseen_by_the_agent():
    user = Says([("press", {})], "I pressed it.", STOP)
    agent = Says([("add", {"n": 1})], "Thanks.")
    world = Counter()
    what = item(SimulatedUser("You have a button.", tools=(PRESS,)))
    found = played(what, agent, user, world)
    assert world.seen == [("user", "press"), ("agent", "add")]
    assert [m.content for m in agent.shown[0]] == ["Be good.", "I pressed it."]
    assert [m.role for m in user.shown[1]] == ["system", "user", "assistant", "tool"]
    record = found.trajectory(what, trajectory_id="t", where="b/s", trial=0, seed=0, agent="a", user="u")
    assert [c.name for c in calls_of(record)] == ["add"]
    assert [c.name for c in calls_of(record, "user")] == ["press"]
    assert said_by(record) == ["Thanks."]
    assert len({step.call.id for step in found.steps}) == 2


def test_a_greeting_that_is_recorded_is_seen_by_the_agent():
    agent = Says("Bye.")
    found = played(item(SimulatedUser("x", records_greeting=True)), agent, Says("Hello.", STOP))
    assert [m.role for m in found.messages] == ["system", "assistant", "user", "assistant", "user"]
    assert agent.shown[0][1].content == "Hi! How can I help you today?"


def test_scripted_turns_come_one_after_another_with_their_tools():
    both = ScriptedTurns((Turn((Message(role="user", content="one"),)),
                          Turn((Message(role="user", content="two"),), tools=(PRESS,))))
    agent = Says([("add", {})], "done", [("press", {})], "done too")
    found = played(item(both), agent)
    assert agent.offered == [["add"], ["add"], ["add", "press"], ["add", "press"]]
    assert found.stop_reason is StopReason.TURNS_DONE
    assert [m.content for m in found.messages if m.role == "user"] == ["one", "two"]


def test_a_turn_with_a_limit_gives_way_to_the_next():
    agent = Says([("add", {})], [("add", {})], "done")
    found = played(item(turns("one", "two", calls_per_turn=2)), agent)
    assert [m.content for m in found.messages if m.role == "user"] == ["one", "two"]
    assert found.stop_reason is StopReason.TURNS_DONE


def test_a_single_reply_is_recorded_and_its_calls_are_not_answered():
    found = played(item(turns("one", answers_calls=False)), Says([("add", {}), ("add", {})]))
    assert len(found.messages[-1].tool_calls) == 2
    assert (found.steps, found.stop_reason) == ((), StopReason.TURNS_DONE)


def test_a_tool_that_ends_the_conversation_ends_it_after_its_answer():
    found = played(item(), Says([("transfer", {})]), Says("Help."))
    assert (found.messages[-1].content, found.stop_reason) == ("bye", StopReason.TOOL_STOP)


@pytest.mark.parametrize(
    ("agent", "user", "stop", "whose"),
    [
        (Says(ConnectionError("no")), Says("Hi."), StopReason.CHAT_FAILED, ErrorType.INFRASTRUCTURE),
        (Says("Hi."), Says(ConnectionError("no")), StopReason.CHAT_FAILED, ErrorType.INFRASTRUCTURE),
        (Says("Hi."), None, StopReason.CHAT_FAILED, ErrorType.INFRASTRUCTURE),
        (Says([("break", {})]), Says("Hi."), StopReason.ENVIRONMENT_FAILED, ErrorType.INFRASTRUCTURE),
        (Says("", ""), Says("Hi."), StopReason.MALFORMED_REPLY, ErrorType.AGENT),
        (Says("Hi."), Says(""), StopReason.MALFORMED_REPLY, ErrorType.USER),
        (Says("Hi."), Says(STOP), StopReason.MALFORMED_REPLY, ErrorType.USER),
        (Says("Hi."), Says([("add", {})]), StopReason.MALFORMED_REPLY, ErrorType.USER),
        (Says(*["Hm."] * 6), Says(*["Go on."] * 7), StopReason.MAX_TURNS, ErrorType.AGENT),
        (Says([("add", {})] * 6), Says("Hi."), StopReason.MAX_CALLS, ErrorType.AGENT),
    ],
)
def test_what_goes_wrong_is_recorded_with_whose_failure_it_was(agent, user, stop, whose):
    found = played(item(), agent, user)
    assert (found.stop_reason, found.error_type) == (stop, whose)
    assert found.error_detail


def test_an_agent_is_told_what_could_not_be_read_and_nothing_of_it_stays():
    agent = Says(Reply(Message(role="assistant", content="<tool_call>{"), malformed="no JSON"), "Sorry. Done.")
    found = played(item(turns("one")), agent)
    assert "no JSON" in agent.shown[1][-1].content
    assert [m.role for m in found.messages] == ["system", "user", "assistant"]


def test_a_benchmark_may_end_a_conversation_sooner_than_the_recipe():
    found = played(item(turns("one"), max_replies=2), Says([("add", {})], [("add", {})], "done"))
    assert (found.stop_reason, len(found.steps)) == (StopReason.MAX_TURNS, 2)


def test_a_benchmark_may_end_a_conversation_after_so_many_errors_of_both_sides():
    what = item(SimulatedUser("x", tools=(PRESS,)), max_errors=2)
    wrong, right = [("fly", {})], [("press", {})]
    found = played(what, Says([("fly", {}), ("add", {})], "never said"), Says(wrong, right, "I pressed it."))
    assert [bool(step.error) for step in found.steps] == [True, False, True, False]
    assert (found.stop_reason, found.error_type) == (StopReason.MAX_ERRORS, ErrorType.AGENT)
    assert played(item(), Says(wrong, wrong, "Done."), Says("Hi.", STOP)).stop_reason is StopReason.USER_STOP


def test_items_are_chosen_by_subset_and_id_and_limited_per_subset():
    items = [Item(f"{s}-{n}", s, "", (), turns("x")) for s in ("air", "retail") for n in range(3)]
    assert [i.item_id for i in chosen(items, subsets=["re*"])] == ["retail-0", "retail-1", "retail-2"]
    assert [i.item_id for i in chosen(items, ids=["*-2"])] == ["air-2", "retail-2"]
    assert [i.item_id for i in chosen(items, limit=1)] == ["air-0", "retail-0"]
