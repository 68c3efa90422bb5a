"""Redrafting one environment with a model: its schema, then its tools one after the other, each tried out apart.

What is taken stands for the questions after it, so the drafts are certified together as they ship.
"""

from __future__ import annotations

from typing import Any

from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.certificate import Certified
from rayscaler.environments.redraft import Certifier, Tried, try_spec, try_tool, weaknesses
from rayscaler.environments.sql import schema_sql
from rayscaler.recipes import MaterializeRecipe
from rayscaler.refinement.drafts import schema_question, schema_text, tool_question
from rayscaler.refinement.problems import Kind, Problem
from rayscaler.refinement.step import A, Question
from rayscaler.runtime.apart import try_out
from rayscaler.runtime.refiner import Refined, Refiner


def redraft(
    certified: Certified, recipe: MaterializeRecipe, seed: int, refiner: Refiner, certify: Certifier = try_out
) -> tuple[Certified, list[dict[str, Any]]]:
    """The environment with every draft that was taken, and the rows of `refinements`. One that did not pass its
    certificate is not redrafted.
    """
    refine = recipe.refine
    if refine is None or certified.spec is None:
        return certified, []
    bench, rows = Bench(certified, recipe, seed, certify), []
    if refine.schemas:
        refined = bench.asked(refiner, schema_question(bench.spec, bench.try_schema))
        rows.append(refined.standing(schema_text(bench.spec)).row)
    for name in _names(bench.standing, refine.tools):
        found = weaknesses(bench.standing.certificate).get(name, [])
        tables = schema_sql(bench.spec.entities)

        def tried(code: str, name: str = name) -> list[Problem]:
            return bench.try_tool(name, code)

        refined_tool = bench.asked(refiner, tool_question(bench.spec, bench.spec.tool(name), found, tables, tried))
        rows.append(refined_tool.standing(bench.spec.tool(name).code).row)
    return bench.standing, rows


def _names(certified: Certified, which: str) -> list[str]:
    if which == "all":
        return [tool.name for tool in certified.spec.tools] if certified.spec else []
    return list(weaknesses(certified.certificate)) if which == "weak" else []


class Bench:
    """One environment on which drafts are tried. `standing` is what stands, `passed` the draft that passed last."""

    def __init__(self, certified: Certified, recipe: MaterializeRecipe, seed: int, certify: Certifier) -> None:
        self.standing = self.passed = certified
        self._recipe, self._seed, self._certify = recipe, seed, certify

    @property
    def spec(self) -> EnvironmentSpec:
        """The environment that stands."""
        assert self.standing.spec is not None
        return self.standing.spec

    def try_schema(self, candidate: EnvironmentSpec) -> list[Problem]:
        """What speaks against another schema."""
        return self._problems(
            try_spec(self.standing, candidate, self._recipe, seed=self._seed, certify=self._certify))

    def try_tool(self, name: str, code: str) -> list[Problem]:
        """What speaks against another source of a tool."""
        return self._problems(
            try_tool(self.standing, name, code, self._recipe, seed=self._seed, certify=self._certify))

    def asked(self, refiner: Refiner, question: Question[A]) -> Refined[A]:
        """Ask, and let what was taken stand."""
        self.passed = self.standing
        refined = refiner.ask([question])[0]
        if refined.answer is not None:
            self.standing = self.passed
        return refined

    def _problems(self, tried: Tried) -> list[Problem]:
        if tried.certified is None:
            return [Problem(Kind(str(tried.why)), tried.detail)]
        self.passed = tried.certified
        return []
