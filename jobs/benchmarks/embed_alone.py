"""One process that embeds: `python -m benchmarks.embed_alone plain|ours MODEL PHRASES.json`. Loading is not timed."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from benchmarks.measure import own_peak_mb


def main(method: str, model: str, phrases: str) -> None:
    """Warm up on 64 phrases, then embed all; prints one line of JSON."""
    from rayscaler.runtime.embedding import Embedder, model_folder

    texts = json.loads(Path(phrases).read_text())
    os.environ["HF_HUB_OFFLINE"] = "1"
    if method == "plain":
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
        plain = SentenceTransformer(str(model_folder(model) or model), device="cpu")

        def embed(some: list[str]) -> object:
            return plain.encode(some, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    else:
        embed = Embedder(model)
    embed(texts[:64])
    began = time.perf_counter()
    embed(texts)
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "rss_mb": own_peak_mb()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
