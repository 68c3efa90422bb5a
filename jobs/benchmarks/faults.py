"""Faults: parts of a real cluster are ended in every stage, and the tables must be those of an undisturbed run.

One trial: a copy of the undisturbed run without the stage's tables and those after it, a driver that makes the stage
again on a cluster of three raylets, and one fault at a random moment: up to a second after the stage has started, after
its pool has a worker, or after it has written a part. `driver` is started again after its end; every other fault the
run must survive by itself. Then every table's bytes and every reject are compared. `--against` names an undisturbed run
that was made before.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import typer

from benchmarks.fault_cluster import FaultCluster
from benchmarks.measure import markdown
from rayscaler.config import load_config
from rayscaler.pipeline import Step, steps
from rayscaler.runs import open_run
from rayscaler.runtime.cluster import set_environment
from rayscaler.runtime.store import Store

ROOT = Path(__file__).parents[2]

KINDS = ("worker", "actor", "raylet", "spot", "driver")

WHEN = ("started", "worker", "part")
"""What a fault waits for, before a random delay of at most DELAY_S."""

DELAY_S = 1.0

LIMIT_S = 900.0
"""Longest time of one driver; beyond it a trial has hung, which is what it is there to show."""

CONFIG, LOG = "configs/smoke.yaml", "log.txt"


class Trial(NamedTuple):
    """One fault and what came of it. `wrong` names what differs from the undisturbed run; empty if nothing does."""

    stage: str
    kind: str
    seed: int
    when: str
    hit: str
    seconds: float
    wrong: str


class Campaign:
    """All trials against one undisturbed run."""

    def __init__(self, folder: Path, cluster: FaultCluster) -> None:
        self.folder, self.cluster = folder, cluster
        self.steps = steps(load_config(ROOT / CONFIG))
        self.whole = folder / "whole"

    def undisturbed(self, made: Path | None) -> None:
        """The run that all others are compared with: a copy of one that was made before, or made now."""
        if made is not None:
            shutil.copytree(made, self.whole)
        driver = self._driver(self.whole, self.steps[-1].stage.NAME)
        if driver.wait(LIMIT_S * 2):
            raise RuntimeError(f"the undisturbed run failed:\n{_log(self.whole)}")

    def trial(self, stage: str, kind: str, seed: int) -> Trial:
        """One fault in one stage."""
        rng = np.random.default_rng([seed, KINDS.index(kind), [s.stage.NAME for s in self.steps].index(stage)])
        run = self.folder / f"{stage}-{kind}-{seed}"
        shutil.copytree(self.whole, run)
        self._forget(run, stage)
        began = time.monotonic()
        driver = self._driver(run, stage)
        when = WHEN[int(rng.integers(len(WHEN)))]
        self._wait(driver, run, self._before(stage)[-1], when)
        time.sleep(float(rng.uniform(0.0, DELAY_S)))
        hit = self._fault(kind, driver, rng)
        if kind == "driver":
            driver = self._driver(run, stage)
        wrong = self._ended(driver, run, stage)
        self.cluster.mend()
        seconds = time.monotonic() - began
        if not wrong:
            shutil.rmtree(run)
        return Trial(stage, kind, seed, when, hit, seconds, wrong)

    def _fault(self, kind: str, driver: subprocess.Popen[bytes], rng: np.random.Generator) -> str:
        if kind == "driver":
            over = driver.poll() is not None
            if not over:
                os.killpg(driver.pid, signal.SIGKILL)
                driver.wait(30)
            return "nothing: the driver had ended" if over else "the driver"
        hit: str = getattr(self.cluster, kind)(rng).what
        return hit

    def _ended(self, driver: subprocess.Popen[bytes], run: Path, stage: str) -> str:
        try:
            code = driver.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(driver.pid, signal.SIGKILL)
            return f"did not end within {LIMIT_S:g} s; {_log(run)[-300:]}"
        return f"ended with {code}: {_log(run)[-300:]}" if code else differences(self.whole, run, self._before(stage))

    def _before(self, stage: str) -> list[Step]:
        names = [step.stage.NAME for step in self.steps]
        return self.steps[: names.index(stage) + 1]

    def _wait(self, driver: subprocess.Popen[bytes], run: Path, step: Step, when: str) -> None:
        """Until the moment has come, or the driver has ended before it came."""
        store, deadline = Store(str(run)), time.monotonic() + LIMIT_S
        come = {
            "started": lambda: f"{step.stage.NAME}: started" in _log(run),
            "worker": self.cluster.has_pool,
            "part": lambda: any(store.parts(ref) for ref in step.targets.values()),
        }[when]
        while not come() and driver.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)

    def _forget(self, run: Path, stage: str) -> None:
        """Remove the stage's tables and all later ones."""
        (run / LOG).unlink(missing_ok=True)
        for step in self.steps[len(self._before(stage)) - 1 :]:
            for ref in step.targets.values():
                shutil.rmtree(run / ref.folder, ignore_errors=True)

    def _driver(self, run: Path, until: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(ROOT / "jobs" / "run.py"), "--config", str(ROOT / CONFIG), "--run", str(run),
                   "--until", until]
        run.mkdir(exist_ok=True)
        with (run / LOG).open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, cwd=self.folder,
                                    env={**os.environ, "RAY_ADDRESS": self.cluster.address})


