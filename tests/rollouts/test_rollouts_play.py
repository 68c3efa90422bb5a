"""Whole conversations on the shop: gold is reached, everything is recorded, what breaks is data."""

from __future__ import annotations

import pickle
from itertools import pairwise

import pytest

from rayscaler.canonical import dumps
from rayscaler.errors import EnvironmentSpecError
from rayscaler.messages import STOP, Message
from rayscaler.recipes import RolloutRecipe, ScriptedAgent
from rayscaler.rollouts.chat import Reply
from rayscaler.rollouts.dialogue import Limits, begin
from rayscaler.rollouts.mistakes import repertoire
from rayscaler.rollouts.play import Cast, at_once, converse, play
from rayscaler.rollouts.script import gold_script, selecting_facts
from rayscaler.rollouts.scripted import ScriptedAgent as AgentChat
from rayscaler.rollouts.scripted import ScriptedUser as UserChat
from rayscaler.seeds import rng, seed_of
from rayscaler.trajectory import ErrorType, StopReason, Trajectory
from shop_tasks import shop, shop_tasks, task_named

PERFECT = RolloutRecipe(agent=ScriptedAgent(error_rate=0.0))
FAULTY = RolloutRecipe(agent=ScriptedAgent(error_rate=1.0))

TASKS = [task.task_id for task in shop_tasks()]


class BrokenChat:
    """A chat whose server is gone."""

    async def reply(self, messages, tools, sampling):
        raise TimeoutError("no answer after 60 s")


class ForeignChat:
    """A chat whose words cannot be read."""

    async def reply(self, messages, tools, sampling):
        return Reply(Message(role="assistant"), malformed="<tool_call> holds no JSON")


class BreakingSession:
    """A session of the shop whose second call fails outside the tool language, and whose changes still answer."""

    def __init__(self, session):
        self.session, self.n_calls = session, 0

    def call(self, name, arguments):
        self.n_calls += 1
        if self.n_calls == 2:
            raise MemoryError("database is gone")
        return self.session.call(name, arguments)

    def __getattr__(self, name):
        return getattr(self.session, name)


class BrokenEnvironment:
    """An environment that starts sessions which break, or none."""

    def __init__(self, *, starts: bool):
        self.spec, self.starts = shop().spec, starts

    def start(self, seed):
        if not self.starts:
            raise OSError("no space left on device")
        return BreakingSession(shop().start(seed))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("trial", range(4))
def test_a_perfect_agent_reaches_gold_in_a_conversation_that_the_user_ends(name, trial):
    task = task_named(name)
    found = play(task, shop(), PERFECT, trial=trial, seed=1)
    assert (found.stop_reason, found.error_type, found.planted) == (StopReason.USER_STOP, ErrorType.NONE, "")
    assert found.messages[-1].content.endswith(STOP)
    assert found.changes == task.gold_changes
    assert [(s.call.name, s.call.arguments) for s in found.steps] == [(c.tool, c.arguments) for c in task.gold]
    assert [s.changes for s in found.steps] == [c.changes for c in task.gold]


def test_the_same_task_trial_and_seed_give_the_same_bytes_and_another_trial_does_not():
    task = task_named("order")
    once, again, other = (play(task, shop(), FAULTY, trial=trial, seed=3) for trial in (0, 0, 1))
    assert dumps(once) == dumps(again)
    assert once.trajectory_id == again.trajectory_id != other.trajectory_id
    assert pickle.loads(pickle.dumps(once)) == once == Trajectory.model_validate_json(dumps(once))


def test_every_mistake_of_the_repertoire_is_played_and_recorded():
    planted = {play(task, shop(), FAULTY, trial=t, seed=4).planted for task in shop_tasks() for t in range(30)}
    assert planted == set(repertoire())


def test_the_seed_of_a_conversation_is_recorded_and_is_its_own():
    found = [play(task, shop(), PERFECT, trial=t, seed=3) for task in shop_tasks() for t in range(3)]
    assert [f.seed for f in found] == [seed_of(3, "rollout", f.task_id, f.trial) for f in found]
    assert len({f.seed for f in found}) == 15
    assert {(f.agent, f.user) for f in found} == {("scripted", "scripted")}


def test_the_agent_s_words_name_the_answers():
    task = task_named("total")
    for trial in range(5):
        report = play(task, shop(), PERFECT, trial=trial, seed=1).messages[-2].content
        assert all(answer.text in report for answer in task.answers)


def test_no_call_uses_a_fact_that_the_user_has_not_told():
    for task in shop_tasks():
        for trial in range(6):
            found = play(task, shop(), PERFECT, trial=trial, seed=2)
            heard, gold = "", iter(task.gold)
            for message in found.messages:
                heard += message.content if message.role == "user" else ""
                for _ in message.tool_calls:
                    sources = next(gold).sources.values()
                    used = [f for s in sources for f in task.intent.facts if s.kind == "fact" and f.name == s.fact]
                    assert all(f.said or f.text in heard for f in used)


def test_a_fact_that_only_says_which_row_is_meant_is_asked_for_before_the_row_is_used():
    task = task_named("order")
    title = next(fact for fact in task.intent.facts if fact.name == "product_title")
    assert selecting_facts(task)[3] == ["product_title"]
    for trial in range(6):
        messages = play(task, shop(), PERFECT, trial=trial, seed=2).messages
        told = next(i for i, m in enumerate(messages) if m.role == "user" and title.text in m.content)
        used = next(i for i, m in enumerate(messages) if any(c.name == "add_order_item" for c in m.tool_calls))
        assert told < used


