"""Rephrasing a task's opening: other words for the same wish (paper section 2.2: intents of users).

What decides is `check_rephrasing` of `rayscaler.tasks`, given as a parameter: no fact lost, none invented. Beside it a
text must be plain and not much longer than what it rephrases.
"""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from rayscaler.refinement.problems import Kind, Problem, text_problems
from rayscaler.refinement.step import Answer, Question, Step
from rayscaler.task import Task

LONGER = 1.5
"""How many times as long as the template a rephrasing may be."""

SPARE = 80
"""Characters on top, since short requests grow most."""


class Rephrasing(Answer):
    """Other words for a request."""

    text: str = Field(description="The whole request in other words, as the same person would say it.")


REPHRASE = Step("rephrase", Rephrasing)


def rephrase_question(task: Task, check: Callable[[str], list[str]]) -> Question[Rephrasing]:
    """Ask for other words for the opening of `task`. `check`: what is wrong with a text, in words."""
    opening = task.intent.opening
    data = {"request": opening, "person": task.intent.persona,
            "must_stay": [fact.text for fact in task.intent.facts if fact.said]}

    def problems(answer: Rephrasing) -> list[Problem]:
        longest = int(LONGER * len(opening)) + SPARE
        plain = text_problems("the text", answer.text, longest=longest, source=opening)
        return plain or [Problem(Kind.LOSES if p.startswith("loses") else Kind.INVENTS, p) for p in check(answer.text)]

    return Question(REPHRASE, task.task_id, data, opening, problems)
