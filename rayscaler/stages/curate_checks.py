"""What `curate` asks of trajectories before it renders them: said before? near to a benchmark?"""

from __future__ import annotations

from typing import Any

import numpy as np

from rayscaler.canonical import dumps
from rayscaler.environment import EnvironmentSpec
from rayscaler.messages import Message
from rayscaler.recipes import CurateRecipe
from rayscaler.runtime.embedding import Embedder
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.shards import Output
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.tiles import matrix
from rayscaler.tables import (
    BENCHMARK_TEXTS,
    NEAR_DUPLICATES,
    OVERLAPS,
    SIGNATURES,
)
from rayscaler.training.benchmarks import tool_text
from rayscaler.training.duplicates import PERMUTATIONS, near_duplicates, shingles, signature
from rayscaler.training.overlaps import NgramIndex, nearest_by_cosine
from rayscaler.trajectory import Trajectory


class SignTrajectories:
    """MinHash signatures of the kept trajectories of the training split."""

    def __init__(self, store: Store, verdicts: Ref, tasks: Ref) -> None:
        self.verdicts = Lookup(store, verdicts, columns=("trajectory_id", "kept"))
        self.tasks = Lookup(store, tasks, columns=("task_id", "split"))

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows = [
            {"trajectory_id": row["trajectory_id"], "signature": signature(_shingles(row["trajectory"]))}
            for row in payload
            if self._is_kept(row["trajectory_id"]) and self.tasks[row["task_id"]]["split"] == "train"
        ]
        return Output({SIGNATURES.name: rows}, len(payload))

    def _is_kept(self, key: str) -> bool:
        """A trajectory that ended its filter's process has no verdict."""
        return any(verdict["kept"] for verdict in self.verdicts.all(key))


class FindNearDuplicates:
    """Compares all conversations with each other; one worker holds a signature of each (about 5 KB with its index)."""

    def __init__(self, recipe: CurateRecipe, store: Store, signatures: Ref, trajectories: Ref) -> None:
        self.recipe, self.store, self.signatures = recipe, store, signatures
        self.trajectories = Lookup(store, trajectories, columns=("trajectory_id", "trajectory"))

    def __call__(self, _: int) -> Output:
        signed = self.store.read(self.signatures)
        keys = signed["trajectory_id"].to_pylist()
        values = signed["signature"].combine_chunks().flatten().to_numpy().reshape(len(keys), PERMUTATIONS)
        found = near_duplicates(keys, values, self._shingles, most=self.recipe.max_similarity)
        rows = [{"trajectory_id": d.key, "other": d.other, "similarity": d.similarity} for d in found]
        return Output({NEAR_DUPLICATES.name: rows}, len(keys))

    def _shingles(self, key: str) -> set[str]:
        return _shingles(self.trajectories[key]["trajectory"])


def _shingles(trajectory: str) -> set[str]:
    return shingles(_said(Trajectory.model_validate_json(trajectory).messages))


def _said(messages: tuple[Message, ...]) -> list[str]:
    """What user and agent say, and each call."""
    said = [m.content for m in messages if m.role in ("user", "assistant") and m.content]
    return said + [f"{call.name} {dumps(call.arguments)}" for m in messages for call in m.tool_calls]


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
    """Finds the benchmark text nearest to every tool of a group of environments and to every opening of their tasks."""

    def __init__(self, recipe: CurateRecipe, store: Store, texts: Ref, tasks: Ref) -> None:
        self.recipe, self.embed = recipe, Embedder(recipe.model)
        self.tasks = Lookup(store, tasks, "environment_id", columns=("environment_id", "task_id", "opening"))
        self.known = {kind: _Known(store, texts, kind, recipe.overlap_ngram) for kind in ("tool", "intent")}

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        rows = []
        for environment in payload:
            spec = EnvironmentSpec.model_validate_json(environment["spec"])
            tools = {f"{spec.environment_id}/{t.name}": tool_text(t.name, t.description) for t in spec.tools}
            openings = {row["task_id"]: row["opening"] for row in self.tasks.all(spec.environment_id)}
            rows += self._compared("tool", tools) + self._compared("intent", openings)
        return Output({OVERLAPS.name: rows}, len(payload))

    def _compared(self, kind: str, texts: dict[str, str]) -> list[dict[str, Any]]:
        known, rows = self.known[kind], []
        if not texts or not known.rows:
            return []
        by_cosine = nearest_by_cosine(self.embed(list(texts.values())), known.vectors_ND)
        for (key, text), cosine in zip(texts.items(), by_cosine, strict=True):
            ngram = known.index.nearest(text)
            bounds = (("ngram", ngram, self.recipe.max_overlap), ("cosine", cosine, self.recipe.max_cosine))
            for measure, near, most in bounds:
                if near is None:
                    continue
                other = known.rows[near.number]
                rows.append({
                    "kind": kind, "key": key, "measure": measure, "score": near.score, "benchmark": other["benchmark"],
                    "other": other["key"], "text": text, "other_text": other["text"], "contaminated": near.score > most,
                })
        return rows


class _Known:
    """The benchmark texts of one kind, by n-grams and as vectors."""

    def __init__(self, store: Store, texts: Ref, kind: str, n: int) -> None:
        table = store.read(texts)
        mine = table.filter([value == kind for value in table["kind"].to_pylist()])
        self.rows: list[dict[str, str]] = mine.select(["benchmark", "key", "text"]).to_pylist()
        self.index = NgramIndex([row["text"] for row in self.rows], n)
        self.vectors_ND: np.ndarray = matrix(mine["vector"])


class Checked:
    """What was found, for the workers that render: why a trajectory is left out, if it is."""

    def __init__(self, recipe: CurateRecipe, store: Store, duplicates: Ref, overlaps: Ref) -> None:
        rows = store.read(duplicates).to_pylist()
        self.duplicates = {row["trajectory_id"]: f"{row['similarity']:.2f} like {row['other']}" for row in rows}
        kinds = {"none": (), "intents": ("intent",), "tools": ("tool",), "both": ("intent", "tool")}
        found = store.read(overlaps).to_pylist() if recipe.drop_contaminated != "none" else []
        self.near = {
            (row["kind"], row["key"]): f"{row['measure']} {row['score']:.2f}: {row['benchmark']}, {row['other']}"
            for row in found if row["contaminated"] and row["kind"] in kinds[recipe.drop_contaminated]
        }

    def contaminated(self, task_id: str, environment_id: str, called: list[str]) -> str:
        """The benchmark text that the task's opening, or a called tool, is too near to; empty if there is none."""
        places = [("intent", task_id), *(("tool", f"{environment_id}/{name}") for name in called)]
        return next((self.near[place] for place in places if place in self.near), "")
