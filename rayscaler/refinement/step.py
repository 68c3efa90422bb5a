"""A step asks a model one typed question about one subject.

The prompt is `<name>.yaml` in this folder: `system` says what is wanted and what will be refused, `ask` is put before
the subject's data, which follows as JSON. Data comes from specifications that anybody may have written; the prompt says
so, and nothing rests on the model's heeding it: what is taken is what passes the checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any, Generic, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict

from rayscaler.messages import Message
from rayscaler.refinement.problems import Problem


class Answer(BaseModel):
    """What a step wants to read: its JSON Schema is sent along."""

    model_config = ConfigDict(frozen=True, extra="forbid")


A = TypeVar("A", bound=Answer)


class Step(NamedTuple, Generic[A]):
    """A kind of question. `name` is that of its prompt file, and what the table `refinements` calls it."""

    name: str
    answer: type[A]

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of an answer."""
        return self.answer.model_json_schema()


class Question(NamedTuple, Generic[A]):
    """One question. `data` is what the model is told, `before` what stands if no answer of it is taken.

    check: what speaks against an answer of the right shape; nothing if it may be taken. It may take long and may be
    called from any thread.
    """

    step: Step[A]
    subject: str
    data: dict[str, Any]
    before: str
    check: Callable[[A], list[Problem]]

    def messages(self) -> list[Message]:
        """How a model is asked."""
        words, common = prompt(self.step.name), prompt("common")
        schema = json.dumps(self.step.schema, ensure_ascii=False)
        data = json.dumps(self.data, ensure_ascii=False, indent=1)
        return [
            Message(role="system", content=f"{words['system'].strip()}\n\n{common['form'].strip()}\n{schema}"),
            Message(role="user", content=f"{words['ask'].strip()}\n\n{common['data'].strip()}\n{data}"),
        ]


@cache
def prompt(name: str) -> dict[str, str]:
    """The texts of one prompt file."""
    texts: dict[str, str] = yaml.safe_load(files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
    return texts
