"""A task: what the user wants and knows, and the gold run that proves it can be done (paper section 2.2)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rayscaler.changes import Changes

_FROZEN = ConfigDict(frozen=True, extra="forbid")

Split = Literal["train", "heldout_task", "heldout_domain"]
Kind = Literal["read", "write", "mixed"]


class Fact(BaseModel):
    """Something that the user knows. Told at once if `said` (it stands in the opening), else when asked."""

    model_config = _FROZEN

    name: str = Field(description="Unique in the task: `start_date`, `customer_email`.")
    value: Any = Field(description="The JSON value that the tool needs.")
    text: str = Field(description="The value as a person says it: `15 March 2026`, `45.90 euros`.")
    said: bool = True


class ArgumentSource(BaseModel):
    """Where the value of one gold argument comes from. Exactly one of the three kinds.

    fact: the user's fact called `fact`. output: the value at `path` of the answer to gold call number `call` (0-based).
    constant: fixed by the policy or by the tool's own schema (an enumeration with one value, a boolean switch).
    `path` is a list of keys and indices: `["items", 0, "id"]`.
    """

    model_config = _FROZEN

    kind: Literal["fact", "output", "constant"]
    fact: str = ""
    call: int = -1
    path: tuple[str | int, ...] = ()


class GoldCall(BaseModel):
    """One call of the gold run, with its answer and the rows that it changed."""

    model_config = _FROZEN

    tool: str
    arguments: dict[str, Any]
    sources: dict[str, ArgumentSource]
    value: Any
    writes: bool
    changes: Changes = ()


class Answer(BaseModel):
    """A value that the agent must communicate: the one at `path` in the answer to gold call number `call`."""

    model_config = _FROZEN

    call: int
    path: tuple[str | int, ...]
    value: Any
    text: str


class Intent(BaseModel):
    """What the simulated user wants, in its own words. No tool names, no ids that a person would not know."""

    model_config = _FROZEN

    opening: str
    facts: tuple[Fact, ...]
    persona: str = ""
    instructions: str = Field("", description="The whole scenario in the second person, for a user played by a model.")


class Task(BaseModel):
    """One certified task on one seeded state of one environment."""

    model_config = _FROZEN

    task_id: str
    environment_id: str
    seed: int = Field(description="The seed of the state: `environment.start(seed)`.")
    split: Split
    kind: Kind
    intent: Intent
    gold: tuple[GoldCall, ...]
    gold_changes: Changes = Field(description="Net row changes of the gold run.")
    answers: tuple[Answer, ...] = ()
    n_distractors: int = Field(0, description="Rows of the state that all but one of the facts told of a row fit.")

    @property
    def n_calls(self) -> int:
        """Length of the gold run."""
        return len(self.gold)

    @property
    def n_writes(self) -> int:
        """Gold calls that change the database."""
        return sum(call.writes for call in self.gold)

    @property
    def n_hops(self) -> int:
        """Arguments that must be looked up in an earlier output."""
        return sum(source.kind == "output" for call in self.gold for source in call.sources.values())
