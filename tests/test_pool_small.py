"""A folder of specifications in twelve formats with broken files among them goes through ingest whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from rayscaler import pipeline
from rayscaler.config import parse_config
from rayscaler.reasons import Reason
from rayscaler.runs import open_run

NO_SPECS = ("LICENSE", "SOURCES.md")

pytestmark = pytest.mark.ray


def test_every_file_of_the_small_pool_gives_tools_or_is_rejected_by_name(
    shared_data: Path, ray_here: None, tmp_path: Path
):
    pool = shared_data / "pool-small"
    config = parse_config({"name": "pool", "ingest": {"sources": [{"path": str(pool)}]}}, base=tmp_path)
    result = pipeline.run(config, str(tmp_path / "run"), until="ingest")[0]
    files = {str(path.relative_to(pool)) for path in pool.rglob("*") if path.is_file() and path.name not in NO_SPECS}
    assert result.rows_in == len(files)
    run = open_run(str(tmp_path / "run"))
    read = set(run.table("tools")["file"].to_pylist())
    rejects = run.rejects().to_pylist()
    named = {name for name in files if any(name in row["key"] for row in rejects)}
    assert read | named == files
    assert {row["reason"] for row in rejects} <= {str(reason) for reason in Reason}
    broken = [row["reason"] for row in rejects if "Icon Horse" in row["key"]]
    assert broken == [Reason.MALFORMED]
