"""What a run tells Ray: stage names, rows, rejects, kept share, tokens, scraped from a real metrics endpoint."""

from __future__ import annotations

import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from rayscaler.resources import Resources
from rayscaler.runtime.metrics import StageMetrics, Tally, conversation, tally
from rayscaler.runtime.pool import run_shards
from rayscaler.runtime.shards import Job, payload_shards
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import LINKS, REJECTS
from shard_works import EvenNumbers


def test_a_shard_is_tallied_by_its_columns():
    verdicts = pa.table({"kept": [True, False, True]})
    examples = pa.table({"n_tokens": [7, 5]})
    made = tally({"verdicts": verdicts, "examples": examples}, {"too_long": 1})
    assert made == Tally({"verdicts": 3, "examples": 2}, {"too_long": 1}, judged=3, kept=2, tokens=12)
    assert tally({"examples": examples.slice(0, 0)}, {}).tokens == 0
    assert tally({"losses": examples, "checkpoints": pa.table({"n_tokens": [12]})}, {}).tokens == 12   # the same tokens


def scraped(done: Callable[[str], bool]) -> str:
    """The node's metrics once `done` says that they are all there: Ray's processes report every ten seconds."""
    import ray

    node = ray.nodes()[0]
    url, deadline = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics", time.monotonic() + 60
    while True:
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = str(answer.read().decode())
        if done(text) or time.monotonic() > deadline:
            return text
        time.sleep(0.5)


def value(text: str, name: str, **tags: str) -> list[float]:
    lines = [line for line in text.splitlines() if line.startswith(f"ray_rayscaler_{name}{{")]
    fitting = [line for line in lines if all(f'{key}="{tag}"' in line for key, tag in tags.items())]
    return [float(line.rsplit(" ", 1)[1]) for line in fitting]


@pytest.mark.ray
@pytest.mark.slow
def test_a_stage_shows_by_its_name_with_what_it_made(ray_here: None, tmp_path: Path):
    from ray.util.state import list_actors

    refs = (Ref(LINKS, "ab"), Ref(REJECTS, "ab"))
    job = Job("numbering", Store(str(tmp_path / "run")), EvenNumbers, (str(tmp_path),), refs)
    shards = payload_shards([list(range(start, start + 5)) for start in range(0, 40, 5)])
    metrics = StageMetrics("judging", 0, 2)
    metrics.add(Tally({"verdicts": 4}, {}, judged=4, kept=1))
    metrics.add(Tally({"verdicts": 4}, {}, judged=4, kept=3, tokens=100))
    with conversation("playing"):
        run_shards(shards, job, Resources(workers=2), lambda done, total: None)
        text = scraped(lambda text: value(text, "shards", stage="numbering", state="done") == [8.0])
        assert value(text, "conversations", stage="playing") == [1.0]
    assert "MapWorker(Map(numbering))" in {actor.class_name for actor in list_actors()}
    assert 'dataset="rayscaler_numbering' in text
    assert value(text, "rows_total", stage="numbering", table="links") == [20.0]
    assert value(text, "left_out_total", stage="numbering", reason="filtered") == [20.0]
    assert value(text, "shards", stage="numbering", state="done") == [8.0]
    assert value(text, "shards", stage="numbering", state="planned") == [8.0]
    assert value(text, "kept_share", stage="judging") == [0.5]
    assert value(text, "tokens_total", stage="judging") == [100.0]
    assert value(text, "tokens_per_s", stage="judging")[0] > 0
