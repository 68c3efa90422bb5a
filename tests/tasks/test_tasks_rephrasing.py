"""Rephrasings that keep, lose, invent and leak; and the law that no said fact can be dropped unnoticed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.recipes import ComposeRecipe
from rayscaler.task import Answer, Fact, GoldCall, Intent, Task
from rayscaler.tasks.compose import compose
from rayscaler.tasks.rephrasing import check_rephrasing, rephrase, tokens
from shop_tasks import shop

OPENING = ("Hi. I'm Anna Smith. Please change the delivery date of my order with 3 pieces of \"Oak desk\" to 15 March "
           "2026 at 3:30 pm, for 45.90 euros. My email is anna.smith@example.org. Ask me for the reason.")
TASK = Task(
    task_id="t", environment_id="shop", seed=1, split="train", kind="mixed",
    intent=Intent(opening=OPENING, facts=(
        Fact(name="name", value="Anna Smith", text="Anna Smith"),
        Fact(name="quantity", value=3, text="3"),
        Fact(name="title", value="Oak desk", text="Oak desk"),
        Fact(name="date", value="2026-03-15T15:30:00Z", text="15 March 2026 at 3:30 pm"),
        Fact(name="price", value=45.9, text="45.90 euros"),
        Fact(name="email", value="anna.smith@example.org", text="anna.smith@example.org"),
        Fact(name="reason", value="moving house", text="moving house", said=False),
    )),
    gold=(GoldCall(tool="update_order", arguments={}, sources={}, value={}, writes=True),),
    gold_changes=(), answers=(Answer(call=0, path=("status",), value="delivered", text="delivered"),),
)
GOOD = ("Anna Smith here (anna.smith@example.org). My three pieces of Oak desk, 45.9 euros in all: could they come on "
        "March 15th, 2026, at 3:30 p.m. instead? You can ask me for the reason.")
COMPOSED = compose(shop(), [], ComposeRecipe(tasks=6, attempts=20), seed=5).tasks
SAID = [(task, fact) for task in COMPOSED for fact in task.intent.facts if fact.said]


def test_the_opening_is_no_worse_than_itself():
    for task in [TASK, *COMPOSED]:
        assert check_rephrasing(task, task.intent.opening) == []


def test_other_words_and_other_ways_to_write_a_date_and_a_number_are_taken():
    assert check_rephrasing(TASK, GOOD) == []
    assert rephrase(TASK, GOOD).task.intent.opening == GOOD


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("Anna Smith here", "Anna here", "loses name"),
        ("March 15th", "March 16th", "loses date"),
        ("March 15th", "March 16th", "invents '2026-03-16'"),
        ("3:30 p.m.", "3 p.m.", "invents 't15:00'"),
        ("three pieces", "four pieces", "loses quantity"),
        ("45.9 euros", "45.8 euros", "invents '45.8'"),
        ("Oak desk", "Oak table", "loses title"),
        ("the reason", "the reason, which is moving house", "tells reason at once"),
        ("instead?", "instead? It is not delivered yet.", "tells the answer 'delivered'"),
        ("instead?", "instead? Use update_order for it.", "names the tool update_order"),
        ("instead?", "instead? Set deliveryDate.", "reads like a program: deliveryDate"),
        ("instead?", "instead? Tell Robert too.", "invents the name 'Robert'"),
        ("instead?", 'instead? And "Pine shelf" too.', "invents the words 'Pine shelf'"),
        ("instead?", "instead? The order is ORD-1234.", "invents 'ord-1234'"),
        ("instead?", "instead? Write to bob@example.org.", "invents 'bob@example.org'"),
    ],
)
def test_a_text_that_loses_invents_or_leaks_is_refused_and_the_template_stands(old: str, new: str, problem: str):
    assert old in GOOD
    found = rephrase(TASK, GOOD.replace(old, new, 1))
    assert any(p.startswith(problem) for p in found.problems), found.problems
    assert found.task is TASK


def test_a_tool_that_gold_does_not_use_is_not_named_either():
    assert check_rephrasing(TASK, GOOD + " Then cancel_order it.", ["cancel_order"]) == ["names the tool cancel_order"]


def test_a_number_keeps_its_sign_however_its_thousands_are_written():
    assert tokens("-5 and 5 of 1,000.50, in 2026, 10 of 12,345,678; minus -1,200%") == [
        "-5", "and", "5", "of", "1000.5", "in", "2026", "10", "of", "12345678", "minus", "-1200%",
    ]  # fmt: skip
    intent = Intent(opening="Set it to -5 degrees.", facts=(Fact(name="degrees", value=-5, text="-5"),))
    cold = TASK.model_copy(update={"intent": intent, "answers": ()})
    assert check_rephrasing(cold, "Set it to 5 degrees.") == ["loses degrees: '-5' is not said", "invents '5'"]


@given(st.sampled_from(SAID))
@settings(max_examples=60, deadline=None)
def test_no_said_fact_can_be_dropped_unnoticed(said: tuple[Task, Fact]):
    task, fact = said
    without = task.intent.opening.replace(fact.text, "that")
    assert any(p.startswith(f"loses {fact.name}:") for p in check_rephrasing(task, without))


@given(st.sampled_from(COMPOSED), st.integers(2, 10**6), st.sampled_from(["number", "date", "email"]))
@settings(max_examples=60, deadline=None)
def test_no_number_date_or_address_can_be_added_unnoticed(task: Task, number: int, kind: str):
    added = {"number": str(number), "date": f"{number % 28 + 1} July 1987", "email": f"a{number}@example.net"}[kind]
    text = f"{task.intent.opening} And {added}."
    assert set(tokens(added)) <= set(tokens(task.intent.opening)) or check_rephrasing(task, text)


@given(st.sampled_from(COMPOSED), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_the_order_of_the_sentences_and_the_case_do_not_matter(task: Task, random: object):
    sentences = task.intent.opening.split(". ")
    random.shuffle(sentences)  # type: ignore[attr-defined]
    assert not [p for p in check_rephrasing(task, ". ".join(sentences)) if p.startswith("loses")]
    assert not [p for p in check_rephrasing(task, task.intent.opening.lower()) if p.startswith("loses")]


