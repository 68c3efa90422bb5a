"""materialize: domains -> executable, certified environments (paper section 2.1)."""

from __future__ import annotations

from typing import Any

from rayscaler.canonical import dumps
from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.sql import schema_sql
from rayscaler.reasons import Rejected
from rayscaler.recipes import MaterializeRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import DOMAINS, ENVIRONMENTS, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = (
    "materialize", 10, (DOMAINS, TOOLS), (ENVIRONMENTS, REJECTS), True, "tools",
)  # fmt: skip
MADE_BY = ("mimesis", "numpy", "apsw", "rayscaler.environments")


def run(ctx: Context[MaterializeRecipe]) -> None:
    """Two domains per shard: a compilation with its certificate takes a good part of a second."""
    shards = ctx.rows(DOMAINS, per_shard=2)
    arguments = (ctx.recipe, ctx.seed, ctx.store, ctx.input(TOOLS))
    ctx.map(shards, Materialize, *arguments, writes=(ENVIRONMENTS, REJECTS))


class Materialize:
    """Compiles and certifies a group of domains."""

    def __init__(self, recipe: MaterializeRecipe, seed: int, store: Store, tools: Ref) -> None:
        self.recipe, self.seed = recipe, seed
        self.tools = Lookup(store, tools)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows: list[dict[str, Any]] = []
        rejects: list[Rejected] = []
        for domain in payload:
            tools = [ToolSpec.from_row(self.tools[tool_id]) for tool_id in domain["tool_ids"]]
            compiled = compile_environment(domain, tools, self.recipe)
            certified = certify(compiled.spec, self.recipe, seed=self.seed)
            rejects += [*compiled.rejects, *certified.rejects]
            if certified.spec is not None:
                rows.append(environment_row(certified.spec, certified.certificate))
        return Output({ENVIRONMENTS.name: rows}, sum(d["n_tools"] for d in payload), rejects)


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
