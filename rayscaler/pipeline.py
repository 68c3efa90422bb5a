"""Plan a run, skip what is whole, make the rest.

A stage's fingerprint hashes its name, version, recipe, seed and its inputs' fingerprints, so a plan is known before
anything runs: the folder of every table is a function of the configuration and of the specification files' content.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rayscaler import __version__, refinement
from rayscaler.config import Config
from rayscaler.errors import ConfigError
from rayscaler.folders import folder_digest
from rayscaler.recipes import Recipe
from rayscaler.record import Record, fingerprint
from rayscaler.runtime.cluster import connected, warn_of_local_disk
from rayscaler.runtime.context import Context
from rayscaler.runtime.makers import makers
from rayscaler.runtime.serving import ready
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.survey import survey
from rayscaler.stages import curate, evaluate, ingest
from rayscaler.stages.order import STAGES, Stage
from rayscaler.table import Table
from rayscaler.tables import OF_STAGES, REFINEMENTS

FOLDERS = ("model", "tokenizer")
"""Keys of recipes that may name a local folder."""

CONTENT: dict[str, Callable[[Any, Path], dict[str, str]]] = {
    "ingest": lambda recipe, base: {"files": ingest.content_of(recipe, base)},
    "curate": curate.content_of,
    "evaluate": evaluate.content_of,
}
"""Stages that read files besides tables: what of them the fingerprint sees."""

log = logging.getLogger(__name__)


class PlannedStage(NamedTuple):
    """One stage of a plan. `rows` is what its whole tables hold, or None where it would run; `why` says so in words."""

    name: str
    fingerprint: str
    whole: bool
    rows: dict[str, int] | None
    why: str


class StageResult(NamedTuple):
    """What a stage made: rows in (`unit` says of what), rows per table, things left out by reason, seconds."""

    name: str
    skipped: bool
    unit: str
    rows_in: int
    rows: dict[str, int]
    reasons: dict[str, int]
    seconds: float


class Event(NamedTuple):
    """Something that a listener may show."""

    stage: str
    kind: Literal["start", "progress", "end", "skip"]
    done: int = 0
    total: int = 0
    result: StageResult | None = None


Listener = Callable[[Event], None]


class Step(NamedTuple):
    """A stage with everything that its fingerprint is made of, and the tables that it reads and writes."""

    stage: Stage
    fingerprint: str
    recipe: dict[str, Any]
    inputs: dict[str, Ref]
    targets: dict[str, Ref]
    input_fingerprints: dict[str, str]


def steps(config: Config) -> list[Step]:
    """The stages of the run with their fingerprints. Reads the specification files, runs nothing.

    Raises ConfigError if a source has no file.
    """
    found: dict[str, Ref] = {}
    planned = []
    for stage in STAGES:
        if getattr(config.recipes, stage.NAME) is None:
            continue
        recipe = _identity(getattr(config.recipes, stage.NAME))
        inputs = {table.name: _found(stage, table.name, found) for table in _reads(stage, config)}
        marks = {name: ref.fingerprint for name, ref in inputs.items()}
        content_of = CONTENT.get(stage.NAME)
        if content_of is not None:
            marks |= content_of(getattr(config.recipes, stage.NAME), config.base)
        marks |= makers(stage.MADE_BY) | refined_by(getattr(config.recipes, stage.NAME))
        if "torch" in stage.MADE_BY:  # a GPU rounds otherwise than a CPU
            marks["device"] = "cuda" if config.resources.worker_gpus else "cpu"
        seed = config.seed if stage.SEEDED else 0
        name = fingerprint(stage=stage.NAME, stage_version=stage.VERSION, recipe=recipe, seed=seed, inputs=marks)
        targets = {table.name: Ref(table, name) for table in writes(stage, getattr(config.recipes, stage.NAME))}
        found.update(targets)
        planned.append(Step(stage, name, recipe, inputs, targets, marks))
    return planned


def writes(stage: Stage, recipe: Recipe) -> tuple[Table, ...]:
    """The stage's tables, its own first; where a model refines, what became of that is one of them."""
    return (*stage.WRITES, REFINEMENTS) if getattr(recipe, "refine", None) else stage.WRITES


def refined_by(recipe: Recipe) -> dict[str, str]:
    """What makes the rows besides the model itself, where one refines: prompts by content, checks by version."""
    if not getattr(recipe, "refine", None):
        return {}
    return makers((refinement.__name__,)) | {"refinement": str(refinement.VERSION)}


def _reads(stage: Stage, config: Config) -> tuple[Table, ...]:
    reads = getattr(stage, "reads", None)
    return reads(getattr(config.recipes, stage.NAME)) if reads else stage.READS


def _found(stage: Stage, table: str, found: dict[str, Ref]) -> Ref:
    if table not in found:
        raise ConfigError(f"{stage.NAME}: it reads `{table}`, which no stage of this configuration makes")
    return found[table]


def _identity(recipe: Recipe) -> dict[str, Any]:
    """The recipe for the fingerprint: a model or tokenizer that is a folder here stands by the content of its files."""
    return {
        key: folder_digest(Path(value)) if key in FOLDERS and Path(value).is_dir() else value
        for key, value in recipe.identity().items()
    }


def up_to(planned: list[Step], until: str | None) -> list[Step]:
    """The steps up to and with stage `until`, or all. ConfigError if there is no such stage."""
    names = [step.stage.NAME for step in planned]
    if until is not None and until not in names:
        raise ConfigError(f"until: there is no stage {until!r}; the stages are {', '.join(names)}")
    return planned[: names.index(until) + 1] if until else planned


