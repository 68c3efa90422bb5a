"""What `curate` asks of trajectories beside their length: near to a benchmark? said before?"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from threading import Lock
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from rayscaler.canonical import dumps
from rayscaler.messages import Message
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import CurateRecipe
from rayscaler.runtime.embedding import Embedder
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.shards import Output, reject_rows, rewrite_part
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import matrix
from rayscaler.tables import (
    BENCHMARK_TEXTS,
    EXAMPLES,
    NEAR_DUPLICATES,
    OVERLAPS,
    REJECTS,
)
from rayscaler.training.benchmarks import tool_text
from rayscaler.training.duplicates import PERMUTATIONS, band_marks, near_duplicates, shingles, signature
from rayscaler.training.overlaps import NgramIndex, nearest_by_cosine
from rayscaler.trajectory import Trajectory

CLUSTER = 64
"""Conversations of which the shingles are kept for the next comparison: 30 kB each."""

PARTS_AT_ONCE = 8
"""Parts of `examples` that are rewritten at once."""


def signature_row(trajectory: dict[str, Any]) -> dict[str, Any]:
    """The row of `signatures` of a row of `trajectories`."""
    found = _shingles(trajectory["trajectory"])
    return {"trajectory_id": trajectory["trajectory_id"], "signature": signature(found)}


class FindNearDuplicates:
    """Compares all examples with each other; one worker holds the hashes of each (about 0.2 KB)."""

    def __init__(self, recipe: CurateRecipe, store: Store, signatures: Ref, trajectories: Ref) -> None:
        self.recipe, self.store, self.signatures = recipe, store, signatures
        self.trajectories = Lookup(store, trajectories, columns=("trajectory_id", "trajectory"))

    def __call__(self, _: int) -> Output:
        most = self.recipe.max_similarity
        keys, marks = [], []
        for part in self.store.parts(self.signatures):
            signed = self.store.read_part(self.signatures, part)
            values = signed["signature"].combine_chunks().flatten().to_numpy().reshape(-1, PERMUTATIONS)
            marks.append(band_marks(values, most=most))
            keys += signed["trajectory_id"].to_pylist()
        marks_NB = np.concatenate(marks) if marks else np.zeros((0, 1), np.uint64)
        found = near_duplicates(keys, marks_NB, lru_cache(CLUSTER)(self._shingles), most=most)
        columns = [list(column) for column in zip(*found, strict=True)] or [[], [], []]
        rows = pa.table([pa.array(c, f.type) for c, f in zip(columns, NEAR_DUPLICATES.fields, strict=True)],
                        schema=NEAR_DUPLICATES.schema)
        return Output({NEAR_DUPLICATES.name: rows}, len(keys))

    def _shingles(self, key: str) -> set[str]:
        return _shingles(self.trajectories[key]["trajectory"])


def drop_near_duplicates(store: Store, refs: Mapping[str, Ref], stage: str) -> None:
    """Take the near-duplicates out of `examples` and name them in `rejects`, part by part.

    A kill in between loses nothing and repeats nothing: what is still there is taken out by the next start.
    """
    examples, rejects = refs[EXAMPLES.name], refs[REJECTS.name]
    similar, alone = Lookup(store, refs[NEAR_DUPLICATES.name]), Lock()

    def mend(part: str) -> None:
        keys = store.part_keys(examples, part)
        with alone:
            said = {key: f"{row['similarity']:.2f} like {row['other']}" for key in keys if (row := similar.get(key))}
        if said:
            named = [Rejected(key, Reason.NEAR_DUPLICATE, text) for key, text in said.items()]
            kept = store.read_part(examples, part).filter(pa.array([key not in said for key in keys]))
            rewrite_part(store, part, examples, kept, rejects=rejects, more=reject_rows(stage, named))

    with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
        list(pool.map(mend, store.parts(examples) if store.n_rows(refs[NEAR_DUPLICATES.name]) else ()))


def _shingles(trajectory: str) -> set[str]:
    return shingles(_said(Trajectory.model_validate_json(trajectory).messages))


def _said(messages: tuple[Message, ...]) -> list[str]:
    """What user and agent say, and each call."""
    said = [m.content for m in messages if m.role in ("user", "assistant") and m.content]
    return said + [f"{call.name} {dumps(call.arguments)}" for m in messages for call in m.tool_calls]


def distinct_texts(store: Store, environments: Ref, tasks: Ref) -> list[tuple[str, str, list[str]]]:
    """(kind, text, keys) for every distinct text of a tool and every distinct opening, in table order.

    Keys: `environment_id/tool`, and task ids. What several tools or tasks say is embedded and compared once.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for part in store.parts(environments):
        for row in store.read_part(environments, part, ["environment_id", "spec"]).to_pylist():
            for tool in msgspec.json.decode(row["spec"], type=_Tools).tools:
                key = f"{row['environment_id']}/{tool.name}"
                found.setdefault(("tool", tool_text(tool.name, tool.description)), []).append(key)
    for part in store.parts(tasks):
        for row in store.read_part(tasks, part, ["task_id", "opening"]).to_pylist():
            found.setdefault(("intent", row["opening"]), []).append(row["task_id"])
    return [(kind, text, keys) for (kind, text), keys in found.items()]


