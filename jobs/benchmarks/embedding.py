"""`bench.py embed`: phrases per second of the embedding workers, against plain sentence-transformers.

The phrases are real: the distinct member names of botocore's service models, as `embed` would spell them. The plain way
sorts by length and pads, and its vectors change in the last bits with the batch; rayscaler's do not.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.measure import Timed, alone, joined, markdown, prepare_ray, timed
from rayscaler.graph.nouns import phrase
from rayscaler.recipes import EmbedRecipe
from rayscaler.resources import Resources
from rayscaler.runtime.cluster import connected
from rayscaler.runtime.pool import run_shards
from rayscaler.runtime.shards import Job, payload_shards
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.embed import EmbedPhrases, shards_of_phrases
from rayscaler.tables import PHRASES

MODEL = EmbedRecipe().model
HEAD = ["phrases", "method", "median s", "all s", "peak MiB", "load", "phrases/s"]


def main(
    phrases: Annotated[int, typer.Option(min=64, help="How many phrases.")] = 8000,
    repeats: Annotated[int, typer.Option(min=1)] = 3,
    quick: Annotated[bool, typer.Option(help="256 phrases, one repeat.")] = False,
    seed: Annotated[int, typer.Option(help="Of the sample.")] = 7,
) -> None:
    """Phrases per second, with the same model on the same cores."""
    logging.disable(logging.WARNING)
    prepare_ray()
    with connected(Resources()):
        typer.echo(table(256 if quick else phrases, 1 if quick else repeats, seed))


def table(phrases: int, repeats: int, seed: int) -> str:
    """Each method on the same phrases, in turns. Ray must be started."""
    texts, folder = sample_phrases(phrases, seed), Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        found = [_round(texts, folder / str(number)) for number in range(repeats)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    times = {name: joined([each[name] for each in found]) for name in found[0]}
    rows = [[f"{len(texts):,}", name, *t.cells(), f"{len(texts) / t.median_s:,.0f}"] for name, t in times.items()]
    return markdown(HEAD, rows)


def _round(texts: list[str], folder: Path) -> dict[str, Timed]:
    """Each method once."""
    folder.mkdir()
    given = [MODEL, str(folder / "phrases.json")]
    Path(given[1]).write_text(json.dumps(texts), encoding="utf-8")
    found = {"rayscaler on Ray, model load included": _on_ray(texts, folder / "run")}
    found["rayscaler's embedder, 1 thread"] = alone("embed_alone", ["ours", *given], 1)
    for threads in sorted({1, os.cpu_count() or 1}):
        name = f"plain sentence-transformers, {threads} thread{'s'[: threads - 1]}"
        found[name] = alone("embed_alone", ["plain", *given], threads)
    return found


def sample_phrases(n: int, seed: int) -> list[str]:
    """`n` distinct phrases out of botocore's models, or all, sorted as `embed` shards them."""
    import botocore.session

    session = botocore.session.get_session()
    names: set[str] = set()
    for service in session.get_available_services():
        shapes = session.get_service_model(service)._service_description["shapes"]
        names.update(member for shape in shapes.values() for member in shape.get("members", {}))
        if len(names) > 4 * n:
            break
    every = sorted({phrase(name) for name in names} - {""})
    rows = np.random.default_rng(seed).permutation(len(every))[:n]
    return [every[row] for row in sorted(rows)]


def _on_ray(texts: list[str], run: Path) -> Timed:
    store = Store(str(run))
    job = Job("embed", store, EmbedPhrases, (MODEL, False), (Ref(PHRASES, "bench"),))
    shards = payload_shards(shards_of_phrases(dict.fromkeys(texts, 1.0)))
    return timed(lambda: run_shards(shards, job, Resources(), lambda *_: None))
