"""A stage whose rows change raises its VERSION: else a run would take tables that older code made for its own.

`versions.json` holds, for each stage of `configs/smoke.yaml`, the VERSION, digests of what went in (its recipe is a
part of it) and of what came out. Where the same version made other rows of the same input, the version was forgotten.
Floating-point columns are not compared where they come out, because another CPU multiplies in another order; where such
a column goes in and differs, the stage is not judged.

`RAYSCALER_WRITE_VERSIONS=1 pytest tests/test_versions.py` writes the file anew, after a VERSION was raised.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from rayscaler.canonical import digest
from rayscaler.runs import Run, open_run
from rayscaler.stages.order import STAGES
from rayscaler.tables import REJECTS

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

KNOWN = Path(__file__).parent / "versions.json"
WRITE = "RAYSCALER_WRITE_VERSIONS"


@pytest.fixture(scope="module")
def made(smoke_run: Path) -> dict[str, dict[str, Any]]:
    """What each stage of the run is, took and gave."""
    run = open_run(str(smoke_run))
    recipes = {record.stage: record.recipe for record in run.tables()}

    def about(stage: Any) -> dict[str, Any]:
        read = [run.table(table.name) for table in stage.READS]
        return {
            "version": stage.VERSION,
            "took": short([recipes[stage.NAME], *(rows_digest(rows) for rows in read)]),
            "floats": short([rows_digest(rows, floats=True) for rows in read]),
            "gave": short([rows_digest(rows) for rows in outputs(run, stage)]),
        }

    return {stage.NAME: about(stage) for stage in STAGES if stage.NAME in recipes}


def short(value: Any) -> str:
    return digest(value, length=16)


def outputs(run: Run, stage: Any) -> list[pa.Table]:
    rejects = run.rejects()
    own = rejects.filter(pa.compute.equal(rejects["stage"], stage.NAME))
    return [*(run.table(table.name) for table in stage.WRITES if table is not REJECTS), own]


def rows_digest(rows: pa.Table, *, floats: bool = False) -> str:
    inexact = [field.name for field in rows.schema if "float" in str(field.type) or "double" in str(field.type)]
    kept = [name for name in rows.column_names if floats or name not in inexact]
    return digest(sorted(digest(row) for row in rows.select(kept).to_pylist()))


def test_a_stage_with_the_same_version_and_input_gives_the_same_rows(made: dict[str, dict[str, Any]]):
    if os.environ.get(WRITE):
        KNOWN.write_text(json.dumps(made, indent=2) + "\n")
    known = json.loads(KNOWN.read_text())
    advice = f"Raise VERSION in rayscaler/stages/, then write the file anew: {WRITE}=1 pytest tests/test_versions.py"
    assert list(made) == list(known), advice
    for name, stage in made.items():
        before = known[name]
        assert stage["version"] == before["version"], f"{name}: versions.json is of another version. {advice}"
        assert stage["took"] == before["took"], f"{name}: its recipe or its input changed. {advice}"
        if stage["floats"] == before["floats"]:
            assert stage["gave"] == before["gave"], f"{name}: other rows of the same input, same VERSION. {advice}"
