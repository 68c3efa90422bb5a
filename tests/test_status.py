"""`rayscaler status`: what a run's files say of how far it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rayscaler.cli import app
from rayscaler.config import load_config
from rayscaler.display.status import age
from rayscaler.pipeline import steps
from rayscaler.record import Record
from rayscaler.runs import open_run
from rayscaler.runtime.store import COUNTS, Ref, Store
from rayscaler.table import to_arrow
from rayscaler.tables import LINKS, TOKENIZERS

MARKS = {"link": "a" * 16, "curate": "b" * 16}
LINK = {"domain_id": "d", "src": "a", "field": "b", "dst": "c", "parameter": "d", "score": 1.0, "rule": "r"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Two stages: `link` of two parts and not whole, `curate` not begun."""
    store = Store(str(tmp_path))
    tables = {"links": MARKS["link"], "examples": MARKS["curate"], "tokenizers": MARKS["curate"]}
    store.write_json({"config": {}, "tables": tables, "stages": MARKS}, "run.json")
    for number in range(2):
        rows = to_arrow(LINKS, [{**LINK, "src": f"{number}-{i}"} for i in range(3)])
        counted = rows.replace_schema_metadata({COUNTS: json.dumps({"rows_in": 5, "reasons": {"filtered": 2}})})
        store.write_part(Ref(LINKS, MARKS["link"]), f"part-0000{number}-x.parquet", counted)
    return tmp_path


def whole(run: Path, table: str, stage: str) -> None:
    record = Record(
        table=f"{table}@1", fingerprint=MARKS[stage], stage=stage, stage_version=1, recipe={}, seed=0, inputs={},
        rows=6, files=2, content="", rows_in=10, reasons={"filtered": 4}, seconds=12.5, rayscaler="0",
    )  # fmt: skip
    tables = {"links": LINKS, "tokenizers": TOKENIZERS}
    Store(str(run)).write_record(Ref(tables[table], MARKS[stage]), record)


def states(run: Path) -> list[tuple[str, str, int, int]]:
    return [(s.stage, s.state, s.parts, s.rows) for s in open_run(str(run)).status().stages]


def test_a_stopped_run_is_partial_where_it_stopped(run: Path):
    assert states(run) == [("link", "partial", 2, 6), ("curate", "absent", 0, 0)]
    assert open_run(str(run)).status().stages[0].reasons == {"filtered": 4}


def test_a_stage_is_whole_when_all_of_its_tables_are(run: Path):
    whole(run, "links", "link")
    whole(run, "tokenizers", "curate")
    assert states(run) == [("link", "whole", 2, 6), ("curate", "absent", 0, 0)]


def test_a_run_that_somebody_works_in_is_running_at_its_first_unfinished_stage(run: Path):
    with Store(str(run)).exclusive():
        assert states(run) == [("link", "running", 2, 6), ("curate", "absent", 0, 0)]
        shown = CliRunner().invoke(app, ["status", str(run)], env={"COLUMNS": "160"}).output
    assert "running" in shown
    assert "6 links in 2 parts" in shown
    assert "4 filtered" in shown
    assert re.search(r"Locked by process .*, \d+ s ago", " ".join(shown.split()))
    shown = CliRunner().invoke(app, ["status", str(run)], env={"COLUMNS": "160"}).output
    assert "partial" in shown
    assert "Nobody works in this run now." in shown


def test_a_killed_run_is_no_longer_locked(run: Path):
    script = "import sys,time\nfrom rayscaler.runtime.store import Store\nwith Store(sys.argv[1]).exclusive():\n"
    script += "    print('in', flush=True)\n    time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", script, str(run)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    holder = open_run(str(run)).status().holder
    assert holder is not None
    assert holder.pid == process.pid
    process.kill()
    process.communicate()
    assert open_run(str(run)).status().holder is None


def test_every_stage_has_a_table_of_its_fingerprint():
    """That is how the status finds a stage's tables in run.json."""
    for step in steps(load_config(Path(__file__).parents[1] / "configs" / "smoke.yaml")):
        own = [name for name, ref in step.targets.items() if ref.fingerprint == step.fingerprint and name != "rejects"]
        assert own[0] == step.stage.WRITES[0].name


@pytest.mark.parametrize(
    ("seconds", "words"), [(4.4, "4 s"), (600, "10 min"), (9_000, "2.5 h"), (400_000, "5 d")]
)
def test_an_age_has_one_unit(seconds: float, words: str):
    assert age(seconds) == words
