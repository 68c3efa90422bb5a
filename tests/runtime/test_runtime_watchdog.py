"""A run that stands still says what it waits for, and ends; driver and workers of different makes are told apart."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

import rayscaler
from rayscaler.errors import StageError
from rayscaler.resources import Resources
from rayscaler.runtime import attempts
from rayscaler.runtime.pool import run_shards
from rayscaler.runtime.shards import Job, payload_shards
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.versions import alive_nodes, check_nodes, code_of, skew, these_versions
from rayscaler.runtime.watchdog import waits_for
from rayscaler.tables import LINKS
from shard_works import Sleeper

HERE = these_versions()


def test_versions_that_are_equal_may_work_together_wherever_they_are():
    skew(HERE, HERE._replace(node="10.0.0.7"))


@pytest.mark.parametrize("field", ["python", "rayscaler", "ray", "pyarrow"])
def test_a_worker_of_another_make_is_refused_by_node_and_with_both_versions(field: str):
    other = HERE._replace(node="10.0.0.7", **{field: "0.1"})
    with pytest.raises(StageError) as caught:
        skew(HERE, other)
    expected = f"node 10.0.0.7 runs {field} 0.1; the driver on {HERE.node} runs {field} {getattr(HERE, field)}."
    assert str(caught.value).startswith(expected)


def test_two_checkouts_of_one_version_are_two_makes(tmp_path: Path):
    package = Path(rayscaler.__file__).parent
    copy = shutil.copytree(package, tmp_path / "rayscaler", ignore=shutil.ignore_patterns("__pycache__"))
    assert code_of(copy) == code_of(package)
    (copy / "seeds.py").write_text("# edited")
    assert code_of(copy) != code_of(package)


@pytest.mark.ray
def test_the_nodes_of_the_cluster_here_are_of_one_make(ray_here: None):
    check_nodes(alive_nodes())


@pytest.mark.ray
def test_a_node_that_has_just_left_the_cluster_is_not_waited_for(ray_here: None):
    check_nodes({**alive_nodes(), "ab" * 28: "10.0.0.9"})


@pytest.mark.ray
def test_what_is_waited_for_is_named_with_what_is_free(ray_here: None):
    said = waits_for("embed", {"CPU": 64.0, "GPU": 1.0}, [])
    assert re.fullmatch(
        r"embed waits for a worker with 64 CPU and 1 GPU; the cluster has [\d.]+ of 4 CPU free, 0 of 0 GPU free, and "
        r"none of the 1 nodes that are there is large enough for one: an autoscaler must bring one, or ask for less "
        r"\(resources\)", said
    )


@pytest.mark.ray
@pytest.mark.slow
def test_a_shard_that_never_ends_ends_the_stage_and_is_named_with_its_process(ray_here: None, tmp_path: Path):
    job = Job("sleep", Store(str(tmp_path)), Sleeper, (), (Ref(LINKS, "ab"),))
    with pytest.raises(StageError, match=r"no progress for \d+ s .*: sleep waits for shard part-00000-\w+\.parquet, in "
                                         r"work for \d+ s by process \d+ on \S+, node \w{8}"):
        run_shards(payload_shards([[1]]), job, Resources(workers=1, stall_timeout_s=30), lambda *_: None)


@pytest.mark.ray
def test_marks_are_left_by_who_works_counted_when_it_died_and_forgotten(ray_here: None):
    marks = attempts.Attempts(limit_s=100.0)
    assert marks.begin("a") == attempts.Begun()
    assert [(mark.what, mark.deaths) for mark in marks.in_work()] == [("shard a", 0)]
    assert marks.begin("a") == attempts.Begun(deaths=1)         # as after a worker's death: the mark is still there
    assert marks.begin("a") == attempts.Begun(deaths=2)
    marks.end("a", "tally")
    assert marks.in_work() == []
    assert marks.begin("a") == attempts.Begun(tally="tally")    # it comes back with others of a dead worker
    marks.forget()
    assert (marks.in_work(), marks.done("a")) == ([], "")
