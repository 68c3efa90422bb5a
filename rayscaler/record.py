"""The record of a whole table: what made it, from what, how many rows. Written last; its presence means «whole».

    {"table": "edges@1", "fingerprint": "3f1c…", "stage": "connect", "rows": 3911, "inputs": {"embeddings": "9b02…"} …}

Two kinds of fields: identity (what the fingerprint hashes) and what was observed (rows, seconds, when). Only identity
decides whether a table is reused.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from rayscaler.canonical import digest


class Record(BaseModel):
    """What is written beside a table once all of its files are there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    fingerprint: str
    stage: str
    stage_version: int
    recipe: dict[str, Any]
    seed: int
    inputs: dict[str, str]
    rows: int
    files: int
    content: str
    """SHA-256 over the bytes of all parts in row order: equal rows give it again, with the same version of pyarrow."""
    rows_in: int
    reasons: dict[str, int]
    """Rows left out by this stage, by reason."""
    seconds: float
    rayscaler: str


def fingerprint(
    *, stage: str, stage_version: int, recipe: dict[str, Any], seed: int, inputs: dict[str, str]
) -> str:
    """16 hexadecimal digits that name a stage's output: same inputs, same recipe, same code version, same name.

    `recipe` is the recipe's `identity()`: no path, host or worker count is in it. Raises FingerprintError for values
    without a stable identity.
    """
    identity = {"stage": stage, "version": stage_version, "recipe": recipe, "seed": seed, "inputs": inputs}
    return digest(identity, length=16)
