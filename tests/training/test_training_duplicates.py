"""Near-identical conversations are found, and only those: against every pair compared by hand."""

from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.training.duplicates import (
    PERMUTATIONS,
    _suspects,
    band_marks,
    bands,
    jaccard,
    near_duplicates,
    shingles,
    signature,
)

WORDS = [f"w{i}" for i in range(400)]


def found(texts: dict[str, list[str]], most: float) -> list[tuple[str, str, float]]:
    sets = {key: shingles(said) for key, said in texts.items()}
    signatures = np.array([signature(sets[key]) for key in texts], dtype=np.uint32)
    marks_NB = band_marks(signatures, most=most)
    return [tuple(d) for d in near_duplicates(list(texts), marks_NB, sets.__getitem__, most=most)]


def test_shingles_are_runs_of_five_words_inside_one_text():
    assert shingles(["One, two three four five SIX", "a b", ""]) == {
        "one two three four five", "two three four five six", "a b",
    }


def test_a_conversation_that_says_it_again_is_left_out_and_the_first_stays():
    said = [" ".join(WORDS[:200])]
    nearly = [" ".join([*WORDS[:199], "another"])]         # 195 of 197 shingles in common
    other = [" ".join(WORDS[200:])]
    assert found({"a": said, "b": other, "c": said, "d": nearly}, 0.9) == [
        ("c", "a", 1.0), ("d", "a", pytest.approx(195 / 197)),
    ]
    assert found({"a": said, "d": nearly}, 0.995) == []


def test_what_is_like_one_that_was_left_out_but_unlike_those_that_stay_stays():
    first, second, third = (" ".join(WORDS[start:start + 100]) for start in (0, 4, 8))
    assert jaccard(shingles([first]), shingles([second])) == pytest.approx(92 / 100)
    assert jaccard(shingles([first]), shingles([third])) == pytest.approx(88 / 104)
    assert [d[0] for d in found({"a": [first], "b": [second], "c": [third]}, 0.9)] == ["b"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from(WORDS[:6]), min_size=1, max_size=12), min_size=1, max_size=8))
def test_law_every_pair_that_is_found_is_alike_and_equal_conversations_are_always_found(spoken):
    texts = {str(i): [" ".join(words)] for i, words in enumerate(spoken)}
    sets = {key: shingles(said) for key, said in texts.items()}
    left_out = found(texts, 0.8)
    gone = {key for key, *_ in left_out}
    for key, other, similarity in left_out:
        assert similarity == pytest.approx(jaccard(sets[key], sets[other]))
        assert similarity > 0.8
        assert other not in gone
        assert int(other) < int(key)
    for key, mine in sets.items():
        if any(sets[other] == mine for other in texts if int(other) < int(key)):
            assert key in gone


def test_exactly_those_that_share_a_whole_band_are_compared():
    """Against datasketch's own index, which holds every signature."""
    rng = np.random.default_rng(3)
    signatures = rng.integers(0, 2**32, (400, PERMUTATIONS), dtype=np.uint32)
    for row in range(1, 400, 2):   # odd rows share 100 or more values with the row before
        same = rng.permutation(PERMUTATIONS)[: int(rng.integers(100, PERMUTATIONS))]
        signatures[row, same] = signatures[row - 1, same]
    index, pairs = MinHashLSH(num_perm=PERMUTATIONS, params=bands(0.9)), set()
    for row, values in enumerate(signatures):
        sketch = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32", hashvalues=values)
        pairs |= {(int(str(other)), row) for other in index.query(sketch)}
        index.insert(str(row), sketch)
    found = {(int(other), row) for row, earlier in _suspects(band_marks(signatures, most=0.9)) for other in earlier}
    assert 50 < len(pairs) < 200
    assert found == pairs


def test_bands_miss_one_pair_in_a_thousand_at_most():
    assert bands(0.9) == (16, 8)           # (1 - 0.9**8)**16 = 0.0001; with 9 values 0.00106
    for most in (0.1, 0.3, 0.5, 0.8, 0.95, 0.995):
        number, width = bands(most)
        assert number * width <= PERMUTATIONS
        assert (1 - most**width) ** number <= 0.001


def test_a_signature_depends_on_the_set_alone():
    assert signature(["a", "b", "b"]) == signature({"b", "a"})
    assert len(signature({"a"})) == PERMUTATIONS
