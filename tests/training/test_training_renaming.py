"""Ids under other numbers: the text stays but for them, equal ids stay equal, different ones different."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.seeds import rng
from rayscaler.training import load_tokenizer, train_bpe
from rayscaler.training.renaming import Renamer

PAIRS = " ".join(f"{number:02}" for number in range(100))
TOKENIZER = load_tokenizer(train_bpe([PAIRS] * 3, 400, digits=2))
RENAMER = Renamer({token: TOKENIZER.decode([token]) for token in range(len(TOKENIZER))})
TEXT = 'cancel ord-1007 of cus-2044 on 2026-01-15, not ord-1008; {"id": "ord-1007"} 4570 uuid 7d0f-4b1d'


def renamed(text: str, seed: int) -> str:
    ids = TOKENIZER.encode(text, add_special_tokens=False)
    found = RENAMER(ids, rng(seed))
    assert len(found) == len(ids)
    return TOKENIZER.decode(found)


def test_numbers_of_ids_change_together_and_nothing_else_does():
    found = renamed(TEXT, 1)
    pattern = re.escape(TEXT).replace("1007", "(?P<a>[0-9]{4})", 1).replace("1007", "(?P=a)")
    pattern = pattern.replace("2044", "(?P<b>[0-9]{4})").replace("1008", "(?P<c>[0-9]{4})")
    match = re.fullmatch(pattern, found)
    assert match, found
    assert len({*match.groups(), "1007", "2044", "1008"}) == 6


def test_another_draw_gives_other_numbers_and_the_same_draw_the_same():
    assert renamed(TEXT, 1) == renamed(TEXT, 1) != renamed(TEXT, 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1000, 9999), min_size=1, max_size=8), st.integers(0, 2**32))
def test_ids_are_equal_after_it_where_they_were_before(numbers: list[int], seed: int):
    new = renamed(" ".join(f"ord-{number}" for number in numbers), seed).split()
    assert len(set(zip(numbers, new, strict=True))) == len(set(numbers)) == len(set(new))
