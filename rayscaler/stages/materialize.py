"""materialize: domains -> executable, certified environments (paper section 2.1)."""

from __future__ import annotations

import threading
from operator import itemgetter
from typing import Any

from rayscaler.canonical import dumps
from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.certificate import Certified, certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.policy import brief_policy
from rayscaler.environments.sql import schema_sql
from rayscaler.recipes import MaterializeRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.redrafting import redraft
from rayscaler.runtime.refiner import Refiner, Terms, asked
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import DOMAINS, ENVIRONMENTS, REFINEMENTS, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "materialize", 10, (DOMAINS, TOOLS), (ENVIRONMENTS, REJECTS), True, "tools",
)  # fmt: skip
MADE_BY = ("mimesis", "numpy", "apsw", "rayscaler.environments")


def _tools_of(domain: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Each tool of a domain, and a domain of it alone."""
    return [(tool_id, {**domain, "tool_ids": [tool_id], "n_tools": 1}) for tool_id in domain["tool_ids"]]


def _without(domain: dict[str, Any], tool_ids: set[str]) -> dict[str, Any]:
    left = [tool_id for tool_id in domain["tool_ids"] if tool_id not in tool_ids]
    return {**domain, "tool_ids": left, "n_tools": len(left)}


BY_DOMAIN = ByRow(itemgetter("domain_id"), _tools_of, _without)


def run(ctx: Context[MaterializeRecipe]) -> None:
    """Two domains per shard: a compilation with its certificate takes a good part of a second."""
    shards = ctx.rows(DOMAINS, per_shard=2)
    arguments = (ctx.recipe, ctx.seed, ctx.store, ctx.input(TOOLS))
    if ctx.recipe.refine is None:
        ctx.map(shards, Materialize, *arguments, writes=WRITES, by_row=BY_DOMAIN)
        return
    ctx, terms, at_once = asked(ctx, ctx.recipe.refine, shards)
    written = (*WRITES, REFINEMENTS)
    ctx.map(shards, MaterializeWithModel, *arguments, terms, writes=written, at_once=at_once, by_row=BY_DOMAIN)


class Materialize:
    """Compiles and certifies a group of domains."""

    def __init__(self, recipe: MaterializeRecipe, seed: int, store: Store, tools: Ref) -> None:
        self.recipe, self.seed = recipe, seed
        self.tools = Lookup(store, tools)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        return self.output(payload, [self.certified(domain) for domain in payload])

    def certified(self, domain: dict[str, Any]) -> Certified:
        """The environment of one domain, as the compiler makes it, with everything that was left out."""
        tools = [ToolSpec.from_row(self.tools[tool_id]) for tool_id in domain["tool_ids"]]
        compiled = compile_environment(domain, tools, self.recipe)
        found = certify(compiled.spec, self.recipe, seed=self.seed)
        return found._replace(rejects=[*compiled.rejects, *found.rejects])

    def output(self, domains: list[dict[str, Any]], found: list[Certified]) -> Output:
        """Rows of `environments` for those that passed, and everything that was left out."""
        rows = [environment_row(self._worded(one.spec), one.certificate) for one in found if one.spec is not None]
        rejects = [reject for one in found for reject in one.rejects]
        return Output({ENVIRONMENTS.name: rows}, sum(d["n_tools"] for d in domains), rejects)

    def _worded(self, spec: EnvironmentSpec) -> EnvironmentSpec:
        return spec.model_copy(update={"policy": brief_policy(spec)}) if self.recipe.policy == "brief" else spec


class MaterializeWithModel(Materialize):
    """The same with a model that redrafts. Called for several groups at once, from as many threads."""

    def __init__(self, recipe: MaterializeRecipe, seed: int, store: Store, tools: Ref, terms: Terms) -> None:
        super().__init__(recipe, seed, store, tools)
        assert recipe.refine is not None
        self.refiner, self.lock = Refiner(recipe.refine, terms), threading.Lock()

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        found, refinements = [], []
        for domain in payload:
            with self.lock:
                compiled = self.certified(domain)
            redrafted, rows = redraft(compiled, self.recipe, self.seed, self.refiner)
            found.append(redrafted)
            refinements += rows
        output = self.output(payload, found)
        return output._replace(rows={**output.rows, REFINEMENTS.name: refinements})


def environment_row(spec: EnvironmentSpec, certificate: dict[str, Any]) -> dict[str, Any]:
    """The row of `environments`."""
    writes = sum(tool.operator.writes for tool in spec.tools)
    return {
        "environment_id": spec.environment_id,
        "title": spec.title,
        "description": spec.description,
        "n_tools": len(spec.tools),
        "n_entities": len(spec.entities),
        "n_reads": len(spec.tools) - writes,
        "n_writes": writes,
        "schema_sql": schema_sql(spec.entities),
        "tools_py": "\n\n".join(tool.code for tool in spec.tools),
        "policy": spec.policy,
        "spec": spec.model_dump_json(),
        "certificate": dumps(certificate),
    }
