"""`bench.py overlaps`: what the bounds of the contamination report find where the answer is known.

tau2-bench's retail and airline tasks are tau-bench's, rewritten: most of its texts should be found. BFCL's tools and
questions have nothing to do with tau-bench: none should be. Each row of the table is one bound.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

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
    scores = [
        scored(texts[kind][:most], known[kind], embed, recipe.overlap_ngram) for _, texts in others for kind in KINDS
    ]
    rows = []
    for place, (measure, bounds) in enumerate((("n-gram", OVERLAPS), ("cosine", COSINES))):
        for bound in bounds:
            shares = [sum(s > bound for s in found[place]) / max(1, len(found[place])) for found in scores]
            rows.append([measure, f"{bound}", *(f"{share:.0%}" for share in shares)])
    typer.echo(markdown(head, rows))


def texts_of(benchmark: Benchmark, base: Path) -> dict[str, list[str]]:
    """The texts of a benchmark by kind."""
    found: list[Text] = read_benchmark(benchmark, base)
    return {kind: [text.text for text in found if text.kind == kind] for kind in KINDS}


def scored(texts: list[str], known: list[str], embed: Embedder, n: int) -> tuple[list[float], list[float]]:
    """For each of `texts` its share of n-grams and its cosine with the nearest of `known`."""
    index = NgramIndex(known, n)
    near = [index.nearest(text) for text in texts]
    cosines = nearest_by_cosine(embed(texts), embed(known)) if texts else []
    return [found.score if found else 0.0 for found in near], [found.score for found in cosines]
