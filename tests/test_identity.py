"""Fingerprints, canonical JSON and seeds: what makes two runs the same."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.canonical import digest, dumps
from rayscaler.errors import FingerprintError
from rayscaler.recipes import IngestRecipe, Source
from rayscaler.recipes_all import Recipes
from rayscaler.record import fingerprint
from rayscaler.seeds import rng, seed_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_change_the_bytes(value):
    assert dumps(value) == dumps(dict(reversed(list(value.items()))))


@pytest.mark.parametrize("value", [{"f": lambda: 0}, {"x": object()}, {"x": {1, 2}}, {"x": float("nan")}, {1: 2}])
def test_what_has_no_stable_identity_is_refused_by_place(value):
    with pytest.raises(FingerprintError, match=r"\$"):
        dumps(value)


def test_a_fingerprint_moves_with_everything_that_changes_the_rows():
    base = {"stage": "embed", "stage_version": 1, "recipe": {"k": 1}, "seed": 0, "inputs": {"tools": "a"}}
    names = {fingerprint(**base)}
    changes = {"stage": "connect", "stage_version": 2, "recipe": {"k": 2}, "seed": 1, "inputs": {"tools": "b"}}
    for key, value in changes.items():
        names.add(fingerprint(**{**base, key: value}))
    assert len(names) == 6
    assert fingerprint(**base) == fingerprint(**base)


def test_a_recipe_never_shows_a_path_to_the_fingerprint(tmp_path: Path):
    here = IngestRecipe(sources=(Source(path=str(tmp_path / "a")),))
    there = IngestRecipe(sources=(Source(path=str(tmp_path / "b")),))
    assert digest(here.identity()) == digest(there.identity())
    assert str(tmp_path) not in dumps(Recipes(ingest=here).ingest.identity())


def test_seeds_depend_on_keys_and_keep_them_apart():
    assert seed_of(7, "ab", "c") != seed_of(7, "a", "bc")
    assert seed_of(7, 1) != seed_of(7, "1")
    assert seed_of(7, "a") != seed_of(8, "a")
    assert rng(7, "task", 3).integers(1 << 40) == rng(7, "task", 3).integers(1 << 40)
    assert 0 <= seed_of(7, "a") < 2**63