def differences(whole: Path, run: Path, made: list[Step]) -> str:
    """What the tables of `made` have in one run and not in the other, in words; empty if they are the same bytes."""
    wrong = []
    a, b = Store(str(whole)), Store(str(run))
    for step in made:
        for name, ref in step.targets.items():
            before, after = a.record(ref), b.record(ref)
            if before is None or after is None or (before.content, before.rows) != (after.content, after.rows):
                wrong.append(f"{step.stage.NAME}'s {name}")
    if not wrong and len(made) == len(open_run(str(whole)).status().stages):
        same = open_run(str(whole)).rejects().equals(open_run(str(run)).rejects())
        wrong += [] if same else ["rejects"]
    wrong += [f"a leftover {path.name}" for path in run.rglob("*.tmp")]
    return ", ".join(wrong)


def _log(run: Path) -> str:
    path = run / LOG
    return path.read_text(errors="replace") if path.exists() else ""


def sample(stages: list[str], seed: int) -> list[tuple[str, str, int]]:
    """Every stage once, every kind as often as the others, which with which by the seed."""
    return [(stage, KINDS[(seed + i) % len(KINDS)], seed) for i, stage in enumerate(stages)]


def main(  # noqa: PLR0917
    seeds: Annotated[int, typer.Option(help="Seeds per stage and kind.")] = 1,
    first: Annotated[int, typer.Option(help="The first seed.")] = 0,
    stage: Annotated[list[str] | None, typer.Option(help="Only these stages.")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Every stage once, the kinds in turn.")] = False,
    limit_s: Annotated[float, typer.Option(help="Begin no further trial after so many seconds.")] = 1e9,
    against: Annotated[Path | None, typer.Option(help="A whole run of the configuration; else made now.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the trials as JSON lines, too.")] = None,
) -> None:
    """End parts of a real cluster in every stage and compare the tables with those of an undisturbed run."""
    set_environment()
    names = stage or [step.stage.NAME for step in steps(load_config(ROOT / CONFIG))]
    wanted = sample(names, first) if quick else [
        (name, kind_, seed) for seed in range(first, first + seeds) for name in names for kind_ in kind or KINDS
    ]
    began, trials = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="rs-faults-") as folder, FaultCluster() as cluster:
        campaign = Campaign(Path(folder), cluster)
        campaign.undisturbed(against)
        for name, kind_, seed in wanted:
            if time.monotonic() - began > limit_s:
                break
            trials.append(campaign.trial(name, kind_, seed))
            typer.echo(f"{trials[-1]}", err=True)
            if out:
                out.write_text("".join(json.dumps(trial._asdict()) + "\n" for trial in trials))
    typer.echo(report(trials))
    raise typer.Exit(any(trial.wrong for trial in trials))


def report(trials: list[Trial]) -> str:
    """A table of stages and kinds: trials that ended with the same tables, of all."""
    stages = list(dict.fromkeys(trial.stage for trial in trials))
    rows = []
    for name in stages:
        cells = [[t for t in trials if (t.stage, t.kind) == (name, kind)] for kind in KINDS]
        rows.append([name, *(f"{sum(not t.wrong for t in c)} of {len(c)}" if c else "" for c in cells)])
    wrong = [f"- {t.stage}, {t.kind}, seed {t.seed}, {t.when} ({t.hit}): {t.wrong}"
             for t in trials if t.wrong]
    slowest = max((t.seconds for t in trials), default=0.0)
    head = f"{len(trials)} trials, {len(trials) - len(wrong)} with equal tables; the slowest took {slowest:.0f} s."
    return "\n".join([head, "", markdown(["stage", *KINDS], rows), "", *wrong])
