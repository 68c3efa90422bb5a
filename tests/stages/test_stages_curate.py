"""What is said twice or stands in a benchmark is named, and left out where the recipe says so; nothing is lost."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest

from rayscaler.recipes import Benchmark, CurateRecipe
from rayscaler.runtime.shards import reject_rows
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.curate import RenderExamples
from rayscaler.stages.curate_checks import (
    CompareWithBenchmarks,
    EmbedBenchmarks,
    FindNearDuplicates,
    distinct_texts,
    drop_near_duplicates,
)
from rayscaler.table import to_arrow
from rayscaler.tables import (
    BENCHMARK_TEXTS,
    CATALOGUE,
    EXAMPLES,
    NEAR_DUPLICATES,
    OVERLAPS,
    REJECTS,
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


def curated(store: Store, recipe: CurateRecipe) -> Counter:
    """Examples and rejects by reason, over all trajectories: rendered, then without what is said again."""
    rows = store.read(REFS["trajectories"]).to_pylist()
    output = RenderExamples(recipe, store, REFS)(rows)
    put(store, EXAMPLES, output.rows["examples"])
    put(store, SIGNATURES, output.rows["signatures"])
    put(store, REJECTS, reject_rows("curate", output.rejects))
    found = FindNearDuplicates(recipe, store, REFS["signatures"], REFS["trajectories"])(0)
    put(store, NEAR_DUPLICATES, found.rows["near_duplicates"].to_pylist())
    for _ in range(2):      # once more, as after a kill: nothing is left out or named twice
        drop_near_duplicates(store, REFS, "curate")
    kept, rejects = store.read(REFS["examples"]).num_rows, store.read(REFS["rejects"])["reason"].to_pylist()
    assert output.rows_in == len(rows) == kept + len(rejects)
    return Counter({"example": kept, **Counter(rejects)})


@pytest.fixture
def compared(store: Store) -> Store:
    put(store, OVERLAPS, [])
    return store


def may_stay(store: Store) -> list[str]:
    """The trajectories that the filters keep, of the training split."""
    train = {task.task_id for task in shop_tasks() if task.split == "train"}
    return [v["trajectory_id"] for v in store.read(REFS["verdicts"]).to_pylist() if v["kept"] and v["task_id"] in train]


def test_what_is_said_again_is_left_out_with_the_one_that_it_repeats(compared):
    kept = may_stay(compared)
    counts = curated(compared, CurateRecipe(max_similarity=0.8))
    duplicates = compared.read(REFS["near_duplicates"]).to_pylist()
    again = {row["trajectory_id"] for row in duplicates if row["trajectory_id"].endswith("-again")}
    assert again == {key for key in kept if key.endswith("-again")}
    assert all(row["similarity"] > 0.8 for row in duplicates)
    assert counts["near_duplicate"] == len(duplicates)
    assert counts["example"] == len(kept) - len(duplicates)


def test_nothing_is_left_out_for_the_sake_of_what_is_itself_left_out(compared, tmp_path: Path):
    rows = compared.read(REFS["trajectories"]).to_pylist()
    longer_first = Store(str(shutil.copytree(compared.uri, tmp_path / "run")))
    recipe = CurateRecipe(max_similarity=0.8)
    lengths = {row["trajectory_id"]: row["n_tokens"]
               for row in RenderExamples(recipe, longer_first, REFS)(rows).rows["examples"]}
    first = next(key for key in lengths if f"{key}-again" in lengths)
    assert lengths[f"{first}-again"] > lengths[first]
    pair = [row for row in rows if row["trajectory_id"] in (first, f"{first}-again")]
    put(longer_first, TRAJECTORIES, pair[::-1])
    assert curated(longer_first, recipe) == {"example": 1, "near_duplicate": 1}
    fits = recipe.model_copy(update={"max_tokens": lengths[first]})
    assert curated(longer_first, fits) == {"example": 1, "too_long": 1}


def test_a_run_that_keeps_nothing_has_no_near_duplicates(tmp_path: Path):
    store = Store(str(tmp_path))
    put(store, SIGNATURES, [])
    put(store, TRAJECTORIES, [])
    found = FindNearDuplicates(CurateRecipe(), store, REFS["signatures"], REFS["trajectories"])(0)
    assert (len(found.rows["near_duplicates"]), found.rows_in) == (0, 0)


@pytest.mark.slow
def test_a_planted_opening_and_a_planted_tool_are_found_and_dropped_by_the_switch(store, tmp_path: Path):
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
    ours = distinct_texts(store, REFS["environments"], REFS["tasks"])
    overlaps = CompareWithBenchmarks(recipe, store, REFS["benchmark_texts"])(ours).rows["overlaps"]
    assert {row["key"] for row in overlaps if row["kind"] == "intent"} == {t.task_id for t in shop_tasks()}
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

    clean = curated(store, recipe)
    assert clean["contaminated"] == 0
    for switch in ("intents", "tools", "both"):
        counts = curated(store, recipe.model_copy(update={"drop_contaminated": switch}))
        said_again = counts["near_duplicate"]
        assert counts["contaminated"] + counts["example"] + said_again == clean["example"] + clean["near_duplicate"]
        assert counts["contaminated"] > 0
