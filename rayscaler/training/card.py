"""The dataset card of an export: front matter that Hugging Face reads, and what a reader should know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from rayscaler.training.rows import COLUMNS

SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


class Source(NamedTuple):
    """Where specifications came from: the configured source, its licence, and how many of its tools are offered."""

    source: str
    license: str
    n_tools: int


class About(NamedTuple):
    """What the card tells of the data. `counts`: a label and a number each; `left_out`: reasons with counts.

    tables: name, fingerprint, rows. overlaps: benchmark, kind, how many are too near, how many were compared.
    agent: the kind of who played.
    """

    name: str
    version: str
    seed: int
    counts: Sequence[tuple[str, str]]
    sources: Sequence[Source]
    left_out: Mapping[str, int]
    tables: Sequence[tuple[str, str, int]]
    recipes: Mapping[str, Any]
    agent: str
    overlaps: Sequence[tuple[str, str, int, int]]
    n_rows: int


def card(about: About) -> str:
    """The text of `README.md`."""
    return "\n".join([
        "---", yaml.safe_dump(_front_matter(about), sort_keys=False, allow_unicode=True).strip(), "---", "",
        f"# {about.name}", "",
        "Conversations of a user, a tool-calling agent and an executable environment. A row was kept because the",
        "database ended where the task's certified gold run ends and, where a task only reads, because the calls were",
        "gold's: the filters of AgentScaler (arXiv 2509.13311, section 3.1). Nothing is edited by hand.",
        "", *(_SCRIPTED if about.agent == "scripted" else ()),
        *_table(("", "number"), about.counts), "",
        "## Columns", "", *_table(("column", "meaning"), [(f"`{name}`", text) for name, text in COLUMNS.items()]), "",
        "## Use", "", *_USE, "",
        "## How it was made", "",
        f"rayscaler {about.version}, seed {about.seed}. The same configuration on the same specifications gives the",
        "same rows.", "",
        *_table(("table", "fingerprint", "rows"), [(s, f"`{f}`", f"{n:,}") for s, f, n in about.tables]), "",
        "Recipes of the rollouts, the filters and the examples:", "", "```yaml",
        yaml.safe_dump(dict(about.recipes), sort_keys=False, allow_unicode=True).strip(), "```", "",
        *_left_out(about), *_overlaps(about), *_licences(about),
    ])  # fmt: skip


_SCRIPTED = (
    "The agent is a script that plays the gold run, now and then with a mistake that it mends. Such rows show formats",
    "and prove the machinery; a good agent is not trained on them.", "",
)

_USE = (
    "```python",
    "from datasets import load_dataset",
    "",
    'rows = load_dataset("THIS_FOLDER", split="train")',
    '# The same rows as JSON lines: load_dataset("json", data_files="THIS_FOLDER/jsonl/*.jsonl", split="train")',
    "```",
    "",
    "With TRL, loss on the assistant alone (replies, tool calls and the end of the turn):",
    "",
    "```python",
    "from trl import SFTConfig, SFTTrainer",
    "",
    "settings = SFTConfig(",
    '    assistant_only_loss=True, chat_template_path="THIS_FOLDER/chat_template.jinja", max_length=8192',
    ")",
    'SFTTrainer("Qwen/Qwen3-0.6B", args=settings, train_dataset=rows).train()',
    "```",
    "",
    "`chat_template.jinja` is ChatML in Qwen3's tool format with the generation markers that such a loss needs.",
)


def _front_matter(about: About) -> dict[str, Any]:
    licences = {source.license for source in about.sources}
    only = next(iter(licences)).lower() if len(licences) == 1 else ""
    licence = {"license": only} if only in _KNOWN else {"license": "other", "license_name": "licences-of-the-sources"}
    return {
        "pretty_name": about.name,
        **licence,
        "language": ["en"],
        "task_categories": ["text-generation"],
        "tags": ["function-calling", "tool-use", "agent", "synthetic", "rayscaler"],
        "size_categories": [next((name for most, name in SIZES if about.n_rows < most), "1M<n<10M")],
        # One card describes files of one format: `load_dataset` reads the Parquet files, the others by their path.
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*.parquet"}]}],
    }


_KNOWN = ("apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc0-1.0")


def _left_out(about: About) -> list[str]:
    if not about.left_out:
        return []
    rows = [(f"`{reason}`", f"{n:,}") for reason, n in sorted(about.left_out.items(), key=lambda item: -item[1])]
    head = "Left out of the trajectories, by name in the run's `rejects`:"
    return [head, "", *_table(("reason", "trajectories"), rows), ""]


def _overlaps(about: About) -> list[str]:
    head = ["## Contamination", ""]
    if not about.overlaps:
        return [*head, "Not compared with any benchmark.", ""]
    rows = [(b, kind, f"{near:,}", f"{all_:,}") for b, kind, near, all_ in about.overlaps]
    return [*head, "Tools and openings of the run's tasks that are nearer to a benchmark's than the configured bounds "
            "(`curate` above; the run's `overlaps` names every pair):", "",
            *_table(("benchmark", "what", "too near", "compared"), rows), ""]


def _licences(about: About) -> list[str]:
    rows = [(s.source, s.license or "not stated", f"{s.n_tools:,}") for s in about.sources]
    return ["## Licences of the sources", "",
            "The tools' names, descriptions and schemas come from these specifications:", "",
            *_table(("source", "licence", "tools offered"), rows), ""]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [list(head), ["---"] * len(head), *map(list, rows)]
    return ["| " + " | ".join(line) + " |" for line in lines]