class _Tool(msgspec.Struct):
    """What is compared of a tool."""

    name: str
    description: str


class _Tools(msgspec.Struct):
    """The part of an `EnvironmentSpec` that is compared."""

    tools: list[_Tool]


class EmbedBenchmarks:
    """Embeds texts of the benchmarks."""

    def __init__(self, recipe: CurateRecipe) -> None:
        self.embed = Embedder(recipe.model)

    def __call__(self, payload: list[list[str]]) -> Output:
        vectors_ND = self.embed([text for *_, text in payload])
        rows = [
            {"kind": kind, "benchmark": benchmark, "key": key, "text": text, "vector": vector}
            for (kind, benchmark, key, text), vector in zip(payload, vectors_ND, strict=True)
        ]
        return Output({BENCHMARK_TEXTS.name: rows}, len(rows))


class CompareWithBenchmarks:
    """Finds the benchmark text nearest to each of a group of distinct texts; a row for each of its keys."""

    def __init__(self, recipe: CurateRecipe, store: Store, texts: Ref) -> None:
        self.recipe, self.embed = recipe, Embedder(recipe.model)
        self.known = {kind: _Known(store, texts, kind, recipe.overlap_ngram) for kind in ("tool", "intent")}

    def __call__(self, payload: list[tuple[str, str, list[str]]]) -> Output:
        rows = []
        for kind, known in self.known.items():
            mine = [(text, keys) for found, text, keys in payload if found == kind]
            if mine and known.rows:
                rows += self._compared(kind, known, mine)
        return Output({OVERLAPS.name: rows}, len(payload))

    def _compared(self, kind: str, known: _Known, texts: list[tuple[str, list[str]]]) -> list[dict[str, Any]]:
        rows = []
        by_cosine = nearest_by_cosine(self.embed([text for text, _ in texts]), known.vectors_ND)
        for (text, keys), cosine in zip(texts, by_cosine, strict=True):
            ngram = known.index.nearest(text)
            bounds = (("ngram", ngram, self.recipe.max_overlap), ("cosine", cosine, self.recipe.max_cosine))
            for measure, near, most in bounds:
                if near is None:
                    continue
                other = known.rows[near.number]
                rows += [{
                    "kind": kind, "key": key, "measure": measure, "score": near.score, "benchmark": other["benchmark"],
                    "other": other["key"], "text": text, "other_text": other["text"], "contaminated": near.score > most,
                } for key in keys]
        return rows


class _Known:
    """The benchmark texts of one kind, by n-grams and as vectors."""

    def __init__(self, store: Store, texts: Ref, kind: str, n: int) -> None:
        table = store.read(texts)
        mine = table.filter([value == kind for value in table["kind"].to_pylist()])
        self.rows: list[dict[str, str]] = mine.select(["benchmark", "key", "text"]).to_pylist()
        self.index = NgramIndex([row["text"] for row in self.rows], n)
        self.vectors_ND: np.ndarray = matrix(mine["vector"])


_NEAR = ("kind", "key", "measure", "score", "benchmark", "other", "contaminated")


class Contaminated:
    """What was found too near to a benchmark, for the workers that render."""

    def __init__(self, recipe: CurateRecipe, store: Store, overlaps: Ref) -> None:
        kinds = {"none": (), "intents": ("intent",), "tools": ("tool",), "both": ("intent", "tool")}
        read = partial(store.read_part, overlaps, columns=list(_NEAR))
        parts = ahead(read, store.parts(overlaps) if recipe.drop_contaminated != "none" else ())
        # Nearly all texts are near to none: a worker holds the few that are, whatever the report's length.
        found = (row for part in parts for row in part.filter(part["contaminated"]).to_pylist())
        self.near = {
            (row["kind"], row["key"]): f"{row['measure']} {row['score']:.2f}: {row['benchmark']}, {row['other']}"
            for row in found if row["kind"] in kinds[recipe.drop_contaminated]
        }

    def near_to(self, task_id: str, environment_id: str, called: list[str]) -> str:
        """The benchmark text that the task's opening, or a called tool, is too near to; empty if there is none."""
        places = [("intent", task_id), *(("tool", f"{environment_id}/{name}") for name in called)]
        return next((self.near[place] for place in places if place in self.near), "")
