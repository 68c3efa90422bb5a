"""The coherence of a run's domains over a grid of tau and resolution: the plot that the paper does not print.

    python jobs/sweep.py runs/cloud30k --out sweep

Takes the run's vectors and edges, keeps the edges above each tau, partitions at each resolution, and writes
`coherence.csv` and, where matplotlib is installed (`pip install rayscaler[report]`), `coherence.svg` and `.png`. One
process, no Ray: a cell takes a few seconds at 33,000 tools. A tau below the run's own cannot be asked for: `connect`
did not keep such edges.
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rayscaler.errors import ConfigError, RayscalerError
from rayscaler.graph.coherence import coherence, totals
from rayscaler.graph.communities import modularity, partition, undirected
from rayscaler.graph.placing import place
from rayscaler.recipes import PartitionRecipe
from rayscaler.runs import open_run
from rayscaler.runtime.tiles import matrix
from rayscaler.stages.partition import ENGINES, NamedTools, labels_of

log = logging.getLogger("rayscaler.sweep")

TAUS = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
RESOLUTIONS = (0.5, 1.0, 2.0, 4.0)
PANELS = (
    ("n_domains", "domains"),
    ("placed", "share of tools in a domain"),
    ("modularity", "modularity"),
    ("inside", "mean cosine inside"),
    ("outside", "mean cosine with the nearest other domain"),
    ("noun_purity", "purity: one noun"),
    ("api_purity", "purity: one API"),
    ("mixed_vendors", "domains that mix vendors"),
)


def main() -> int:
    """Sweep and write. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", help="folder or URI of a run whose tables go up to `edges`")
    parser.add_argument("--out", type=Path, default=Path("sweep"), help="folder for the CSV and the plots")
    parser.add_argument("--tau", type=float, nargs="+", default=TAUS)
    parser.add_argument("--resolution", type=float, nargs="+", default=RESOLUTIONS)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    try:
        rows = sweep(arguments.run, taus=arguments.tau, resolutions=arguments.resolution)
    except RayscalerError as error:
        log.error("%s", error)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    with (arguments.out / "coherence.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    plot(rows, arguments.out)
    log.info("written to %s", arguments.out)
    return 0


def sweep(uri: str, *, taus: Sequence[float], resolutions: Sequence[float]) -> list[dict[str, Any]]:
    """One row per tau and resolution. Raises ConfigError for a tau below the run's own."""
    run = open_run(uri)
    recipes = run.config["recipes"]
    own = recipes["connect"]["tau"]
    if min(taus) < own:
        raise ConfigError(f"--tau {min(taus)}: the run kept only edges above {own}; ask for larger ones")
    embeddings, edges = run.table("embeddings"), run.table("edges")
    ids, vectors_ND = embeddings["tool_id"], matrix(embeddings["vector"])
    src, dst = (pc.index_in(edges[end], value_set=ids).to_numpy() for end in ("src", "dst"))
    similarity = edges["similarity"].to_numpy()
    tools = NamedTools(run.store, run.ref("tools"), ids)
    rows = []
    for tau in taus:
        kept = similarity > tau
        graph = undirected(src[kept], dst[kept], similarity[kept])
        for resolution in resolutions:
            recipe = PartitionRecipe(**{**recipes["partition"], "resolution": resolution})
            began = time.monotonic()
            labels = partition(len(ids), graph, recipe, ENGINES[recipe.engine], run.config["seed"])
            groups, rejects = place(tools, labels, vectors_ND, recipe)
            whole = totals(coherence(groups, tools, vectors_ND))
            held = modularity(graph, labels_of(groups, len(ids)))
            cell = {"tau": tau, "resolution": resolution, "edges": int(kept.sum()), **whole._asdict(),
                    "placed": 1 - len(rejects) / len(ids), "modularity": held}  # fmt: skip
            rows.append({key: round(v, 4) if isinstance(v, float) else v for key, v in cell.items()})
            seconds = time.monotonic() - began
            log.info("tau %s, resolution %s: %d domains, %.1f s", tau, resolution, len(groups), seconds)
    return rows


def plot(rows: Sequence[dict[str, Any]], folder: Path) -> None:
    """One panel per measure over tau, one line per resolution; nothing where matplotlib is missing."""
    try:
        import matplotlib as mpl
    except ImportError:
        log.warning("no plot: matplotlib is not installed; pip install rayscaler[report]")
        return
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "rayscaler"   # the same rows, the same file
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 4, figsize=(16, 7), layout="constrained")
    resolutions = sorted({row["resolution"] for row in rows})
    shades = mpl.colormaps["viridis"](np.linspace(0.1, 0.85, len(resolutions)))
    for (name, label), axis in zip(PANELS, axes.flat, strict=True):
        for resolution, shade in zip(resolutions, shades, strict=True):
            line = [(row["tau"], row[name]) for row in rows if row["resolution"] == resolution]
            axis.plot(*zip(*line, strict=True), marker="o", markersize=3, color=shade, label=f"{resolution:g}")
        axis.set_title(label, fontsize=10)
        axis.set_xlabel("tau")
        axis.spines[["top", "right"]].set_visible(False)
    axes.flat[0].legend(title="resolution", frameon=False)
    for ending in ("svg", "png"):
        figure.savefig(folder / f"coherence.{ending}", dpi=150, metadata={"Date": None} if ending == "svg" else None)
    pyplot.close(figure)


if __name__ == "__main__":
    sys.exit(main())
