"""`bench.py tasks RUN`: how many certified tasks environments give, of what kind, how varied in words, at what cost.

Takes a seeded random sample of the run's environments (or, where the run ends before `materialize`, of its domains,
which are compiled first and not counted in the times) and composes anew with the run's own recipe. No Ray. CPU seconds
are of one process, `environment.start` included.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from statistics import mean, median
from typing import Annotated, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import typer

from benchmarks.measure import markdown
from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.graph.links import links_of
from rayscaler.reasons import Rejected
from rayscaler.recipes import ComposeRecipe, LinkRecipe, MaterializeRecipe
from rayscaler.runs import Run, open_run
from rayscaler.seeds import rng
from rayscaler.task import Task
from rayscaler.tasks.columns import named_entity
from rayscaler.tasks.compose import compose
from rayscaler.toolspec import ToolSpec

ENOUGH = 5
"""Tasks that an environment should give at least."""


class World(NamedTuple):
    """An environment to compose for: its specification as JSON, and its links."""

    spec: str
    links: list[dict[str, Any]]


class Yield(NamedTuple):
    """What one environment gave, in `cpu_s` of CPU. brought: tasks whose user tells a key that the service made."""

    title: str
    tasks: list[Task]
    brought: int
    rejects: list[Rejected]
    cpu_s: float


def worlds(run: Run, sample: int, workers: int) -> list[World]:
    """A random sample of the run's environments; they are compiled here if the run has none."""
    have = {record.table.split("@")[0] for record in run.tables()}
    if "environments" in have:
        rows = _sampled(run.table("environments").to_pylist(), sample)
        return [World(row["spec"], run.links(row["environment_id"])) for row in rows]
    domains = _sampled(run.table("domains").to_pylist(), sample)
    ids = sorted({tool for domain in domains for tool in domain["tool_ids"]})
    table = run.table("tools")
    tools = {t["tool_id"]: t for t in table.filter(pc.is_in(table["tool_id"], pa.array(ids))).to_pylist()}
    work = [(domain, [tools[t] for t in domain["tool_ids"]], run.config) for domain in domains]
    with ProcessPoolExecutor(workers) as pool:
        return [world for world in pool.map(_compiled, work) if world is not None]


def _sampled(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    order = rng(0, "bench", "tasks").permutation(len(rows))
    return [rows[int(i)] for i in order[:count]]


def _compiled(work: tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]) -> World | None:
    domain, rows, config = work
    recipe = MaterializeRecipe.model_validate(config["recipes"]["materialize"])
    tools = [ToolSpec.from_row(row) for row in rows]
    certified = certify(compile_environment(domain, tools, recipe).spec, recipe, seed=config["seed"])
    if certified.spec is None:
        return None
    links = links_of(domain["domain_id"], tools, LinkRecipe.model_validate(config["recipes"]["link"]))
    return World(certified.spec.model_dump_json(), links)


def _composed(work: tuple[World, ComposeRecipe, int]) -> Yield:
    world, recipe, seed = work
    spec = EnvironmentSpec.model_validate_json(world.spec)
    began = time.process_time()
    composed = compose(HostedEnvironment(spec), world.links, recipe, seed=seed)
    cpu_s = time.process_time() - began
    return Yield(spec.title, composed.tasks, sum(_brings(spec, t) for t in composed.tasks), composed.rejects, cpu_s)


def _brings(spec: EnvironmentSpec, task: Task) -> bool:
    """Whether the user tells the key of a row that the service has made: `ope-2588`, an ARN."""
    for call in task.gold:
        tool = spec.tool(call.tool)
        told = (tool.binding(p) for p, source in call.sources.items() if source.kind == "fact")
        named = (named_entity(spec, b) for b in told if b is not None)
        if any(spec.entity(e).column(spec.entity(e).key).generated for e in named if e is not None):
            return True
    return False


def distinct(texts: Iterable[str], n: int) -> float:
    """Different n-grams of words as a share of all (distinct-n; Li et al., 2016, arXiv 1510.03055)."""
    grams = [gram for text in texts for gram in _grams(re.findall(r"[\w'@.-]+", text.lower()), n)]
    return len(set(grams)) / max(1, len(grams))


def _grams(found: Sequence[str], n: int) -> Iterable[tuple[str, ...]]:
    return zip(*(islice(found, i, None) for i in range(n)), strict=False)


