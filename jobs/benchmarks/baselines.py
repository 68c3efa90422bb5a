"""What `connect` is measured against, each in a process of its own: all pairs above a threshold, written to Parquet.

    python -m benchmarks.baselines METHOD VECTORS.npy TAU OUT.parquet    ->  {"seconds": 2.31, "rss_mb": 612.0}

- `faiss`: FAISS `IndexFlatIP.range_search`, the way one would use it;
- `numpy`: panels of the upper triangle in plain NumPy, single precision, one process with all threads;
- `tiles`: rayscaler's own tiles in one process with all threads, without Ray.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import own_peak_mb

Pairs = tuple[np.ndarray, np.ndarray, np.ndarray]


def faiss_pairs(vectors_ND: np.ndarray, tau: float) -> Pairs:
    """It searches both triangles; the upper one is kept."""
    import faiss

    index = faiss.IndexFlatIP(vectors_ND.shape[1])
    index.add(vectors_ND)
    limits, values, dst = index.range_search(vectors_ND, tau)
    src = np.repeat(np.arange(len(vectors_ND)), np.diff(limits.astype(np.int64)))
    upper = src < dst
    return src[upper], dst[upper], values[upper]


def numpy_pairs(vectors_ND: np.ndarray, tau: float, side: int = 2048) -> Pairs:
    """The least code that does it well."""
    found = []
    for i in range(0, len(vectors_ND), side):
        a_PD = vectors_ND[i : i + side]
        for j in range(i, len(vectors_ND), side):
            product = a_PD @ vectors_ND[j : j + side].T
            flat = np.flatnonzero(product.ravel() > tau)
            src, dst = np.divmod(flat, product.shape[1])
            keep = (src + i) < (dst + j)
            found.append((src[keep] + i, dst[keep] + j, product.ravel()[flat[keep]]))
    src, dst, values = (np.concatenate(column) for column in zip(*found, strict=True))
    return src, dst, values


def tile_pairs(vectors_ND: np.ndarray, tau: float, block: int = 8192) -> Pairs:
    """What a worker does, with the exact recheck."""
    from rayscaler.graph.edges import pairs_in_tile, tiles
    from rayscaler.graph.edges_exact import NumpyScreen

    screen = NumpyScreen()
    found = [
        pairs_in_tile(vectors_ND[t.a : t.a_end], vectors_ND[t.b : t.b_end], tau=tau, same=t.same, a_start=t.a,
                      b_start=t.b, screen=screen)
        for t in tiles(len(vectors_ND), block)
    ]
    src, dst, values = (np.concatenate(column) for column in zip(*found, strict=True))
    return src, dst, values


METHODS: dict[str, Callable[[np.ndarray, float], Pairs]] = {
    "faiss": faiss_pairs, "numpy": numpy_pairs, "tiles": tile_pairs,
}


def main(method: str, vectors: str, tau: str, out: str) -> None:
    """Warm up on the first 4,096 vectors, then once over all of them; prints one line of JSON."""
    vectors_ND = np.load(vectors)
    METHODS[method](vectors_ND[:4096], float(tau))
    began = time.perf_counter()
    src, dst, values = METHODS[method](vectors_ND, float(tau))
    columns = {"src": src.astype(np.int32), "dst": dst.astype(np.int32), "similarity": values}
    pq.write_table(pa.table(columns), out, compression="zstd")
    seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "rss_mb": own_peak_mb()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
