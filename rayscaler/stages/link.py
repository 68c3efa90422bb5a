"""link: the tools of a domain -> directed dependencies between them (paper section 2.1)."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from rayscaler.graph.links import links_of
from rayscaler.recipes import LinkRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import DOMAINS, LINKS, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = "link", 3, (DOMAINS, TOOLS), (LINKS, REJECTS), False, "domains"
MADE_BY = ("rayscaler.graph",)


def run(ctx: Context[LinkRecipe]) -> None:
    """A few domains per shard."""
    arguments = (ctx.recipe, ctx.store, ctx.input(TOOLS))
    by_domain = ByRow(itemgetter("domain_id"))
    ctx.map(ctx.rows(DOMAINS, per_shard=8), LinkDomains, *arguments, writes=WRITES, by_row=by_domain)


class LinkDomains:
    """Finds the links of a group of domains."""

    def __init__(self, recipe: LinkRecipe, store: Store, tools: Ref) -> None:
        self.recipe = recipe
        self.tools = Lookup(store, tools)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows = []
        for domain in payload:
            tools = [ToolSpec.from_row(self.tools[tool_id]) for tool_id in domain["tool_ids"]]
            rows += links_of(domain["domain_id"], tools, self.recipe)
        return Output({LINKS.name: rows}, len(payload))
