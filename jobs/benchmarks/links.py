"""`bench.py links`: precision and recall of links on gold runs, beside a plain cosine on names. No Ray.

A link is true where gold passes a value that an earlier call returned to a later call (graph/evidence.py). The rules
were written with tau-bench in view; BFCL's multi-turn tasks were measured once the rules were done, and stay untouched.
tau-bench's training split is left out: its gold holds writes only, so nothing in it is looked up.

The baseline embeds the words of every answer field and of every parameter and links what is nearer than a threshold. It
is given the threshold with the best F1 in hindsight; `link` has its default. `average precision` depends on neither.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from benchmarks.links_gold import gold_sets
from benchmarks.measure import markdown
from rayscaler.graph.evidence import Proved, looked_up, observable, passed_on
from rayscaler.graph.links import links_of
from rayscaler.graph.nouns import phrase
from rayscaler.graph.values import outputs_of
from rayscaler.recipes import EmbedRecipe, LinkRecipe
from rayscaler.runtime.embedding import Embedder
from rayscaler.toolspec import ToolSpec

BENCH = Path("../shared/data/bench")
HEAD = ["tools", "answers", "true", "method", "links", "precision", "recall", "recall of lookups", "F1",
        "average precision"]


Ranked = list[tuple[float, Proved]]
"""Links with their scores."""


class Evidence(NamedTuple):
    """What gold proves: every value passed on, those that had to be looked up, and what it could have proved."""

    true: set[Proved]
    needed: set[Proved]
    seen: set[Proved]


class Scores(NamedTuple):
    """Of links: precision on those that gold could have proved, recall, recall of what had to be looked up.

    `average` is the average precision of the ranking by score, whatever the threshold.
    """

    links: int
    precision: float
    recall: float
    recall_needed: float
    f1: float
    average: float


def score(ranked: Ranked, threshold: float, gold: Evidence) -> Scores:
    """Links at or above `threshold` against the evidence. Zeros where nothing was found."""
    judged = [(near, link in gold.true) for near, link in ranked if link in gold.seen]
    found = {link for near, link in ranked if near >= threshold}
    n = sum(near >= threshold for near, _ in judged)
    hits = len(found & gold.true)
    precision, recall = hits / max(1, n), hits / max(1, len(gold.true))
    return Scores(
        len(found), precision, recall, len(found & gold.needed) / max(1, len(gold.needed)),
        2 * precision * recall / max(1e-9, precision + recall), average_precision(judged, len(gold.true)),
    )  # fmt: skip


def average_precision(judged: list[tuple[float, bool]], true: int) -> float:
    """Mean over the true links of the precision at their rank, 0 if not found; equal scores share a rank."""
    total, hits, seen = 0.0, 0, 0
    for _, same in groupby(sorted(judged, reverse=True), key=itemgetter(0)):
        here = [is_true for _, is_true in same]
        hits, seen = hits + sum(here), seen + len(here)
        total += sum(here) * hits / seen
    return total / max(1, true)


def by_rules(tools: list[ToolSpec], recipe: LinkRecipe) -> Ranked:
    """The links that `link` writes with `recipe`, by tool and top-level parameter."""
    best: dict[Proved, float] = {}
    for row in links_of("gold", tools, recipe):
        link = Proved(row["src"], row["dst"], re.split(r"[.\[]", row["parameter"])[0])
        best[link] = max(best.get(link, 0.0), row["score"])
    return [(near, link) for link, near in best.items()]


def by_cosine(tools: Sequence[ToolSpec], embed: Embedder) -> Ranked:
    """Every answer field against every parameter, by the cosine of their words; a silent tool has its name's words."""
    gives = [(t.name, text) for t in tools for text in _texts(t)]
    takes = [(t.name, name) for t in tools for name in t.parameters["properties"]]
    texts = sorted({text for _, text in gives} | {phrase(name) for _, name in takes})
    place, vectors = {text: i for i, text in enumerate(texts)}, embed(texts)
    best: dict[Proved, float] = {}
    for src, text in gives:
        for dst, name in takes:
            if src != dst:
                link = Proved(src, dst, name)
                near = float(vectors[place[text]] @ vectors[place[phrase(name)]])
                best[link] = max(best.get(link, -1.0), near)
    return [(near, link) for link, near in best.items()]


def best(ranked: Ranked, gold: Evidence) -> tuple[float, Scores]:
    """The threshold with the best F1 on this very evidence, and what it gives."""
    thresholds = [round(float(t), 2) for t in np.arange(0.05, 1.01, 0.01)]
    return max(((t, score(ranked, t, gold)) for t in thresholds), key=lambda option: option[1].f1)


def main(
    bench: Annotated[Path, typer.Option(help="The folder that holds tau-bench and bfcl-v4.")] = BENCH,
    misses: Annotated[bool, typer.Option(help="Also list what is missed and made up on tau-bench.")] = False,
    quick: Annotated[bool, typer.Option(help="Retail alone.")] = False,
) -> None:
    """Precision and recall of links on gold runs."""
    embed = Embedder(EmbedRecipe().model)
    rows, notes = [], []
    for name, runs, variants in gold_sets(bench, quick=quick):
        gold = Evidence(passed_on(runs), looked_up(runs), observable(runs))
        for answers, tools in variants.items():
            label = [name, answers, str(len(gold.true))]
            for method, scores in _compared(tools, gold, embed).items():
                rows.append([*label, method, str(scores.links), *(f"{value:.2f}" for value in scores[1:])])
            tuned_on = name in ("retail", "airline")
            notes += [f"{name}, {answers}: {line}" for line in _misses(tools, gold)] if tuned_on else []
    typer.echo(markdown(HEAD, rows))
    if misses:
        typer.echo("\n".join(["", *notes]))


def _compared(tools: list[ToolSpec], gold: Evidence, embed: Embedder) -> dict[str, Scores]:
    """What `link` writes by default, ranked by all that the rules see; and the cosine at its best."""
    written, ranked = by_rules(tools, LinkRecipe()), by_rules(tools, LinkRecipe(min_score=0, max_sources=1000))
    average = score(ranked, 0.0, gold).average
    near = by_cosine(tools, embed)
    threshold, scores = best(near, gold)
    return {
        "link": score(written, 0.0, gold)._replace(average=average),
        f"cosine, threshold {threshold}": scores,
        "cosine at link's precision": at_precision(near, gold, score(written, 0.0, gold).precision),
    }


def at_precision(ranked: Ranked, gold: Evidence, wanted: float) -> Scores:
    """The threshold of most recall among those that reach a precision; the most precise one if none does."""
    found = [score(ranked, round(float(t), 2), gold) for t in np.arange(0.05, 1.01, 0.01)]
    reached = [s for s in found if s.precision >= wanted and s.recall > 0]
    return max(reached, key=lambda s: s.recall) if reached else max(found, key=lambda s: (s.precision, s.recall))


def _misses(tools: list[ToolSpec], gold: Evidence) -> list[str]:
    found = {link for _, link in by_rules(tools, LinkRecipe())}
    made_up = {link for link in found - gold.true if link in gold.seen}
    missed = sorted(gold.true - found)
    lines = [f"missed {' '.join(link)}{' (a lookup)' if link in gold.needed else ''}" for link in missed]
    return lines + [f"made up {' '.join(link)}" for link in sorted(made_up)]


def _texts(tool: ToolSpec) -> list[str]:
    return [value.text for value in outputs_of(tool)] if tool.response else [phrase(tool.name)]
