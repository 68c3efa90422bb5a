"""Benchmarks are read whatever their shape, and the nearest text is found by words and by vectors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.errors import ConfigError
from rayscaler.recipes import Benchmark
from rayscaler.training.benchmarks import benchmark_digest, read_benchmark, tool_text
from rayscaler.training.overlaps import NgramIndex, nearest_by_cosine, ngrams

TOOL = {"type": "function", "function": {"name": "getOrderDetails", "description": "Get an  order.",
                                         "parameters": {"type": "object", "properties": {}}}}


def written(folder, **files: str) -> Benchmark:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return Benchmark(name="b", path=str(folder), exclude=("db*.json",))


def test_tools_and_intents_are_found_in_any_shape(tmp_path, caplog):
    lines = [
        {"id": "x1", "question": [[{"role": "user", "content": "Move the  report to the archive"}]], "tools": [TOOL]},
        {"id": "x2", "question": [[{"role": "assistant", "content": "What would you like to do?"}]]},
    ]
    tasks = [{"task_index": 4, "instruction": "You want to cancel the order.", "actions": [{"name": "f", "args": 1}]},
             {"id": "9", "user_scenario": {"instructions": {"reason_for_call": "You lost your parcel somewhere."}}},
             {"id": "10", "question": "Yes, please"}]
    benchmark = written(
        tmp_path, lines__json="\n".join(map(json.dumps, lines)), tasks__json=json.dumps(tasks),
        tools__json=json.dumps([TOOL]), db__json=json.dumps([{"question": "This is a row of a database."}]),
        notes__json="not JSON at all",
    )
    assert [tuple(text) for text in read_benchmark(benchmark, tmp_path)] == [
        ("intent", "b", "lines.json: x1", "Move the report to the archive"),
        ("tool", "b", "lines.json: getOrderDetails", "get order details: Get an order."),
        ("intent", "b", "tasks.json: 4", "You want to cancel the order."),
        ("intent", "b", "tasks.json: 9", "You lost your parcel somewhere."),
    ]
    assert [record.message.rpartition("/")[2] for record in caplog.records] == [
        "notes.json: neither JSON nor JSON lines; nothing in it is compared"]


def test_the_real_benchmarks_are_read(shared_data):
    counts = {}
    for name in ("tau-bench", "bfcl-v4"):
        texts = read_benchmark(Benchmark(name=name, path=name, exclude=("*gold*",)), shared_data / "bench")
        counts[name] = [sum(text.kind == kind for text in texts) for kind in ("tool", "intent")]
    # retail 16 and airline 14 tools, of which `calculate` and `transfer_to_human_agents` are shared, word for word.
    assert counts["tau-bench"] == [28, 684]
    assert counts["bfcl-v4"][0] > 2000


def test_another_content_is_another_fingerprint_and_another_path_is_not(tmp_path):
    marks = []
    for place, text in (("one", "[]"), ("two", "[]"), ("three", "[1]")):
        (tmp_path / place).mkdir()
        benchmark = written(tmp_path / place, a__json=text)
        marks.append((benchmark_digest([benchmark], tmp_path), json.dumps(benchmark.identity())))
    assert marks[0] == marks[1] != marks[2]


def test_a_benchmark_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"curate.benchmarks: absent: expected a JSON file"):
        read_benchmark(Benchmark(name="b", path="absent"), tmp_path)


def test_a_benchmark_with_nothing_to_compare_is_an_error(tmp_path):
    benchmark = written(tmp_path, a__json=json.dumps([{"goal": "You want to cancel the order."}]))
    with pytest.raises(ConfigError, match=r"no file there holds a tool or the words of a user.*instruction"):
        read_benchmark(benchmark, tmp_path)


def test_the_share_of_shared_ngrams_decides_and_short_texts_match_only_themselves():
    index = NgramIndex(["you want to cancel the order today", "cancel order"], 3)
    near = index.nearest("Do you want to cancel the order?")
    mine = ngrams("do you want to cancel the order", 3)
    assert near == (0, len(mine & ngrams("you want to cancel the order today", 3)) / len(mine)) == (0, 4 / 5)
    assert index.nearest("Cancel order!") == (1, 1.0)
    assert index.nearest("cancel the order") == (0, 1.0)
    assert index.nearest("order") is None


@given(st.lists(st.text("ab ", min_size=1, max_size=12), min_size=1, max_size=5), st.text("ab ", max_size=12))
def test_law_the_index_finds_what_comparing_all_pairs_finds(texts, text):
    mine = ngrams(text, 2)
    shares = [len(mine & ngrams(other, 2)) / len(mine) if mine else 0.0 for other in texts]
    near = NgramIndex(texts, 2).nearest(text)
    assert (near.score if near else 0.0) == max(shares)
    assert near is None or shares[near.number] == near.score


def test_the_nearest_vector_is_the_one_of_largest_cosine():
    vectors = np.array([[1, 0], [0.6, 0.8]], dtype=np.float32)
    assert [near.number for near in nearest_by_cosine(vectors, np.array([[0, 1], [1, 0]], dtype=np.float32))] == [1, 0]


def test_tools_are_compared_by_the_words_of_their_names():
    assert tool_text("getOrderDetails", "") == tool_text("get_order_details", " ")