def needed_by(planned: list[Step], name: str) -> list[Step]:
    """The step of stage `name` and those whose tables it needs, through all stages between. ConfigError if there is
    no such stage in the run.
    """
    up_to(planned, name)
    tables, found = set[Ref](), list[Step]()
    for step in reversed(planned):
        if name == step.stage.NAME or tables.intersection(step.targets.values()):
            tables.update(step.inputs.values())
            found.append(step)
    return found[::-1]


def plan(config: Config, run: str, until: str | None = None) -> list[PlannedStage]:
    """What a run in the folder or URI `run` would do, stage by stage."""
    store = Store(run)
    planned, before = [], ""
    for step in up_to(steps(config), until):
        records = _records(store, step)
        why = "whole" if records else (f"needs {before}" if before else _why(store, step))
        before = before or ("" if records else step.stage.NAME)
        rows = {name: record.rows for name, record in records.items()} if records else None
        planned.append(PlannedStage(step.stage.NAME, step.fingerprint, bool(records), rows, why))
    return planned


def run(
    config: Config, run: str, *, until: str | None = None, only: str | None = None, listener: Listener | None = None
) -> list[StageResult]:
    """Make every table up to stage `until` (all, if None) in the folder or URI `run`; what is whole is skipped.

    only: make those of this stage, and of the stages that it needs, instead.

    Starts Ray, or joins it, only if something is to be made. Whatever ends this early (an error, Ctrl-C, a kill)
    leaves whole tables whole, and the next run resumes inside the unfinished stage.
    """
    store, tell = Store(run), listener or (lambda _: None)
    every = steps(config)
    planned = needed_by(every, only) if only else up_to(every, until)
    with store.exclusive() as still_ours:

        def checked(event: Event) -> None:
            still_ours()
            tell(event)

        _describe(store, config, every)
        return _run_steps(store, config, planned, checked)


def _run_steps(store: Store, config: Config, planned: list[Step], tell: Listener) -> list[StageResult]:
    results = []
    first = next((i for i, step in enumerate(planned) if not _records(store, step)), len(planned))
    for step in planned[:first]:
        results.append(_result(step, _records(store, step), skipped=True))
        tell(Event(step.stage.NAME, "skip", result=results[-1]))
    if first < len(planned):
        with connected(config.resources):
            warn_of_local_disk(store.uri)
            results += [_run_step(store, config, step, tell) for step in planned[first:]]
    return results


def _run_step(store: Store, config: Config, step: Step, tell: Listener) -> StageResult:
    name = step.stage.NAME
    records = _records(store, step)
    if records:
        result = _result(step, records, skipped=True)
        tell(Event(name, "skip", result=result))
        return result
    tell(Event(name, "start"))
    log.info("%s: started", name)
    began = time.monotonic()
    with ready(getattr(config.recipes, name), config.resources, config.serve) as (recipe, resources):
        step.stage.run(
            Context(
                stage=name,
                recipe=recipe,
                seed=config.seed,
                store=store,
                inputs=step.inputs,
                targets=step.targets,
                resources=resources,
                base=config.base,
                progress=lambda done, total: tell(Event(name, "progress", done, total)),
            )
        )
    records = _finish(store, config, step, began)
    result = _result(step, records, skipped=False)
    log.info("%s: %s rows, %s left out, %.1f s", name, result.rows, sum(result.reasons.values()), result.seconds)
    tell(Event(name, "end", result=result))
    return result


def _finish(store: Store, config: Config, step: Step, began: float) -> dict[str, Record]:
    """Check the keys of each written table and declare it whole, the stage's own table last."""
    found = {name: survey(store, ref) for name, ref in step.targets.items()}
    own = found[step.stage.WRITES[0].name]
    records = {}
    for ref in reversed(step.targets.values()):
        table = ref.table
        records[table.name] = Record(
            table=str(table),
            fingerprint=step.fingerprint,
            stage=step.stage.NAME,
            stage_version=step.stage.VERSION,
            recipe=step.recipe,
            seed=config.seed,
            inputs=step.input_fingerprints,
            rows=found[table.name].rows,
            files=found[table.name].files,
            content=found[table.name].content,
            rows_in=own.rows_in,
            reasons=own.reasons,
            seconds=round(time.monotonic() - began, 3),
            rayscaler=__version__,
        )
        store.write_record(ref, records[table.name])
    return records


def _records(store: Store, step: Step) -> dict[str, Record]:
    """The records of all tables of a stage, or nothing if one of them is not whole."""
    found = {name: store.record(ref) for name, ref in step.targets.items()}
    whole = {name: record for name, record in found.items() if record is not None}
    return whole if len(whole) == len(found) else {}


def _result(step: Step, records: dict[str, Record], *, skipped: bool) -> StageResult:
    own = records[step.stage.WRITES[0].name]
    rows = {name: records[name].rows for name in step.targets}
    return StageResult(step.stage.NAME, skipped, step.stage.UNIT, own.rows_in, rows, own.reasons, own.seconds)


def _why(store: Store, step: Step) -> str:
    started = store.parts(step.targets[step.stage.WRITES[0].name])
    return f"resumes after {len(started)} parts" if started else "not made yet"


def _describe(store: Store, config: Config, planned: list[Step]) -> None:
    """Write `run.json`: the resolved configuration, and which version of each table belongs to this run."""
    known = {name: ref.fingerprint for step in planned for name, ref in step.targets.items() if name not in OF_STAGES}
    stages = {step.stage.NAME: step.fingerprint for step in planned}
    resolved = config.model_dump(mode="json", exclude={"base"})
    store.write_json({"config": resolved, "tables": known, "stages": stages}, "run.json")
