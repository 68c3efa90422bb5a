"""What is said twice or stands in a benchmark is named, and left out where the recipe says so; nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from rayscaler.recipes import Benchmark, CurateRecipe
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.curate import RenderExamples
from rayscaler.stages.curate_checks import (
    CompareWithBenchmarks,
    EmbedBenchmarks,
    FindNearDuplicates,
    SignTrajectories,
)
from rayscaler.table import to_arrow
from rayscaler.tables import (
    BENCHMARK_TEXTS,
    CATALOGUE,
    NEAR_DUPLICATES,
    OVERLAPS,
    SIGNATURES,
    TRAJECTORIES,
    VERDICTS,
)
from rayscaler.training.benchmarks import read_benchmark
from shop_run import MARK, write_shop_run
from shop_tasks import shop, shop_tasks

REFS = {name: Ref(table, MARK) for name, table in CATALOGUE.items()}


def put(store: Store, table, rows: list[dict]) -> None:
    store.write_part(REFS[table.name], "part-00000-0.parquet", to_arrow(table, rows))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The shop's run; each of its conversations a second time under another id, with one word more."""
    store = Store(str(write_shop_run(tmp_path_factory.mktemp("curate") / "shop")))
    verdicts = store.read(REFS["verdicts"]).to_pylist()
    put(store, VERDICTS, verdicts + [{**row, "trajectory_id": f"{row['trajectory_id']}-again"} for row in verdicts])
    rows = store.read(REFS["trajectories"]).to_pylist()
    put(store, TRAJECTORIES, rows + [said_again(row) for row in rows])
    return store


def said_again(row: dict) -> dict:
    trajectory = json.loads(row["trajectory"])
    trajectory["trajectory_id"] += "-again"
    trajectory["messages"][1]["content"] += " Cheers."
    return {**row, "trajectory_id": trajectory["trajectory_id"], "trajectory": json.dumps(trajectory)}


def rendered(store: Store, recipe: CurateRecipe) -> Counter:
    """Examples and rejects by reason, over all trajectories."""
    rows = store.read(REFS["trajectories"]).to_pylist()
    output = RenderExamples(recipe, store, REFS)(rows)
    assert output.rows_in == len(rows) == len(output.rows["examples"]) + len(output.rejects)
    return Counter({"example": len(output.rows["examples"]), **Counter(str(r.reason) for r in output.rejects)})


@pytest.fixture(scope="module")
def duplicates(store: Store) -> list[dict]:
    rows = store.read(REFS["trajectories"]).to_pylist()
    signed = SignTrajectories(store, REFS["verdicts"], REFS["tasks"])(rows)
    put(store, SIGNATURES, signed.rows["signatures"])
    found = FindNearDuplicates(CurateRecipe(max_similarity=0.8), store, REFS["signatures"], REFS["trajectories"])(0)
    put(store, NEAR_DUPLICATES, found.rows["near_duplicates"])
    put(store, OVERLAPS, [])
    return found.rows["near_duplicates"]


def test_what_is_said_again_is_left_out_with_the_one_that_it_repeats(store, duplicates):
    again = {row["trajectory_id"]: row for row in duplicates if row["trajectory_id"].endswith("-again")}
    train = {task.task_id for task in shop_tasks() if task.split == "train"}
    kept = [v["trajectory_id"] for v in store.read(REFS["verdicts"]).to_pylist() if v["kept"] and v["task_id"] in train]
    assert again.keys() == {key for key in kept if key.endswith("-again")}
    assert all(row["similarity"] > 0.8 for row in duplicates)
    counts = rendered(store, CurateRecipe())
    assert counts["near_duplicate"] == len(duplicates)
    assert counts["example"] == len(kept) - len(duplicates)


def test_a_run_that_keeps_nothing_has_no_near_duplicates(tmp_path: Path):
    store = Store(str(tmp_path))
    put(store, SIGNATURES, [])
    found = FindNearDuplicates(CurateRecipe(), store, REFS["signatures"], REFS["trajectories"])(0)
    assert (found.rows["near_duplicates"], found.rows_in) == ([], 0)


@pytest.mark.slow
def test_a_planted_opening_and_a_planted_tool_are_found_and_dropped_by_the_switch(store, duplicates, tmp_path: Path):
    kept = {row["task_id"] for row in store.read(REFS["verdicts"]).to_pylist() if row["kept"]}
    task = next(task for task in shop_tasks() if task.split == "train" and task.task_id in kept)
    tool = shop().spec.tool(task.gold[0].tool)
    words = f"{task.intent.opening} Be quick about it, please."
    (tmp_path / "bench.json").write_text(json.dumps([
        {"instruction": words}, {"instruction": "You want to know how tall the mountains of the moon are."},
        tool.to_openai(),
    ]), encoding="utf-8")
    recipe = CurateRecipe(benchmarks=(Benchmark(name="planted", path=str(tmp_path)),))
    texts = [list(text) for text in read_benchmark(recipe.benchmarks[0], tmp_path)]
    put(store, BENCHMARK_TEXTS, EmbedBenchmarks(recipe)(texts).rows["benchmark_texts"])
    compare = CompareWithBenchmarks(recipe, store, REFS["benchmark_texts"], REFS["tasks"])
    overlaps = compare(store.read(REFS["environments"]).to_pylist()).rows["overlaps"]
    put(store, OVERLAPS, overlaps)

    found = {(row["kind"], row["key"], row["measure"]): row for row in overlaps}
    planted = found["intent", task.task_id, "ngram"]
    assert planted["contaminated"]
    assert (planted["score"], planted["other_text"]) == (1.0, words)
    same = found["tool", f"{shop().spec.environment_id}/{tool.name}", "cosine"]
    assert same["contaminated"]
    assert same["score"] == pytest.approx(1, abs=1e-5)
    near = {(row["kind"], row["key"]) for row in overlaps if row["contaminated"]}
    assert ("intent", task.task_id) in near
    assert len(near) < len({(row["kind"], row["key"]) for row in overlaps}) / 2

    clean = rendered(store, recipe)
    assert clean["contaminated"] == 0
    for switch in ("intents", "tools", "both"):
        counts = rendered(store, recipe.model_copy(update={"drop_contaminated": switch}))
        assert counts["contaminated"] + counts["example"] == clean["example"]
        assert counts["contaminated"] > 0
