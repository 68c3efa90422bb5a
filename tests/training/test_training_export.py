"""An exported folder: `datasets` opens it, its rows are the run's, and it is there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from rayscaler.display.export import export_run
from rayscaler.errors import ConfigError
from rayscaler.runs import open_run
from rayscaler.training.rows import COLUMNS, SCHEMA, dataset_row
from shop_run import write_shop_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop_run(tmp_path_factory.mktemp("export") / "shop")


@pytest.fixture(scope="module")
def folder(run: Path) -> Path:
    place = run.parent / "dataset"
    export_run(open_run(str(run)), place)
    return place


def test_every_example_is_in_both_formats_and_says_what_the_run_says(run, folder):
    examples = open_run(str(run)).table("examples").to_pylist()
    rows = pq.read_table(folder / "data" / "train-00000.parquet").to_pylist()
    lines = (folder / "jsonl" / "train-00000.jsonl").read_text(encoding="utf-8").splitlines()
    assert rows == [json.loads(line) for line in lines]
    assert [row["trajectory_id"] for row in rows] == [example["trajectory_id"] for example in examples]
    for row, example in zip(rows, examples, strict=True):
        for mine, theirs in zip(row["messages"], json.loads(example["messages"]), strict=True):
            assert (mine["role"], mine["content"]) == (theirs["role"], theirs["content"])
            calls = [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in mine["tool_calls"] or ()]
            wanted = theirs.get("tool_calls", ())
            assert calls == [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in wanted]
        assert json.loads(row["tools"]) == json.loads(example["tools"])
        assert row["n_calls"] == sum(len(m["tool_calls"] or ()) for m in row["messages"])


def test_the_card_has_front_matter_and_describes_every_column(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(text.split("---")[1])
    assert [config["config_name"] for config in front["configs"]] == ["default"]
    for config in front["configs"]:
        assert list(folder.glob(config["data_files"][0]["path"]))
    assert {name for names in COLUMNS for name in names.split(", ")} == set(SCHEMA.names)
    assert "| conversations | " in text
    assert "Not compared with any benchmark" in text


def test_reasoning_is_kept_where_templates_look_for_it():
    message = {"role": "assistant", "content": "Done.", "reasoning_content": "It is open."}
    example = {"messages": json.dumps([message]), "tools": "[]", "trajectory_id": "t", "task_id": "k",
               "environment_id": "e", "phase": 1, "n_tokens": 3, "n_supervised": 1}
    row = dataset_row(example, {"kind": "read", "n_writes": 0, "n_hops": 1}, "orders", "")
    assert row["messages"][0]["reasoning_content"] == "It is open."
    assert row["messages"][0]["tool_calls"] is None


def test_a_folder_with_something_in_it_is_left_alone(run, folder, tmp_path):
    before = sorted(folder.rglob("*"))
    with pytest.raises(ConfigError, match=r"expected a new or empty folder"):
        export_run(open_run(str(run)), folder)
    assert sorted(folder.rglob("*")) == before


def test_an_export_that_fails_leaves_nothing(run, tmp_path, monkeypatch):
    monkeypatch.setattr("rayscaler.runtime.export.load_tokenizer", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_run(open_run(str(run)), tmp_path / "broken")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_datasets_opens_it_and_trl_supervises_the_very_tokens_that_we_do(run, folder, tmp_path, monkeypatch):
    """TRL renders, tokenises and masks the exported rows by itself; labels must be our ids under our mask."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    trl = pytest.importorskip("trl")
    from datasets import load_dataset
    from transformers import AutoTokenizer, Qwen3Config, Qwen3ForCausalLM

    rows = load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    lines = str(folder / "jsonl" / "*.jsonl")
    again = load_dataset("json", data_files=lines, split="train", cache_dir=str(tmp_path / "cache"))
    assert rows.to_list() == again.to_list()
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    shape = Qwen3Config(vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=16384)
    model = Qwen3ForCausalLM(shape)
    before = model.lm_head.weight.detach().clone()
    settings = trl.SFTConfig(
        output_dir=str(tmp_path / "out"), chat_template_path=str(folder / "chat_template.jinja"),
        assistant_only_loss=True, max_length=None, max_steps=1, per_device_train_batch_size=1,
        report_to=[], save_strategy="no", use_cpu=True, bf16=False, learning_rate=0.1, dataset_num_proc=None,
    )  # fmt: skip
    trainer = trl.SFTTrainer(model, args=settings, train_dataset=rows, processing_class=tokenizer)
    examples = {e["trajectory_id"]: e for e in open_run(str(run)).table("examples").to_pylist()}
    for row, example in zip(trainer.train_dataset, examples.values(), strict=True):
        assert row["input_ids"] == example["input_ids"]
        ids, mask = example["input_ids"], example["loss_mask"]
        assert row["labels"] == [token if on else -100 for token, on in zip(ids, mask, strict=True)]
    trainer.train()
    assert not before.equal(model.lm_head.weight)
