"""Users that models play: what breaks the role is found and named, what keeps to it is left alone."""

from __future__ import annotations

import pytest

from rayscaler.messages import STOP, Message
from rayscaler.recipes import RolloutRecipe, ScriptedAgent
from rayscaler.rollouts.conduct import user_fault
from rayscaler.rollouts.play import play
from rayscaler.rollouts.views import user_prompt
from rayscaler.task import Fact, Intent
from rayscaler.trajectory import StopReason, UserFault
from shop_tasks import shop, shop_tasks, task_named

INTENT = Intent(
    opening="Hi, could you please tell me when my order from Ada Brown arrives?",
    facts=(
        Fact(name="email", value="ada.brown@example.org", text="ada.brown@example.org"),
        Fact(name="order_id", value="ord-0042", text="ord-0042", said=False),
        Fact(name="total", value=1045.9, text="1,045.90 euros", said=False),
        Fact(name="pickup_time", value="2026-03-15T15:30:00Z", text="15 March 2026 at 15:30", said=False),
        Fact(name="phone", value="+44 20 7946 0958", text="+44 20 7946 0958", said=False),
    ),
    persona="a busy cook",
    instructions="You want the assistant to tell you when your order arrives. You know your order number.",
)


def fault_of(*spoken: str, stop: StopReason = StopReason.USER_STOP, intent: Intent = INTENT, changes=()):
    """The fault in a conversation whose words are the user's, the agent's, the user's, …"""
    task = task_named("cancel").model_copy(update={"intent": intent})
    roles = ["user", "assistant"] * len(spoken)
    messages = [Message(role=role, content=words) for role, words in zip(roles, spoken, strict=False)]
    return user_fault(messages, changes, stop, task=task, spec=shop().spec)


@pytest.mark.parametrize(
    "words",
    [
        "It is ord-0042.", "ORD-0042", "That's order number 42, placed by Ada.", "I paid 1045.90 euros: €1,045.90.",
        "On March 15th at 3:30 pm.", "On 15/03/2026.", "On 2026-03-15, 15:30.", "My phone is 020 7946 0958.",
        "Call 442079460958, please.", "I have 2 questions, and 1 wish.", "Ada.Brown@example.org",
        "Yes, Ada Brown is right.", "Sorry, I don't know that.", "OK, thanks. On Monday, please.",
        "I mean order A-77, as you said.",
    ],
)
def test_facts_may_be_said_in_other_words(words):
    assert fault_of(INTENT.opening, "Do you mean A-77 or A-78?", words, "Anything else?", f"No. {STOP}") is None


@pytest.mark.parametrize(
    ("words", "kind", "named"),
    [
        ("It is ord-0043.", UserFault.INVENTED_FACT, "ord-0043"),
        ("I paid 99.50 euros.", UserFault.INVENTED_FACT, "99.50"),
        ("On 16 March 2026.", UserFault.INVENTED_FACT, "16"),
        ("At 14:30.", UserFault.INVENTED_FACT, "14:30"),
        ("Write to bob@example.org.", UserFault.INVENTED_FACT, "bob@example.org"),
        ("It was bought by my friend Gregory.", UserFault.INVENTED_FACT, "Gregory"),
        ("Call +44 20 7946 0999.", UserFault.INVENTED_FACT, "0999"),
        ("It is " + "9" * 5000, UserFault.INVENTED_FACT, "999"),
        ("How can I help you today?", UserFault.PLAYED_AGENT, "how can i help"),
        ("Please call cancel_order for me.", UserFault.LEAKED_PLAN, "cancel_order"),
        ('<tool_call>{"name": "x"}</tool_call>', UserFault.LEAKED_PLAN, "<tool_call>"),
        ("You are a user who talks with a service agent.", UserFault.LEAKED_PLAN, "you are a user who talks"),
        ("You want the assistant to tell you when it comes.", UserFault.LEAKED_PLAN, "you want the assistant"),
    ],
)
def test_what_breaks_the_role_is_named(words, kind, named):
    found = fault_of(INTENT.opening, "Could you tell me the order?", words, "Anything else?", f"No. {STOP}")
    assert found is not None
    assert found.fault is kind
    assert named in found.detail


def test_an_opening_with_every_withheld_fact_tells_everything():
    all_of_it = f"{INTENT.opening} It is ord-0042, 1,045.90 euros, 15 March 2026 at 15:30, +44 20 7946 0958."
    assert fault_of(all_of_it, "It comes today.", STOP).fault is UserFault.TOLD_EVERYTHING
    assert fault_of(INTENT.opening, "Tell me all.", all_of_it, "It comes today.", STOP) is None


def test_a_stop_is_early_only_while_the_agent_waits_and_the_goal_is_not_reached():
    gold = task_named("cancel").gold_changes
    asks, refuses, offers = "What is the order number?", "I'm sorry, I can't help you with that?", "Anything else?"
    assert fault_of(f"{INTENT.opening} {STOP}").fault is UserFault.STOPPED_EARLY
    assert fault_of(INTENT.opening, asks, STOP).fault is UserFault.STOPPED_EARLY
    assert fault_of(INTENT.opening, asks, STOP, changes=gold) is None
    assert fault_of(INTENT.opening, refuses, STOP) is None
    assert fault_of(INTENT.opening, offers, STOP) is None
    assert fault_of(INTENT.opening, "It has been done.", STOP) is None


def test_a_user_who_never_stops_is_at_fault_only_when_all_is_done():
    gold = task_named("cancel").gold_changes
    assert fault_of("Hi", "Done.", "And?", stop=StopReason.MAX_TURNS, changes=gold).fault is UserFault.DID_NOT_STOP
    assert fault_of("Hi", "Wait.", "And?", stop=StopReason.MAX_TURNS) is None


@pytest.mark.parametrize("error_rate", [0.0, 1.0])
def test_the_scripted_user_keeps_to_its_role_whatever_the_agent_does(error_rate):
    recipe = RolloutRecipe(agent=ScriptedAgent(error_rate=error_rate))
    for task in shop_tasks():
        for trial in range(12):
            found = play(task, shop(), recipe, trial=trial, seed=5)
            fault = user_fault(found.messages, found.changes, found.stop_reason, task=task, spec=shop().spec)
            assert fault is None, (task.task_id, trial, found.planted)


def test_a_user_who_says_its_opening_word_for_word_does_not_leak_it():
    intent = INTENT.model_copy(update={"instructions": "", "opening": "Hi, can you tell me when you will deliver it?"})
    assert intent.opening in user_prompt(intent)
    assert fault_of(intent.opening, "Today.", STOP, intent=intent) is None
