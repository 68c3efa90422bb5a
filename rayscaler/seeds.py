"""Randomness that depends on what is made, never on which worker makes it.

`rng(run_seed, "compose", task_key)` gives the same stream on one worker or on a thousand, in any order.
"""

from __future__ import annotations

import hashlib

import numpy as np


def seed_of(run_seed: int, *keys: str | int) -> int:
    """A 63-bit seed, a function of `run_seed` and `keys`. Keys are kept apart: ("ab", "c") is not ("a", "bc")."""
    text = "\x1f".join([str(run_seed), *(f"{type(k).__name__}:{k}" for k in keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def rng(run_seed: int, *keys: str | int) -> np.random.Generator:
    """A fresh generator for the row that `keys` name."""
    return generator(seed_of(run_seed, *keys))


def generator(seed: int) -> np.random.Generator:
    """The generator of a seed that `seed_of` made."""
    return np.random.Generator(np.random.PCG64(seed))
