"""What the dataset card tells of a run, and writing the dataset."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from rayscaler import __version__
from rayscaler.runs import Run
from rayscaler.runtime.export import Written, export
from rayscaler.training.card import About, Source, card

NEEDED = ("examples", "tasks", "verdicts", "environments", "tokenizers")
TOLD = ("rollout", "filter", "curate")
"""Stages whose recipes the card shows."""


def export_run(run: Run, folder: Path) -> Written:
    """Write a run's examples as a Hugging Face dataset into `folder`, whole or not at all."""
    refs = {name: run.ref(name) for name in NEEDED}
    return export(run.store, refs, folder, lambda written: card(_about(run, written)))


def _about(run: Run, written: Written) -> About:
    records = run.tables()
    examples = next(r for r in records if r.table.startswith("examples@"))
    return About(
        name=str(run.config["name"]),
        version=__version__,
        seed=int(run.config["seed"]),
        counts=_counts(written),
        sources=_sources(run, written.environments),
        left_out=examples.reasons,
        tables=[(r.table, r.fingerprint, r.rows) for r in records],
        recipes={r.stage: r.recipe for r in records if r.stage in TOLD},  # as fingerprinted: without paths of here
        agent=str(run.config["recipes"]["rollout"]["agent"]["kind"]),
        overlaps=_overlaps(run),
        n_rows=written.n_rows,
    )


def _counts(written: Written) -> list[tuple[str, str]]:
    share = written.n_supervised / max(1, written.n_tokens)
    return [
        ("conversations", f"{written.n_rows:,}"),
        ("tasks", f"{written.n_tasks:,}"),
        ("environments", f"{len(written.environments):,}"),
        ("tool calls per conversation", f"{written.n_calls / max(1, written.n_rows):.1f}"),
        *((f"of kind `{kind}`", f"{n:,}") for kind, n in written.by_kind.items()),
        *((f"in phase {phase}", f"{n:,}") for phase, n in written.by_phase.items()),
        ("tokens, by the run's own tokenizer", f"{written.n_tokens:,}"),
        ("of them under the loss", f"{share:.1%}"),
    ]


def _sources(run: Run, environments: tuple[str, ...]) -> list[Source]:
    """Sources and licences of the tools in the exported environments; nothing where the run has no `tools`."""
    whole = {record.table.split("@")[0] for record in run.tables()}
    if not {"tools", "domains"} <= whole:
        return []
    domains = run.store.read(run.ref("domains"), ["domain_id", "tool_ids"]).to_pylist()
    offered = {tool for row in domains if row["domain_id"] in set(environments) for tool in row["tool_ids"]}
    tools = run.store.read(run.ref("tools"), ["tool_id", "source", "license"]).to_pylist()
    counts = Counter((row["source"], row["license"]) for row in tools if row["tool_id"] in offered)
    return [Source(source, licence, n) for (source, licence), n in sorted(counts.items())]


def _overlaps(run: Run) -> list[tuple[str, str, int, int]]:
    """Per benchmark and kind: how many of the run's texts are too near to it, of how many that were compared."""
    if not any(record.table.startswith("overlaps@") for record in run.tables()):
        return []
    columns = ["kind", "key", "benchmark", "contaminated"]
    rows: list[dict[str, Any]] = run.store.read(run.ref("overlaps"), columns).to_pylist()
    compared = {kind: len({row["key"] for row in rows if row["kind"] == kind}) for kind in ("tool", "intent")}
    found = {(row["benchmark"], row["kind"], row["key"]) for row in rows if row["contaminated"]}
    near = Counter((benchmark, kind) for benchmark, kind, _ in found)
    benchmarks = sorted({row["benchmark"] for row in rows})
    return [(b, kind, near[b, kind], compared[kind]) for b in benchmarks for kind in ("tool", "intent")]