def yields(found: list[Yield]) -> list[list[str]]:
    """The table of what environments gave."""
    tasks = [t for y in found for t in y.tasks]
    counts, kinds = [len(y.tasks) for y in found], Counter(t.kind for t in tasks)
    bound = [t for t in tasks if t.n_hops]
    cpu = sorted(y.cpu_s for y in found)
    return [
        ["environments", f"{len(found)}"],
        [f"with {ENOUGH} tasks or more", f"{_share(sum(c >= ENOUGH for c in counts), len(found))}"],
        ["with none", f"{_share(sum(c == 0 for c in counts), len(found))}"],
        ["tasks", f"{len(tasks):,}, {mean(counts):.1f} per environment"],
        ["gold calls", f"mean {mean(t.n_calls for t in tasks):.2f}, from {min(t.n_calls for t in tasks)} to "
                       f"{max(t.n_calls for t in tasks)}"],
        ["with an argument from an earlier output", _share(len(bound), len(tasks))],
        ["such arguments per task", f"{mean(t.n_hops for t in tasks):.2f}"],
        ["with a key that the service made, told by the user", _share(sum(y.brought for y in found), len(tasks))],
        ["read, write, mixed", ", ".join(_share(kinds[k], len(tasks)) for k in ("read", "write", "mixed"))],
        ["with distractors", _share(sum(t.n_distractors > 0 for t in tasks), len(tasks))],
        ["distractors per such task", f"{mean([t.n_distractors for t in tasks if t.n_distractors] or [0]):.1f}"],
        ["train, held-out task, held-out domain", ", ".join(
            _share(sum(t.split == s for t in tasks), len(tasks)) for s in ("train", "heldout_task", "heldout_domain"))],
        ["CPU seconds per environment", f"mean {mean(cpu):.2f}, median {median(cpu):.2f}, 95% "
                                        f"{cpu[int(0.95 * (len(cpu) - 1))]:.2f}, largest {cpu[-1]:.2f}"],
        ["CPU milliseconds per task", f"{1000 * sum(cpu) / len(tasks):.0f}"],
    ]


def variety(openings: list[str]) -> list[list[str]]:
    """How different the users' first words are."""
    heads = Counter(" ".join(o.split()[:5]) for o in openings)
    whole = Counter(openings)
    return [
        ["openings", f"{len(openings):,}, {mean(len(o.split()) for o in openings):.0f} words each"],
        ["distinct-1, -2, -3", ", ".join(f"{distinct(openings, n):.3f}" for n in (1, 2, 3))],
        ["said twice word for word", _share(sum(c for c in whole.values() if c > 1), len(openings))],
        ["share of the most frequent first five words", _share(max(heads.values()), len(openings))],
        ["different first five words", _share(len(heads), len(openings))],
    ]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f}%"


def reasons(found: list[Yield]) -> list[list[str]]:
    """Attempts that gave no task, by reason, with the wordings that are most frequent."""
    every = [r for y in found for r in y.rejects]
    rows = []
    for reason, count in Counter(r.reason for r in every).most_common():
        details = Counter(re.sub(r"^\S+?: |from \S+|\d+", "", r.detail)[:80] for r in every if r.reason is reason)
        often = "; ".join(f"{text.strip()} ({n})" for text, n in details.most_common(2))
        rows.append([reason.value, f"{count:,}", often])
    return rows


def main(
    run: Annotated[str, typer.Argument(help="Folder or URI of a run that is whole up to `link` at least.")],
    *,
    sample: Annotated[int, typer.Option(help="Environments, or domains to compile, drawn at random.")] = 100,
    knob: Annotated[list[str] | None, typer.Option(help="A knob of compose: `min_calls=10`. May be repeated.")] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    show: Annotated[int, typer.Option(help="Openings to print, of different environments.")] = 0,
    quick: Annotated[bool, typer.Option(help="Five environments: shows that it runs.")] = False,
) -> None:
    """Yield, length, kinds, distractors, variety and cost of composed tasks, and why walks fail."""
    opened = open_run(run)
    settings = dict(k.split("=", 1) for k in knob or ())
    recipe = ComposeRecipe.model_validate({**opened.config["recipes"]["compose"], **settings})
    with ProcessPoolExecutor(workers) as pool:
        made = worlds(opened, 5 if quick else sample, workers)
        found = list(pool.map(_composed, [(world, recipe, opened.config["seed"]) for world in made]))
    openings = [t.intent.opening for y in found for t in y.tasks]
    typer.echo(markdown(["measure", "value"], yields(found)) + "\n")
    typer.echo(markdown(["words", "value"], variety(openings)) + "\n")
    typer.echo(markdown(["why an attempt gave no task", "attempts", "most often"], reasons(found)) + "\n")
    short = [[y.title, str(len(y.tasks)), Counter(r.reason.value for r in y.rejects).most_common(1)[0][0]]
             for y in found if len(y.tasks) < ENOUGH]
    typer.echo(markdown(["environments with fewer", "tasks", "mostly"], short))
    for one in [y.tasks[0] for y in found if y.tasks][:show]:
        typer.echo(f"\n[{one.environment_id}] {one.intent.opening}")
