"""embed: the driver reads only what phrases are made of."""

from __future__ import annotations

from rayscaler.graph.phrases import phrases_of
from rayscaler.stages.embed import COLUMNS, PER_SHARD, outline, shards_of_phrases
from rayscaler.toolspec import ToolSpec
from tracker import TRACKER


def test_an_outline_has_the_phrases_of_the_whole_tool():
    for tool in TRACKER:
        row = tool.to_row()
        assert phrases_of(outline({name: row[name] for name in COLUMNS})) == phrases_of(ToolSpec.from_row(row))
        assert phrases_of(outline(row)) == phrases_of(tool)


def test_phrases_are_shared_out_once_each_with_like_lengths_together():
    phrases = [f"word {number}" for number in range(PER_SHARD)] + ["x", "a much longer phrase", "y z"]
    weights = {text: float(number) for number, text in enumerate(phrases)}
    shards = shards_of_phrases(weights)
    assert {text: weight for shard in shards for text, weight in shard} == weights
    assert [len(shard) for shard in shards] == [PER_SHARD, 3]
    assert (shards[0][0][0], shards[-1][-1][0]) == ("x", "a much longer phrase")
    assert shards == shards_of_phrases(dict(reversed(weights.items())))
