"""link: the tools of a domain -> directed dependencies between them (paper section 2.1)."""

from __future__ import annotations

import threading
from operator import itemgetter
from typing import Any

from rayscaler.graph.judged import LinkKey, doubtful, judged, key_of
from rayscaler.graph.links import Candidate, links_of
from rayscaler.recipes import LinkRecipe
from rayscaler.refinement.step import Question
from rayscaler.refinement.verdicts import MAX_LINKS, Verdicts, verdicts_question
from rayscaler.runtime.context import Context
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.refiner import Refiner, Terms, asked
from rayscaler.runtime.shards import ByRow, Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import DOMAINS, LINKS, REFINEMENTS, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = "link", 3, (DOMAINS, TOOLS), (LINKS, REJECTS), False, "domains"
MADE_BY = ("rayscaler.graph",)

Rows = list[dict[str, Any]]


def run(ctx: Context[LinkRecipe]) -> None:
    """A few domains per shard."""
    by_domain = ByRow(itemgetter("domain_id"))
    shards = ctx.rows(DOMAINS, per_shard=8)
    arguments = (ctx.recipe, ctx.store, ctx.input(TOOLS))
    if ctx.recipe.refine is None:
        ctx.map(shards, LinkDomains, *arguments, writes=WRITES, by_row=by_domain)
        return
    ctx, terms, at_once = asked(ctx, ctx.recipe.refine, shards)
    written = (*WRITES, REFINEMENTS)
    ctx.map(shards, LinkWithModel, *arguments, terms, writes=written, at_once=at_once, by_row=by_domain)


class LinkDomains:
    """Finds the links of a group of domains."""

    def __init__(self, recipe: LinkRecipe, store: Store, tools: Ref) -> None:
        self.recipe = recipe
        self.tools = Lookup(store, tools)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows = []
        for domain in payload:
            rows += links_of(domain["domain_id"], self.tools_of(domain), self.recipe)
        return Output({LINKS.name: rows}, len(payload))

    def tools_of(self, domain: dict[str, Any]) -> list[ToolSpec]:
        """The tools of a domain."""
        return [ToolSpec.from_row(self.tools[tool_id]) for tool_id in domain["tool_ids"]]


class LinkWithModel(LinkDomains):
    """The same with a model's verdict on links that the rules doubt. Called for several groups at once."""

    def __init__(self, recipe: LinkRecipe, store: Store, tools: Ref, terms: Terms) -> None:
        super().__init__(recipe, store, tools)
        assert recipe.refine is not None
        self.refiner, self.lock = Refiner(recipe.refine, terms), threading.Lock()

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        links, refinements = [], []
        for domain in payload:
            with self.lock:
                tools = self.tools_of(domain)
            rows, told = judged_links(domain["domain_id"], tools, self.recipe, self.refiner)
            links += rows
            refinements += told
        return Output({LINKS.name: links, REFINEMENTS.name: refinements}, len(payload))


def judged_links(domain_id: str, tools: list[ToolSpec], recipe: LinkRecipe, refiner: Refiner) -> tuple[Rows, Rows]:
    """The links of a domain after a model's verdict, and the rows of `refinements`. Where no verdict is taken the
    rules' links stand.
    """
    assert recipe.refine is not None
    rows = links_of(domain_id, tools, recipe)
    into: dict[str, Rows] = {}
    for row in rows:
        into.setdefault(row["dst"], []).append(row)
    found = doubtful(domain_id, tools, recipe, consider=recipe.refine.consider, sure=recipe.refine.sure)
    candidates = {dst: some[:MAX_LINKS] for dst, some in sorted(found.items())}
    questions = [_question(domain_id, some, into.get(dst, [])) for dst, some in candidates.items()]
    told = []
    for (dst, some), refined in zip(candidates.items(), refiner.ask(questions), strict=True):
        if refined.answer is not None:
            verdicts = _by_key(some, refined.answer)
            into[dst] = judged(domain_id, into.get(dst, []), some, verdicts, recipe)
        told.append(refined.standing(_lines(into.get(dst, []))).row)
    return [row for _, some in sorted(into.items()) for row in some], told


def _question(domain_id: str, candidates: list[Candidate], rows: Rows) -> Question[Verdicts]:
    """One question about the links into a tool. A required parameter that rules feed must stay fed."""
    numbers = {key_of(candidate): number for number, candidate in enumerate(candidates, 1)}
    needed = []
    for parameter in candidates[0].dst.parameters.get("required", ()):
        keys = [LinkKey(row["src"], row["field"], row["dst"], row["parameter"]) for row in rows
                if row["parameter"] == parameter]
        if keys and all(key in numbers for key in keys):
            needed.append({number for key, number in numbers.items() if key.parameter == parameter})
    return verdicts_question(domain_id, candidates, needed, _lines(rows))


def _by_key(candidates: list[Candidate], answer: Verdicts) -> dict[LinkKey, bool]:
    feeds = {verdict.number: verdict.feeds for verdict in answer.verdicts}
    return {key_of(candidate): feeds[number] for number, candidate in enumerate(candidates, 1)}


def _lines(rows: Rows) -> str:
    return "\n".join(f"{row['src']} {row['field'] or '(whole)'} -> {row['parameter']} {row['score']:.2f} {row['rule']}"
                     for row in rows)
