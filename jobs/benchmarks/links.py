"""`bench.py links`: precision and recall of links on tau-bench's gold runs, beside a plain cosine on names. No Ray.

A link is true where gold passes a value that an earlier call returned to a later call (graph/evidence.py). tau-bench's
tools declare no answers, so each is read twice: as it is, and with the schema of its first recorded answer. Retail's
training split is left out: its gold holds writes only, so nothing in it is looked up.

The baseline embeds the words of every answer field and of every parameter and links what is nearer than a threshold.
Each method is also given the threshold that is best for it in hindsight; `average precision` does not depend on one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import typer

from benchmarks.measure import markdown
from rayscaler.graph.evidence import Call, Proved, looked_up, observable, observed_schema, passed_on
from rayscaler.graph.links import links_of
from rayscaler.graph.nouns import phrase
from rayscaler.graph.values import outputs_of
from rayscaler.recipes import EmbedRecipe, LinkRecipe
from rayscaler.runtime.embedding import Embedder
from rayscaler.toolspec import ToolSpec

DOMAINS = ("retail", "airline")
HEAD = ["tools", "answers", "true", "method", "links", "precision", "recall", "recall of lookups", "F1",
        "average precision"]


Ranked = list[tuple[float, Proved]]
"""Links with their scores."""


class Evidence(NamedTuple):
    """What gold proves: every value passed on, those that had to be looked up, and the pairs of tools it speaks of."""

    true: set[Proved]
    needed: set[Proved]
    seen: set[tuple[str, str]]


class Scores(NamedTuple):
    """Of links: precision on pairs of tools that gold calls in that order, recall, recall of what had to be looked up.

    `average` is the average precision of the ranking by score, whatever the threshold.
    """

    links: int
    precision: float
    recall: float
    recall_needed: float
    f1: float
    average: float


def read_runs(folder: Path, split: str) -> list[list[Call]]:
    """Gold runs; an answer that is no JSON is a string, an error is None."""
    gold = {t["task_index"]: t for t in json.loads((folder / f"gold_{split}.json").read_text())["tasks"]}
    runs = []
    for task in json.loads((folder / f"tasks_{split}.json").read_text()):
        answers = gold[task["task_index"]]["observations"]
        runs.append([Call(a["name"], a["kwargs"], _answer(t)) for a, t in zip(task["actions"], answers, strict=True)])
    return runs


def read_tools(folder: Path, runs: list[list[Call]], *, with_answers: bool) -> list[ToolSpec]:
    """The tools as declared, or with a schema of the first answer that gold has of each."""
    answers: dict[str, Any] = {}
    for call in (call for run in runs for call in run if call.answer is not None):
        answers.setdefault(call.tool, observed_schema(call.answer))
    return [
        ToolSpec(tool_id=f["name"], name=f["name"], vendor="tau", api=folder.name, parameters=f["parameters"],
                 response=answers.get(f["name"]) if with_answers else None, format="functions")
        for f in (t["function"] for t in json.loads((folder / "tools.json").read_text()))
    ]  # fmt: skip


def score(ranked: Ranked, threshold: float, gold: Evidence) -> Scores:
    """Links at or above `threshold` against the evidence. Zeros where nothing was found."""
    judged = [(near, link in gold.true) for near, link in ranked if (link.src, link.dst) in gold.seen]
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
    for near in sorted({near for near, _ in judged}, reverse=True):
        here = [is_true for other, is_true in judged if other == near]
        hits, seen = hits + sum(here), seen + len(here)
        total += sum(here) * hits / seen
    return total / max(1, true)


def by_rules(tools: list[ToolSpec]) -> Ranked:
    """All that the rules see, with their scores; `link` writes those of LinkRecipe's `min_score` and above."""
    rows = links_of("tau", tools, LinkRecipe(min_score=0, max_sources=1000))
    best: dict[Proved, float] = {}
    for row in rows:
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
    thresholds = [round(float(t), 2) for t in np.arange(0.05, 1.01, 0.05)]
    return max(((t, score(ranked, t, gold)) for t in thresholds), key=lambda option: option[1].f1)


def main(
    bench: Annotated[Path, typer.Option(help="The folder of tau-bench.")] = Path("../shared/data/bench/tau-bench"),
    misses: Annotated[bool, typer.Option(help="Also list what the rules miss and what they make up.")] = False,
    quick: Annotated[bool, typer.Option(help="Retail alone.")] = False,
) -> None:
    """Precision and recall of links on tau-bench."""
    embed = Embedder(EmbedRecipe().model)
    rows, notes = [], []
    for domain in DOMAINS[:1] if quick else DOMAINS:
        runs = read_runs(bench / domain, "test")
        gold = Evidence(passed_on(runs), looked_up(runs), observable(runs))
        for with_answers in (False, True):
            tools = read_tools(bench / domain, runs, with_answers=with_answers)
            rules, cosine = by_rules(tools), by_cosine(tools, embed)
            least = LinkRecipe().min_score
            found = {f"rules, {least} and above: what `link` writes": score(rules, least, gold)}
            for name, ranked in (("rules", rules), ("cosine", cosine)):
                threshold, scores = best(ranked, gold)
                found[f"{name}, best threshold in hindsight ({threshold})"] = scores
            label = [domain, "as observed" if with_answers else "not declared", str(len(gold.true))]
            for method, scores in found.items():
                rows.append([*label, method, str(scores.links), *(f"{value:.2f}" for value in scores[1:])])
            notes += [f"{domain}: {line}" for line in _misses(rules, least, gold)] if with_answers else []
    typer.echo(markdown(HEAD, rows))
    if misses:
        typer.echo("\n".join(["", *notes]))


def _misses(ranked: Ranked, least: float, gold: Evidence) -> list[str]:
    found = {link for near, link in ranked if near >= least}
    made_up = {link for link in found - gold.true if (link.src, link.dst) in gold.seen}
    missed = sorted(gold.true - found)
    lines = [f"missed {' '.join(link)}{' (a lookup)' if link in gold.needed else ''}" for link in missed]
    return lines + [f"made up {' '.join(link)}" for link in sorted(made_up)]


def _texts(tool: ToolSpec) -> list[str]:
    return [value.text for value in outputs_of(tool)] if tool.response else [phrase(tool.name)]


def _answer(text: str | None) -> Any:
    if text is None or text.startswith("Error"):
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text

