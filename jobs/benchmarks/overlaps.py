"""`bench.py overlaps`: what the bounds of the contamination report find where the answer is known.

tau2-bench's retail and airline tasks are tau-bench's, rewritten: most of its texts should be found. BFCL's tools and
questions have nothing to do with tau-bench: none should be. Each row of the first table is one bound.

The second table is what the report costs in one process: embedding a text, and finding the nearest of the benchmark's
texts by cosine and by n-grams. Rates are per second of CPU time.
"""

from __future__ import annotations

import os
import time
from itertools import pairwise
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from benchmarks.measure import markdown
from rayscaler.recipes import Benchmark, CurateRecipe
from rayscaler.runtime.embedding import Embedder
from rayscaler.training.benchmarks import Text, read_benchmark
from rayscaler.training.overlaps import NgramIndex, nearest_by_cosine

KNOWN = Benchmark(name="tau-bench", path="tau-bench", exclude=("*few_shot*", "*gold*"))
DERIVED = (
    Benchmark(name="tau2 retail", path="tau2-bench/retail"), Benchmark(name="tau2 airline", path="tau2-bench/airline"),
)
UNRELATED = (Benchmark(name="BFCL", path="bfcl-v4/BFCL_v4_live_simple.json"),)
KINDS = {"tool": "tools", "intent": "intents"}
OVERLAPS, COSINES = (0.1, 0.2, 0.3, 0.5, 0.7), (0.6, 0.7, 0.8, 0.85, 0.9, 0.95)


def main(
    bench: Annotated[Path, typer.Option(help="The folder of the benchmarks.")] = Path("../shared/data/bench"),
    quick: Annotated[bool, typer.Option(help="The first 40 texts of each kind.")] = False,
) -> None:
    """How many texts of related and unrelated benchmarks are called too near, by bound."""
    recipe = CurateRecipe()
    embed, most = Embedder(recipe.model), 40 if quick else 400
    known, others = texts_of(KNOWN, bench), [(b.name, texts_of(b, bench)) for b in (*DERIVED, *UNRELATED)]
    head = ["measure", "above", *(f"{name} {KINDS[kind]} ({len(texts[kind][:most])})" for name, texts in others
                                  for kind in KINDS)]
    vectors = {kind: embed(texts) for kind, texts in known.items()}
    scores = [
        scored(texts[kind][:most], known[kind], vectors[kind], embed, recipe.overlap_ngram)
        for _, texts in others for kind in KINDS
    ]
    rows = []
    for place, (measure, bounds) in enumerate((("n-gram", OVERLAPS), ("cosine", COSINES))):
        for bound in bounds:
            shares = [sum(s > bound for s in scores_of) / max(1, len(scores_of))
                      for scores_of in (found[place] for found in scores)]
            rows.append([measure, f"{bound}", *(f"{share:.0%}" for share in shares)])
    typer.echo(markdown(head, rows) + "\n")
    names = [f"{name} {KINDS[kind]}" for name, _ in others for kind in KINDS]
    typer.echo(markdown(["texts", "how many", "words each", "embedded per CPU second", "compared by cosine",
                         "by n-grams", "all", "load"], [speeds(*pair) for pair in zip(names, scores, strict=True)]))


def texts_of(benchmark: Benchmark, base: Path) -> dict[str, list[str]]:
    """The texts of a benchmark by kind."""
    found: list[Text] = read_benchmark(benchmark, base)
    return {kind: [text.text for text in found if text.kind == kind] for kind in KINDS}


class Scored(NamedTuple):
    """Of each text the share of its n-grams and its cosine with the nearest known one, and what that took."""

    by_ngram: list[float]
    by_cosine: list[float]
    words: int
    embed_s: float
    cosine_s: float
    ngram_s: float
    load: float


def scored(texts: list[str], known: list[str], known_MD: np.ndarray, embed: Embedder, n: int) -> Scored:
    """Compare `texts` with `known`. Seconds are of CPU time."""
    index, load, times = NgramIndex(known, n), os.getloadavg()[0], [time.process_time()]
    vectors_ND = embed(texts)
    times.append(time.process_time())
    cosines = nearest_by_cosine(vectors_ND, known_MD)
    times.append(time.process_time())
    near = [index.nearest(text) for text in texts]
    times.append(time.process_time())
    words = sum(len(text.split()) for text in texts)
    spent = [after - before for before, after in pairwise(times)]
    return Scored([found.score if found else 0.0 for found in near], [found.score for found in cosines], words, *spent,
                  load)


def speeds(name: str, found: Scored) -> list[str]:
    """Texts per CPU second, for the table."""
    n, spent = len(found.by_cosine), (found.embed_s, found.cosine_s, found.ngram_s)
    rates = [n / max(seconds, 1e-6) for seconds in (*spent, sum(spent))]
    return [name, f"{n:,}", f"{found.words / max(n, 1):.0f}", *(f"{rate:,.0f}" for rate in rates), f"{found.load:.1f}"]
