"""The scripted user listens as a person would; the words of both sides fit each other; mistakes are real ones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import yaml

from rayscaler.messages import STOP, Message
from rayscaler.recipes import RolloutRecipe, ScriptedAgent
from rayscaler.rollouts import phrases
from rayscaler.rollouts.chat import Sampling
from rayscaler.rollouts.faults import other_texts, wrong_values
from rayscaler.rollouts.mistakes import plant_one, repertoire
from rayscaler.rollouts.play import at_once, play
from rayscaler.rollouts.script import at_path, rehearse
from rayscaler.rollouts.scripted import ScriptedUser
from rayscaler.rollouts.views import user_prompt, user_view
from rayscaler.seeds import rng
from rayscaler.task import Answer, Fact, Intent
from rayscaler.toolspec import words
from shop_tasks import shop, shop_tasks, task_named

FACTS = (
    Fact(name="email", value="ada@x.org", text="ada@x.org"),
    Fact(name="cancel_reason", value="no longer needed", text="I don't need it any more", said=False),
    Fact(name="reason", value="other", text="something else", said=False),
    Fact(name="delivery_date", value="2026-02-03", text="3 February 2026", said=False),
)


def user() -> ScriptedUser:
    made = ScriptedUser(Intent(opening="I want to cancel my order.", facts=FACTS), rng(5))
    assert says(made, "Hi! How can I help you today?") == "I want to cancel my order."
    return made


def says(chat: ScriptedUser, heard: str) -> str:
    return at_once(chat.reply([Message(role="user", content=heard)], [], Sampling())).message.content


def test_the_user_tells_what_it_is_asked_for_by_name_and_nothing_else():
    said = says(user(), "Could you tell me the delivery date, please?")
    assert "3 February 2026" in said
    assert "ada@x.org" not in said
    assert "I don't need it any more" not in said


def test_the_user_tells_several_facts_at_once():
    said = says(user(), "For that I need the email and the delivery date.")
    assert "3 February 2026" in said
    assert "ada@x.org" in said


def test_a_longer_name_does_not_also_ask_for_a_shorter_one_inside_it():
    said = says(user(), "What is the cancel reason?")
    assert "I don't need it any more" in said
    assert "something else" not in said


def test_of_two_facts_with_one_name_the_one_that_was_not_told_is_told():
    facts = (Fact(name="quantity", value=3, text="three"),
             Fact(name="quantity_2", value=17, text="seventeen", said=False))
    chat = ScriptedUser(Intent(opening="Three of these, and take out an item.", facts=facts), rng(5))
    says(chat, "")
    assert "seventeen" in says(chat, "What is the quantity?")


def test_the_user_does_not_invent_a_fact():
    assert STOP not in says(user(), "What is your shoe size?")
    assert not any(fact.text in says(user(), "What is your shoe size?") for fact in FACTS)


def test_the_user_confirms_when_asked_even_if_a_fact_is_named():
    said = says(user(), "I will change the delivery date. Shall I go ahead?")
    assert "3 February" not in said
    assert STOP not in said


@pytest.mark.parametrize("heard", ["Done: the order is cancelled. Is there anything else I can help you with?",
                                   "I'm sorry, but I can't help you with that."])
def test_the_user_stops_when_the_agent_is_done_or_gives_up(heard):
    assert says(user(), heard).endswith(STOP)


def test_the_user_loses_patience():
    chat = user()
    heard = [says(chat, "One moment, please.") for _ in range(5)]
    assert [STOP in said for said in heard] == [False] * 4 + [True]


def lines(kind: str) -> list[str]:
    return phrases._load("phrases.yaml")["agent"][kind]


@pytest.mark.parametrize(("kind", "signal"), [("close", "close"), ("confirm", "confirm"), ("give_up", "give_up")])
def test_every_line_that_the_user_must_react_to_carries_the_signal(kind, signal):
    assert all(phrases.hears(signal, line) for line in lines(kind))


@pytest.mark.parametrize("kind", ["ask_one", "ask_many", "ask_which", "loop", "before_read", "before_write"])
def test_no_other_line_sounds_like_an_end_or_a_confirmation(kind):
    assert not any(phrases.hears(signal, line) for line in lines(kind) for signal in ("close", "confirm", "give_up"))


def test_deeds_are_said_in_words_without_tool_names():
    spec = shop().spec
    calls = {"update_customer": ["customer_id", "street", "city"], "create_order": ["customer_id"], "cancel_order": [],
             "add_order_item": ["quantity"], "delete_order_item": ["order_item_id"]}
    said = {name: (phrases.action(spec, spec.tool(name), given), phrases.deed(spec, spec.tool(name), given))
            for name, given in calls.items()}
    assert said == {
        "update_customer": ("change the street and the city of the customer",
                            "the street and the city of the customer have been changed"),
        "create_order": ("create the order", "the order has been created"),
        "cancel_order": ("cancel the order", "the order has been cancelled"),
        "add_order_item": ("add the order item", "the order item has been added"),
        "delete_order_item": ("remove the order item", "the order item has been removed"),
    }


def test_every_verb_is_one_word_of_a_tool_name():
    grammar = phrases._load("operators.yaml")
    assert all(words(verb) == [verb] for verb in grammar["participles"])
    assert not set(grammar["participles"]) & set(grammar["plain_verbs"])


def test_the_user_s_view_flips_the_roles_and_hides_the_tools():
    found = play(task_named("cancel"), shop(), RolloutRecipe(agent=ScriptedAgent(error_rate=0)), trial=0, seed=1)
    view = user_view(found.messages[:-1], user_prompt(task_named("cancel").intent))
    assert [m.role for m in view[:3]] == ["system", "user", "assistant"]
    assert view[2].content == task_named("cancel").intent.opening
    assert not any(m.tool_calls or m.role == "tool" for m in view)
    assert all(a.role != b.role for a, b in pairwise(view[1:]))
    assert all(f.text in view[0].content for f in task_named("cancel").intent.facts)


def test_the_table_of_mistakes_and_the_makers_name_the_same_mistakes():
    from rayscaler.rollouts.mistakes import _MAKERS

    assert list(_MAKERS) == list(repertoire())
    assert {mistake.proof for mistake in repertoire().values()} == {"misses", "succeeds", "fails", "none"}
    assert yaml.safe_load(yaml.safe_dump([m.about for m in repertoire().values()]))


@pytest.mark.parametrize("name", list(repertoire()))
@pytest.mark.parametrize("task", shop_tasks(), ids=lambda task: task.task_id)
def test_every_mistake_fits_every_task_that_can_have_it_and_leaves_the_session_at_its_start(name, task):
    session = shop().start(task.seed)
    before = session.digest()
    script = plant_one(name, task, shop().spec, session, rng(3, name, task.task_id))
    fits = bool(task.answers) or name != "wrong_answer"
    assert (script is not None) == fits
    assert script is None or script.planted == name
    assert session.digest() == before
    assert session.changes() == ()


@pytest.mark.parametrize("name", ["cancel", "order", "address"])
def test_a_mistake_that_should_miss_does_miss(name):
    task = task_named(name)
    session = shop().start(task.seed)
    for each, mistake in repertoire().items():
        script = plant_one(each, task, shop().spec, session, rng(4, each))
        if mistake.proof == "misses":
            assert script is not None
            assert rehearse(script, session).changes != task.gold_changes


def test_a_misreported_answer_is_another_value_of_its_column_or_one_off():
    tool = shop().spec.tool("get_order")
    said = {}
    for path, text in {"status": "pending", "total": "45.90 euros", "placed": "1 March 2026", "city": "Norwich",
                       "code": "007"}.items():
        answer = Answer(call=0, path=(path,), value=text, text=text)
        said[path] = list(other_texts(answer, tool, shop().spec, rng(1)))
    assert set(said.pop("status")) >= {"delivered", "cancelled"}
    city = said.pop("city")[0]
    assert city != "Norwich"
    assert sorted(city) == sorted("Norwich")
    assert said == {"total": ["44.90 euros"], "placed": ["2 March 2026"], "code": ["006"]}


@pytest.mark.parametrize(
    ("value", "schema"),
    [("pending", {"enum": ["pending", "delivered"]}), (True, {}), (3, {}), (2.5, {}), ("2026-12-31", {}), ("aaaa", {}),
     ("", {}), ("ada@x.org", {}), ("2026-02-03T10:00:00Z", {}), ([1, 2], {}), ("2026-99-99", {})],
)
def test_a_wrong_value_is_another_value_of_the_same_type(value, schema):
    found = list(wrong_values(value, schema, np.random.default_rng(0)))
    assert found
    assert all(other != value and type(other) is type(value) for other in found)


def test_a_path_that_leads_nowhere_gives_none():
    value = {"items": [{"id": 7}]}
    assert at_path(value, ("items", 0, "id")) == 7
    assert at_path(value, ("items", 1, "id")) is at_path(value, ("items", "id")) is at_path(None, ("a",)) is None
    assert at_path(value, ()) == value


def test_a_terse_agent_makes_golds_calls_one_by_one_without_a_word_beside_them():
    recipe = RolloutRecipe(agent=ScriptedAgent(error_rate=0, terse=True))
    for task in shop_tasks():
        played = [play(task, shop(), recipe, trial=trial, seed=3) for trial in range(4)]
        for trajectory in played:
            calling = [message for message in trajectory.messages if message.tool_calls]
            assert [len(message.tool_calls) for message in calling] == [1] * task.n_calls
            assert not any(message.content for message in calling)
            assert [message.tool_calls[0].name for message in calling] == [call.tool for call in task.gold]
