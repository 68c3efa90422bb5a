"""The simulation on paper: its numbers by hand, and docs/scale.md shows them as they are computed."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.append(str(Path(__file__).parents[2] / "jobs"))

from benchmarks import scale, scale_model
from benchmarks.scale_model import Scale

ROOT = Path(__file__).parents[2]
AT = Scale()


def test_the_document_shows_what_the_model_computes():
    text = (ROOT / "docs" / "scale.md").read_text()
    missing = [table for table in scale_model.tables(AT) if table not in text]
    assert not missing, "run `python -m benchmarks.scale_model` in jobs/ and put its tables into docs/scale.md"


def test_a_million_tools_by_hand():
    assert scale_model.pair_flops(1e6) == pytest.approx(1e12 / 2 * 2 * 384)          # 3.8e14
    assert scale_model.candidates(1e6) == 15 * 1e6 * 17 / 2                          # 16 blocks of 65,536
    assert scale_model.shards(10e6, 256) == 2**14                                    # 39,063 are too many
    assert scale_model.shards(1000, 256) == 4
    costs = {cost.stage: cost for cost in scale_model.stages(AT)}
    assert costs["connect"].workers == 16 * 17 // 2                                  # tiles
    assert costs["connect"].cpu_s == pytest.approx(3.84e14 / 72.5e9)                 # 5,297 s
    assert costs["compose"].cpu_s == 2.5e6 * 0.05
    assert costs["curate"].worker_bytes == pytest.approx(10e6 * 10_285 / 19_462 * 208 + 12.5e6 * 12)


def test_models_and_money_by_hand():
    gpu = scale_model.models(AT)
    assert gpu.calls == pytest.approx(10e6 * 9.57)
    assert gpu.reply_tokens == pytest.approx(10e6 * 9.57 * 250)
    decode_s, prefill_s = 2.3925e10 / 10_000, 2 * 3.3e9 * 10e6 * 5_589 / 4e14
    assert gpu.play_gpu_h == pytest.approx((decode_s + prefill_s) / 3600)            # 921 hours
    assert gpu.train_flops == pytest.approx(6 * 8e9 * 10e6 * (10_285 / 19_462) * 4_589 * 2)
    assert scale_model.money(AT)["GPUs that play"] == pytest.approx(gpu.play_gpu_h * 2.5)


def test_twice_the_trajectories_cost_twice_the_model_calls_and_no_more_files_per_table():
    twice = AT._replace(trajectories=2 * AT.trajectories)
    assert scale_model.models(twice).calls == 2 * scale_model.models(AT).calls
    files = [[c.files for c in scale_model.stages(at) if c.stage in ("filter", "curate")] for at in (AT, twice)]
    assert files[0] == files[1]


def test_time_at_work_is_from_the_first_shard_to_the_last_of_each_pass():
    first, second = [(0.0, 0), (5.0, 1), (6.5, 2)], [(7.0, 0), (11.0, 1), (12.0, 2), (14.0, 3)]
    assert scale._at_work_s([*first, *second]) == 1.5 + 3.0


def test_a_copy_has_other_ids_in_its_columns_and_where_its_json_names_it():
    said = '{"trajectory_id":"a1","task_id":"t1"}'
    rows = pa.table({"trajectory_id": ["a1"], "task_id": ["t1"], "trajectory": [said]})
    assert scale.renamed(rows, ("trajectory_id",), 2).to_pylist() == [
        {"trajectory_id": "a1~2", "task_id": "t1", "trajectory": '{"trajectory_id":"a1~2","task_id":"t1"}'}
    ]
    rows = pa.table({"domain_id": ["d"], "tool_ids": [["x", "y"]], "n_tools": [2]})
    assert scale.renamed(rows, scale.IDS, 1).to_pylist() == [
        {"domain_id": "d~1", "tool_ids": ["x~1", "y~1"], "n_tools": 2}
    ]
