"""The loops that the benchmark plants are loops, and it reads tau-bench's conversations as they are."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "jobs"))

from benchmarks import repetition
from benchmarks.repetition import Conversation

SPOKEN = ["Good morning, how may I help you with your orders today?", "I have cancelled it."]


def test_every_planted_loop_says_something_six_times_or_more():
    sound = Conversation(SPOKEN, ["Please cancel my last order."])
    for plant in repetition.LOOPS.values():
        looped = plant(sound)
        assert looped is not None
        assert looped.spoken[: len(SPOKEN)] == SPOKEN
        assert repetition.plain(looped, 4, 5)
        assert repetition.ours(looped, 4, 5)
        assert not repetition.plain(sound, 4, 1)


def test_a_conversation_of_short_words_gives_no_loop():
    assert [plant(Conversation(["Yes."], [])) for plant in repetition.LOOPS.values()] == [None, None, None]


def test_the_conversations_of_tau_bench_are_read_whole(shared_data):
    bench = shared_data / "bench" / "tau-bench"
    runs, shown = list(repetition.gpt4o(bench)), list(repetition.examples(bench))
    assert len(runs) == 84          # SOURCES.md: 200 runs, 84 with reward 1
    assert all(one.spoken and one.quoted for one in [*runs, *shown])
    assert "None" not in {text.strip() for one in shown for text in one.spoken}
