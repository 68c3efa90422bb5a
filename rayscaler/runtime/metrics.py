"""What a run tells Ray's metrics, for the dashboard and Prometheus while it goes. Nothing depends on them.

The driver counts what the workers report of each shard, so a shard that a dead worker left is counted once. Ray puts
`ray_` before each name and `_total` behind a counter's: `ray_rayscaler_rows_total{stage="embed",table="embeddings"}`.

    rayscaler_rows               counter   rows written, by stage and table
    rayscaler_left_out           counter   things left out, by stage and reason
    rayscaler_shards             gauge     shards of the stage's present step, by state: done, planned
    rayscaler_kept_share         gauge     of the verdicts so far, the share that keeps its trajectory
    rayscaler_tokens             counter   tokens that models wrote (rollout, evaluate), of training examples (curate),
                                           that were trained on (train)
    rayscaler_tokens_per_s       gauge     the same per second since the step began
    rayscaler_conversations      gauge     conversations that are being played, by worker
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

KEPT = "kept"
"""The column of verdicts that is counted."""

TOKENS = {"model_calls": "completion_tokens", "evaluation_calls": "completion_tokens", "examples": "n_tokens",
          "losses": "n_tokens"}
"""Table -> column whose tokens are counted: of each reply of a model, training example and step of training."""


class Tally(NamedTuple):
    """What one shard made: rows by table, things left out by reason, verdicts (all and kept), tokens."""

    rows: dict[str, int]
    reasons: dict[str, int]
    judged: int = 0
    kept: int = 0
    tokens: int = 0


def tally(made: Mapping[str, pa.Table], reasons: Mapping[str, int]) -> Tally:
    """Count a shard's tables."""
    verdicts = [arrow[KEPT] for arrow in made.values() if KEPT in arrow.schema.names]
    tokens = [arrow[TOKENS[name]] for name, arrow in made.items() if name in TOKENS]
    return Tally(
        {name: arrow.num_rows for name, arrow in made.items()},
        dict(reasons),
        sum(len(column) for column in verdicts),
        sum(pc.sum(column).as_py() or 0 for column in verdicts),
        sum(pc.sum(column).as_py() or 0 for column in tokens),
    )


class StageMetrics:
    """The metrics of one pass over a stage's shards, kept by the driver."""

    def __init__(self, stage: str, done: int, planned: int) -> None:
        self.stage, self._began, self._sum = stage, time.monotonic(), Counter[str]()
        self._shards(done, planned)
        self._done, self._planned = done, planned

    def add(self, made: Tally) -> None:
        """One more shard is done."""
        self._done += 1
        self._shards(self._done, self._planned)
        for table, n in made.rows.items():
            _count("rows", "Rows written", n, stage=self.stage, table=table)
        for reason, n in made.reasons.items():
            _count("left_out", "Things left out", n, stage=self.stage, reason=reason)
        self._sum.update(judged=made.judged, kept=made.kept, tokens=made.tokens)
        if made.judged:
            share = self._sum["kept"] / self._sum["judged"]
            _set("kept_share", "Share of the verdicts that keep their trajectory", share, stage=self.stage)
        if made.tokens:
            _count("tokens", "Tokens written", made.tokens, stage=self.stage)
            rate = self._sum["tokens"] / max(time.monotonic() - self._began, 1e-3)
            _set("tokens_per_s", "Tokens per second", rate, stage=self.stage)

    def _shards(self, done: int, planned: int) -> None:
        _set("shards", "Shards of the stage's present step", done, stage=self.stage, state="done")
        _set("shards", "Shards of the stage's present step", planned, stage=self.stage, state="planned")


_playing, _one_at_a_time = Counter[str](), threading.Lock()


@contextmanager
def conversation(stage: str) -> Iterator[None]:
    """One more conversation is in flight in this process, for the time of the block."""
    _play(stage, 1)
    try:
        yield
    finally:
        _play(stage, -1)


def _play(stage: str, n: int) -> None:
    with _one_at_a_time:
        _playing[stage] += n
        _set("conversations", "Conversations in flight", _playing[stage], stage=stage)


def _count(name: str, text: str, n: int, **tags: str) -> None:
    if n and "ray" in sys.modules:
        _metric("Counter", name, text, tuple(tags)).inc(n, tags)


def _set(name: str, text: str, value: float, **tags: str) -> None:
    if "ray" in sys.modules:   # else nobody listens, and importing Ray takes a second
        _metric("Gauge", name, text, tuple(tags)).set(value, tags)


@cache
def _metric(kind: str, name: str, text: str, tags: tuple[str, ...]) -> Any:
    from ray.util import metrics

    return getattr(metrics, kind)(f"rayscaler_{name}", description=f"{text}.", tag_keys=tags)
