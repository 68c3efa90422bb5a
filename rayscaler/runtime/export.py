"""A run's examples as a folder that `datasets.load_dataset` opens: Parquet, JSON lines, chat template, tokenizer, card.

    <folder>/README.md                     the dataset card
    <folder>/data/train-00000.parquet      10,000 rows each
    <folder>/jsonl/train-00000.jsonl       the same rows
    <folder>/chat_template.jinja           with generation markers, as TRL's `assistant_only_loss` needs them
    <folder>/tokenizer/                    the tokenizer that the run's token counts are of

The folder is written under a hidden name beside its place and renamed: it is whole or absent.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from rayscaler.errors import ConfigError
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS, EXAMPLES, TASKS, TOKENIZERS, VERDICTS
from rayscaler.training.rows import SCHEMA, dataset_row
from rayscaler.training.tokenizer import load_tokenizer

ROWS_PER_FILE = 10_000
ROW_GROUP = 200
"""A row of an example is some 40 KB, so that a reader decodes 8 MB at once."""


class Written(NamedTuple):
    """What went into the files: sums over the rows."""

    n_rows: int
    n_calls: int
    n_tokens: int
    n_supervised: int
    n_tasks: int
    environments: tuple[str, ...]
    by_kind: dict[str, int]
    by_phase: dict[int, int]


def export(store: Store, refs: dict[str, Ref], folder: Path, card: Callable[[Written], str]) -> Written:
    """Write the examples of a run into `folder`, which must not exist or be empty.

    refs: the run's versions of examples, tasks, verdicts, environments and tokenizers. card: the text of its README.md.
    Raises ConfigError if something is in `folder`, or if there is no example.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: expected a new or empty folder, found something there; take another name")
    hidden = folder.parent / f".{folder.name}.{uuid.uuid4().hex}.tmp"
    try:
        hidden.mkdir(parents=True)
        written = _write_rows(hidden, _rows(store, refs))
        if not written.n_rows:
            raise ConfigError("examples: the run has none; `rayscaler show RUN rejects --where stage=curate` says why")
        _write_tokenizer(hidden, store.read(refs[TOKENIZERS.name]).to_pylist()[0])
        (hidden / "README.md").write_text(card(written), encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        hidden.rename(folder)
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
    return written


def _rows(store: Store, refs: dict[str, Ref]) -> Iterator[dict[str, Any]]:
    """The rows in the order of `examples`, part by part."""
    tasks = Lookup(store, refs[TASKS.name], columns=("task_id", "kind", "n_writes", "n_hops"))
    titles = Lookup(store, refs[ENVIRONMENTS.name], columns=("environment_id", "title"))
    planted = Lookup(store, refs[VERDICTS.name], columns=("trajectory_id", "planted"))
    columns = [f.name for f in EXAMPLES.fields if f.name not in ("input_ids", "loss_mask")]
    for part in store.parts(refs[EXAMPLES.name]):
        for example in store.read_part(refs[EXAMPLES.name], part, columns).to_pylist():
            title = titles[example["environment_id"]]["title"]
            mistake = planted[example["trajectory_id"]]["planted"]
            yield dataset_row(example, tasks[example["task_id"]], title, mistake)


def _write_rows(folder: Path, rows: Iterator[dict[str, Any]]) -> Written:
    for name in ("data", "jsonl"):
        (folder / name).mkdir()
    totals, tasks, environments = Counter[str](), set[str](), set[str]()
    kinds, phases = Counter[str](), Counter[int]()
    batch: list[dict[str, Any]] = []
    number = 0
    for row in rows:
        batch.append(row)
        totals.update(rows=1, calls=row["n_calls"], tokens=row["n_tokens"], supervised=row["n_supervised"])
        tasks.add(row["task_id"])
        environments.add(row["environment_id"])
        kinds[row["kind"]] += 1
        phases[row["phase"]] += 1
        if len(batch) == ROWS_PER_FILE:
            _write_file(folder, number, batch)
            batch, number = [], number + 1
    if batch:
        _write_file(folder, number, batch)
    return Written(totals["rows"], totals["calls"], totals["tokens"], totals["supervised"], len(tasks),
                   tuple(sorted(environments)), dict(sorted(kinds.items())), dict(sorted(phases.items())))


def _write_file(folder: Path, number: int, rows: list[dict[str, Any]]) -> None:
    arrow = pa.Table.from_pylist(rows, schema=SCHEMA)
    path = folder / "data" / f"train-{number:05d}.parquet"
    pq.write_table(arrow, path, row_group_size=ROW_GROUP, compression="zstd")
    with (folder / "jsonl" / f"train-{number:05d}.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _write_tokenizer(folder: Path, row: dict[str, Any]) -> None:
    (folder / "chat_template.jinja").write_text(row["chat_template"], encoding="utf-8")
    load_tokenizer(row["tokenizer_json"], row["chat_template"]).save_pretrained(folder / "tokenizer")