def test_conversations_of_one_task_differ_in_their_words():
    openings = {play(task_named("address"), shop(), PERFECT, trial=t, seed=1).messages[2].content for t in range(12)}
    assert len(openings) >= 4


def test_independent_reads_may_share_a_message_and_dependent_calls_never_do():
    sizes = {task.task_id: set() for task in shop_tasks()}
    for task in shop_tasks():
        for trial in range(12):
            for message in play(task, shop(), PERFECT, trial=trial, seed=1).messages:
                sizes[task.task_id].add(len(message.tool_calls))
    assert sizes["price"] == {0, 1, 2}
    assert sizes["total"] == sizes["cancel"] == sizes["address"] == {0, 1}


def test_values_from_earlier_outputs_are_read_from_the_live_answers():
    task = task_named("order")
    session = shop().start(task.seed)
    other = session.call("create_order", {"customer_id": task.gold[2].arguments["customer_id"]})  # takes the next id
    cast = Cast(AgentChat(task, shop().spec, gold_script(task), rng(0)), UserChat(task.intent, rng(1)))
    talk = at_once(converse(begin("", Limits(30, 40)), task, shop().spec, session, cast))
    created, added = talk.steps[2], talk.steps[3]
    assert other.value["order_id"] != created.response["order_id"] == added.call.arguments["order_id"]
    assert added.call.arguments["order_id"] != task.gold[3].arguments["order_id"]


@pytest.mark.parametrize("side", ["agent", "user"])
def test_a_chat_that_raises_is_an_infrastructure_failure_with_what_was_said_before(side):
    task = task_named("total")
    sides = {"agent": AgentChat(task, shop().spec, gold_script(task), rng(0)), "user": UserChat(task.intent, rng(1))}
    talk = at_once(converse(begin("", Limits(30, 40)), task, shop().spec, shop().start(task.seed),
                    Cast(**{**sides, side: BrokenChat()})))
    assert (talk.dialogue.stop_reason, talk.dialogue.error_type) == (
        StopReason.CHAT_FAILED, ErrorType.INFRASTRUCTURE)
    assert talk.dialogue.error_detail == f"{side}: TimeoutError: no answer after 60 s"
    assert len(talk.dialogue.messages) == {"agent": 2, "user": 1}[side]


def test_words_that_cannot_be_read_are_the_agent_s_failure():
    task = task_named("total")
    cast = Cast(ForeignChat(), UserChat(task.intent, rng(1)))
    talk = at_once(converse(begin("", Limits(30, 40)), task, shop().spec, shop().start(task.seed), cast))
    assert (talk.dialogue.stop_reason, talk.dialogue.error_type) == (StopReason.MALFORMED_REPLY, ErrorType.AGENT)


def test_a_broken_environment_is_data_and_the_calls_before_it_stay():
    task = task_named("cancel")
    midway = play(task, BrokenEnvironment(starts=True), PERFECT, trial=0, seed=1)
    never = play(task, BrokenEnvironment(starts=False), PERFECT, trial=0, seed=1)
    for found in (midway, never):
        assert (found.stop_reason, found.error_type) == (
            StopReason.ENVIRONMENT_FAILED, ErrorType.INFRASTRUCTURE)
    assert [step.call.name for step in midway.steps] == ["search_customers"]
    assert midway.error_detail == "tools: MemoryError: database is gone"
    assert (never.steps, never.error_detail) == ((), "OSError: no space left on device")


def test_limits_of_the_recipe_end_a_conversation():
    turns = play(task_named("order"), shop(), RolloutRecipe(max_turns=2, agent=PERFECT.agent), trial=0, seed=1)
    calls = play(task_named("order"), shop(), RolloutRecipe(max_calls=2, agent=PERFECT.agent), trial=0, seed=1)
    assert (turns.stop_reason, turns.error_type) == (StopReason.MAX_TURNS, ErrorType.AGENT)
    assert (calls.stop_reason, len(calls.steps)) == (StopReason.MAX_CALLS, 2)


def test_a_task_of_another_environment_is_refused():
    task = task_named("total").model_copy(update={"environment_id": "library"})
    with pytest.raises(EnvironmentSpecError, match="is of library, the environment is shop"):
        play(task, shop(), PERFECT, trial=0, seed=1)


def test_the_system_prompt_is_the_policy_and_no_two_users_speak_in_a_row():
    found = play(task_named("address"), shop(), PERFECT, trial=0, seed=1)
    assert found.messages[0].content == shop().spec.policy
    assert all(a.role != b.role or a.role == "tool" for a, b in pairwise(found.messages))


def test_the_report_names_the_row_that_was_changed_by_the_label_in_an_earlier_answer():
    task = task_named("address")
    found = play(task, shop(), PERFECT, trial=0, seed=1)
    names = [row["name"] for call in task.gold for row in _rows(call.value) if "street" in row]
    assert names
    assert names[0] in found.messages[-2].content


def _rows(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*([value] if isinstance(value, dict) and "name" in value else []), *(r for v in inner for r in _rows(v))]


def test_the_agent_says_no_value_that_it_has_neither_heard_nor_seen():
    for task in shop_tasks():
        unsaid = [f for f in task.intent.facts if not f.said and len(f.text) > 3]
        for trial in range(6):
            heard = ""
            for message in play(task, shop(), PERFECT, trial=trial, seed=3).messages[1:]:
                if message.role == "assistant":
                    assert all(f.text in heard for f in unsaid if f.text in message.content)
                else:
                    heard += message.content
