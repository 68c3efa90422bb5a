"""The user was told every answer: in words it heard, after the call that gave it, however numbers are written."""

from __future__ import annotations

import pytest

from rayscaler.filters.judge import judge
from rayscaler.filters.told import says
from rayscaler.messages import Message
from rayscaler.recipes import FilterRecipe, RolloutRecipe, ScriptedAgent
from rayscaler.rollouts.play import play
from rayscaler.task import Answer
from rayscaler.trajectory import Trajectory, Verdict
from shop_tasks import shop, shop_tasks, task_named

IDENTITY = shop().spec.identity
ANSWERED = [task.task_id for task in shop_tasks() if task.answers]


def perfect(name: str) -> Trajectory:
    return play(task_named(name), shop(), RolloutRecipe(agent=ScriptedAgent(error_rate=0)), trial=0, seed=1)


def reworded(name: str, words: str, *, next_to_calls: str | None = None) -> Trajectory:
    """The perfect run, its messages in words replaced by `words`, those with calls by `next_to_calls`."""
    whole = perfect(name)
    messages = [
        m if m.role != "assistant" or (m.tool_calls and next_to_calls is None)
        else m.model_copy(update={"content": next_to_calls if m.tool_calls else words})
        for m in whole.messages
    ]
    return whole.model_copy(update={"messages": tuple(messages)})


def verdict(trajectory: Trajectory, *, answers: bool = True) -> Verdict:
    return judge(trajectory, task_named(trajectory.task_id), IDENTITY, FilterRecipe(answers=answers))


def answer(text: str, value: object = None) -> Answer:
    return Answer(call=0, path=("field",), value=text if value is None else value, text=text)


@pytest.mark.parametrize("name", ANSWERED)
def test_an_agent_that_reports_something_else_is_dropped_and_the_answer_named(name):
    found = verdict(reworded(name, "The answer is 42 bananas."))
    assert (found.stage, found.reason) == ("answer", "answer_missing")
    assert task_named(name).answers[0].text in found.detail
    assert verdict(reworded(name, "The answer is 42 bananas."), answers=False).kept


@pytest.mark.parametrize("name", ANSWERED)
def test_every_answer_must_be_told_and_in_any_words(name):
    texts = [a.text for a in task_named(name).answers]
    assert verdict(reworded(name, f"Well: {' / '.join(texts).upper()}!")).kept
    for left_out in texts:
        said = " and ".join(text for text in texts if text != left_out)
        assert verdict(reworded(name, f"It is {said}.")).reason == "answer_missing"


@pytest.mark.parametrize("name", ANSWERED)
def test_words_next_to_a_call_are_not_heard(name):
    texts = " and ".join(a.text for a in task_named(name).answers)
    assert verdict(reworded(name, "That is all.", next_to_calls=texts)).reason == "answer_missing"


def test_an_answer_said_before_the_call_that_gave_it_is_a_guess():
    whole, texts = perfect("total"), " and ".join(a.text for a in task_named("total").answers)
    guess = (Message(role="assistant", content=f"It is {texts}."), Message(role="user", content="Are you sure?"))
    late = reworded("total", "Yes, I am.")
    assert verdict(late.model_copy(update={"messages": (*whole.messages[:2], *guess, *late.messages[2:])})).reason == (
        "answer_missing")
    assert verdict(whole.model_copy(update={"messages": (*whole.messages[:2], *guess, *whole.messages[2:])})).kept


def test_an_answer_that_no_call_gave_is_dropped_even_if_it_is_said():
    task = task_named("total")
    other = (task.answers[0].model_copy(update={"value": "bananas", "text": "bananas"}),)
    found = judge(reworded("total", "It is bananas."), task.model_copy(update={"answers": other}), IDENTITY,
                  FilterRecipe())
    assert found.reason == "answer_missing"
    assert "no call gave" in found.detail


def test_a_task_without_answers_asks_for_none():
    assert verdict(reworded("cancel", "Anything else?")).kept


@pytest.mark.parametrize(
    ("told", "content"),
    [
        (answer("1234.50 euros", 1234.5), "The total is €1,234.50."),
        (answer("1234.50 euros", 1234.5), "It comes to 1,234.5 Euros"),
        (answer("20", 20.0), "There are 20."),
        (answer("-3", -3), "It is \N{MINUS SIGN}3 degrees."),
        (answer("in progress", "IN_PROGRESS"), "Its status is In-Progress."),
        (answer("in progress", "IN_PROGRESS"), "Its status is `IN_PROGRESS`."),
        (answer("ada@x.org"), "Write to <ada@x.org>."),
        (answer("25 February 2026 at 12 pm", "2026-02-25T12:00:00Z"), "due on February 25th, 2026 at 12:00 PM."),
        (answer("25 February 2026 at 12 pm", "2026-02-25T12:00:00Z"), "due: 2026-02-25T12:00:00Z"),
        (answer("25 February 2026"), "due February 25, 2026"),
        (answer("6 June 2025 at 5:35:51 pm"), "at last on 6 June 2025, 5:35:51pm"),
        (answer("English", "en"), "It is in English"),
        (answer("???"), "It says ???"),
        (answer("007"), "It is agent 007."),
    ],
)
def test_the_usual_ways_to_say_a_value_are_read(told, content):
    assert says(content, told)


@pytest.mark.parametrize(
    ("told", "content"),
    [
        (answer("45.90 euros", 45.9), "It costs 145.90 euros."),
        (answer("45.90 euros", 45.9), "It costs 45.09 euros."),
        (answer("1", 1), "Version 1.2.1 of 1,100 at 1:10"),
        (answer("3", 3), "It is -3 degrees."),
        (answer("active"), "It is inactive."),
        (answer("25 February 2026 at 12 pm"), "due on 25 February 2026 at 12 am"),
        (answer("25 February 2026"), "due on 26 February 2026"),
        (answer("Italian", "it"), "I think it is French."),
        (answer("10.0.0.1"), "It is at 10.0.0.10."),
        (answer("007"), "It is agent 7."),
        (answer("???"), "It says nothing"),
        (answer("open"), ""),
    ],
)
def test_another_value_is_not_taken_for_it(told, content):
    assert not says(content, told)


@pytest.mark.parametrize(
    ("text", "content", "told"),
    [
        ("45.90", "It costs 45.90.", True),
        ("45.90", "It costs 145.90", False),
        ("45.90", "It costs 45.905", False),
        ("45", "It costs 45.90, or 45", True),
        ("45", "It costs 45.90", False),
        ("5", "It went down by -5", False),
        ("open", "It was reopened", False),
        ("open", "«Open»!", True),
        ("by february", "It ends by February 25", True),
    ],
)
def test_an_answer_stands_by_itself_and_not_inside_another_word_or_number(text, content, told):
    assert says(content, answer(text)) is told
