"""Knobs of evaluation: which models, on what, how often, and how episodes are graded. They are fingerprinted."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from rayscaler.recipes import Agent, FilterRecipe, Recipe, ScriptedAgent, ScriptedUser, User


class EvaluatedModel(Recipe):
    """One agent that is evaluated: a scripted side, a model behind a server, or a checkpoint that is served for it."""

    name: str = Field(pattern=r"^[A-Za-z0-9][\w.-]*$", description="What the tables call it.")
    agent: Agent | None = Field(None, description="The scripted agent (held-out tasks only), or an endpoint.")
    phase: str = Field("", description="A phase of `train`: its checkpoint.")
    folder: str = Field("", description="A folder with a model in Hugging Face layout, its tokenizer beside it.")
    temperature: float = Field(0.7, ge=0, description="Of a served checkpoint. Ours; 0 makes all trials alike.")
    max_tokens: int = Field(1024, ge=1, description="Longest reply of a served checkpoint, in tokens. Ours.")
    max_model_len: int = Field(8192, ge=16, description="Of a served checkpoint: tokens of prompt and reply together.")
    reasoning_parser: str = Field("qwen3", description="How a served checkpoint marks its reasoning, as vLLM names it; "
                                  "empty for one that learnt none: `qwen3` takes words without tags for reasoning.")

    @model_validator(mode="after")
    def _one_place(self) -> EvaluatedModel:
        if (self.agent is not None) + bool(self.phase) + bool(self.folder) != 1:
            raise ValueError("a model is exactly one of `agent`, `phase` and `folder`")
        return self

    def identity(self) -> dict[str, Any]:
        """Everything but addresses; a folder is identified by its content."""
        agent = None if self.agent is None else self.agent.identity()
        return {**self.model_dump(mode="json", exclude={"folder"}), "agent": agent}


class HeldOut(Recipe):
    """The held-out tasks of the run: what `compose` kept from training."""

    splits: tuple[Literal["heldout_task", "heldout_domain"], ...] = Field(
        ("heldout_task", "heldout_domain"), description="Held-out tasks of known domains, and held-out domains.")
    verticals: tuple[str, ...] = Field((), description="Globs over domain titles: their tasks are scored apart too.")
    calls: bool = Field(True, description="Also ask for each gold call after the gold history: call accuracy. Ours.")
    gold: ScriptedAgent = Field(ScriptedAgent(error_rate=0), description="Who plays the gold history of `calls`: as in "
                                "`rollout` where the models learnt from it, or a style breaks off that they never saw.")
    limit: int = Field(0, ge=0, description="Tasks of each split at most, by id, and as many of the verticals apart; "
                       "0: all.")


class EvaluatedBenchmark(Recipe):
    """A public benchmark, read from its data (docs/evaluation.md)."""

    name: str = Field(description="The adapter: tau-bench, tau2-bench, acebench, acebench-text or bfcl.")
    path: str = Field(description="The folder with its data, relative to the configuration file.")
    subsets: tuple[str, ...] = Field((), description="Globs over subsets (`retail`); empty takes all.")
    ids: tuple[str, ...] = Field((), description="Globs over item ids; empty takes all.")
    limit: int = Field(0, ge=0, description="Items of each subset at most, the first ones; 0: all.")

    def identity(self) -> dict[str, Any]:
        """Everything but the path: files are identified by their content."""
        return self.model_dump(mode="json", exclude={"path"})


class EvaluateRecipe(Recipe):
    """Models, held-out tasks and benchmarks -> recorded episodes (paper section 4)."""

    models: tuple[EvaluatedModel, ...] = Field((), description="Who is evaluated, each with a name of its own.")
    user: User = Field(ScriptedUser(), description="The simulated user; benchmarks with one need a model here.")
    trials: int = Field(4, ge=1, description="Trials per item, each with its own seed: pass^1 to pass^trials. The "
                        "paper's figure 4 has as many.")
    heldout: HeldOut | None = HeldOut()
    benchmarks: tuple[EvaluatedBenchmark, ...] = ()
    max_turns: int = Field(30, ge=1, description="Replies of the agent after which an episode ends, where the "
                           "benchmark has no limit of its own. Ours.")
    max_calls: int = Field(100, ge=1, description="Tool calls after which an episode ends. Ours.")
    max_retries: int = Field(2, ge=0, description="As in `rollout`.")

    @model_validator(mode="after")
    def _names_differ(self) -> EvaluateRecipe:
        names = [model.name for model in self.models]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"`models` needs at least one, each with its own name; found {names}")
        return self

    def identity(self) -> dict[str, Any]:
        """Models, user and benchmarks by their own identity."""
        own = {"models": [m.identity() for m in self.models], "user": self.user.identity(),
               "benchmarks": [b.identity() for b in self.benchmarks]}
        return {**self.model_dump(mode="json"), **own}


class ScoreRecipe(Recipe):
    """Episodes -> grades and scores. Needs no model."""

    filter: FilterRecipe = FilterRecipe()
    heldout: bool = Field(True, description="Whether held-out tasks were played; as `evaluate` says.")
    gold: ScriptedAgent = Field(ScriptedAgent(error_rate=0), description="As `evaluate.heldout` says.")
    benchmarks: tuple[EvaluatedBenchmark, ...] = Field((), description="Where the benchmarks' data is; as `evaluate` "
                                                      "says.")

    def identity(self) -> dict[str, Any]:
        """Benchmarks by their own identity, without paths."""
        return {**self.model_dump(mode="json"), "benchmarks": [b.identity() for b in self.benchmarks]}
