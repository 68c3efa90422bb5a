"""`bench.py fidelity`: tau-bench's worlds compiled from their tool lists alone, beside those that people made. No Ray.

The compiler sees `tools.json` and nothing else. Then the benchmark's own tables are imported and every gold run of the
split is made, call by call, from the imported start. A tool of the benchmark writes if whenever it succeeds a record
that it names is among the `changed_records` of its task. Of each such call: whether it runs here, whether it changes
the record that it changes there, and which columns end up otherwise than in the benchmark's record.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.measure import markdown
from rayscaler.environment import CallResult, Session
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.importing import Imported, import_tables
from rayscaler.recipes import IngestRecipe, MaterializeRecipe, Source
from rayscaler.specs.files import SpecFile
from rayscaler.specs.read import read_file

DOMAINS = ("retail", "airline")
HEAD = ["tool", "gold calls", "ran", "same record", "same content", "only the benchmark changes", "only ours changes",
        "changed otherwise"]
Record = dict[str, Any]
Key = tuple[str, str]


class Call(NamedTuple):
    """A gold call, what the benchmark answered, and the record that it changed there; `created` if it was new."""

    tool: str
    arguments: dict[str, Any]
    answer: str
    changed: Key | None
    created: bool


class Tally(NamedTuple):
    """What became of the calls of one tool."""

    counts: Counter[str]
    benchmark: Counter[str]
    ours: Counter[str]
    otherwise: Counter[str]


def read_world(folder: Path) -> Imported:
    """The environment compiled from `tools.json`, and the benchmark's tables fitted to it."""
    file = folder / "tools.json"
    listed = SpecFile("bench", file.name, str(file), "", file.stat().st_size)
    tools = read_file(listed, file.read_bytes(), Source(path=str(file)), IngestRecipe()).tools
    domain = {"domain_id": folder.name, "title": folder.name}
    spec = compile_environment(domain, tools, MaterializeRecipe(min_tools=1)).spec
    return import_tables(spec, read_tables(folder))


def read_tables(folder: Path) -> dict[str, dict[str, Record]]:
    """The benchmark's own tables: name -> key -> record."""
    return {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted((folder / "db").glob("*.json"))}


def read_runs(folder: Path, split: str) -> list[list[Call]]:
    """The gold runs of a split, with what each writing call changed in the benchmark."""
    gold = json.loads((folder / f"gold_{split}.json").read_text(encoding="utf-8"))["tasks"]
    tasks = json.loads((folder / f"tasks_{split}.json").read_text(encoding="utf-8"))
    pairs = [(t["actions"], g["observations"], g["changed_records"]) for t, g in zip(tasks, gold, strict=True)]
    writers = _writers(pairs)
    tables = read_tables(folder)
    runs = []
    for actions, answers, changed in pairs:
        run = []
        for action, answer in zip(actions, answers, strict=True):
            key, created = None, False
            if action["name"] in writers and _succeeded(answer):
                key, created = _main_record(action["kwargs"], answer, changed, tables)
            run.append(Call(action["name"], action["kwargs"], answer or "", key, created))
        runs.append(run)
    return runs


def _succeeded(answer: str | None) -> bool:
    return answer is not None and not answer.startswith("Error")


def _writers(pairs: list[tuple[list[Any], list[Any], dict[str, list[str]]]]) -> set[str]:
    calls: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for actions, answers, changed in pairs:
        keys = [k for found in changed.values() for k in found]
        for action, answer in zip(actions, answers, strict=True):
            if _succeeded(answer):
                calls[action["name"]] += 1
                told[action["name"]] += any(k in answer or k in action["kwargs"].values() for k in keys)
    return {name for name, n in calls.items() if told[name] == n}


def _main_record(arguments: Record, answer: str, changed: dict[str, list[str]],
                 tables: dict[str, dict[str, Record]]) -> tuple[Key | None, bool]:
    """The record that a call is about: the one that it made, else the one that its arguments name."""
    found = [(table, key) for table, keys in changed.items() for key in keys]
    made = [(t, k) for t, k in found if k not in tables[t] and k in answer]
    named = [(t, k) for t, k in found if k in arguments.values()]
    return next(iter([*made, *named]), None), bool(made)


def compare(world: Imported, runs: list[list[Call]], tables: dict[str, dict[str, Record]]) -> dict[str, Tally]:
    """Every gold run made in the compiled world; per tool of the benchmark that writes, what became of its calls."""
    tallies: dict[str, Tally] = {}
    with closing(HostedEnvironment(world.spec, rows=1).start(0)) as session:
        for table, rows in world.rows.items():
            session.load_rows(table, rows)
        for run in runs:
            session.reset()
            _compare_run(tallies, world, run, session, tables)
    return tallies


def _compare_run(tallies: dict[str, Tally], world: Imported, run: list[Call], session: Session,
                 tables: dict[str, dict[str, Record]]) -> None:
    there: dict[Key, Record] = {}
    for call in run:
        result = session.call(call.tool, call.arguments)
        if call.changed is not None:
            table, key = call.changed
            before = there.get(call.changed) or tables[table].get(key, {})
            there[call.changed] = _record(call.answer) or before
            sides = [_fitted(world, table, key, record) for record in (before, there[call.changed])]
            _count(tallies.setdefault(call.tool, Tally(*(Counter() for _ in range(4)))), world, call, result, sides)


def _record(answer: str) -> Record:
    try:
        found = json.loads(answer)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _count(tally: Tally, world: Imported, call: Call, result: CallResult, sides: list[Record]) -> None:
    """Count one call. sides: the benchmark's record before and after it, in our columns."""
    assert call.changed is not None
    table, key = call.changed
    change = next((c for c in result.changes if c.table == table and (call.created or key in c.key.values())), None)
    tally.counts["calls"] += 1
    tally.counts["ran"] += result.ok
    tally.counts["same record"] += change is not None
    if change is None:
        tally.otherwise[f"{result.error.kind}" if result.error else "another table"] += 1
        return
    was, expected = sides
    generated = {c.name for c in world.spec.entity(table).columns if c.generated}
    theirs = {c for c in {*expected, *was} - generated if expected.get(c) != was.get(c)}
    ours = {c: v for c, v in (change.after or {}).items() if c not in generated and v is not None}
    decoded = {c: _decoded(v, expected.get(c)) for c, v in ours.items()}
    differs = {c for c in theirs & ours.keys() if decoded[c] != expected.get(c)}
    tally.counts["same content"] += theirs == ours.keys() and not differs
    tally.benchmark.update(sorted(theirs - ours.keys()))
    tally.ours.update(sorted(c for c in ours.keys() - theirs if decoded[c] != expected.get(c)))
    tally.otherwise.update(sorted(differs))


def _fitted(world: Imported, table: str, key: str, record: Record) -> Record:
    """A record of the benchmark in the columns of ours; what has no column there keeps its own name."""
    return import_tables(world.spec, {table: {key: record}}).rows[table][0] if record else {}


def _decoded(value: Any, like: Any) -> Any:
    return json.loads(value) if isinstance(like, list | dict) and isinstance(value, str) else value


def _lines(tallies: dict[str, Tally]) -> list[list[str]]:
    lines = []
    for name, tally in sorted(tallies.items()):
        counts = [str(tally.counts[k]) for k in ("calls", "ran", "same record", "same content")]
        lines.append([f"`{name}`", *counts, *(_said(c) for c in (tally.benchmark, tally.ours, tally.otherwise))])
    total = [sum(t.counts[k] for t in tallies.values()) for k in ("calls", "ran", "same record", "same content")]
    shares = [f"{n} ({n / max(1, total[0]):.1%})" for n in total[1:]]
    return [*lines, ["all", str(total[0]), *shares, "", "", ""]]


def _said(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.most_common(5))


def main(
    folder: Annotated[Path, typer.Option(help="tau-bench's data.")] = Path("../shared/data/bench/tau-bench"),
    splits: Annotated[str, typer.Option(help="Splits of gold runs, with commas between.")] = "test",
    quick: Annotated[bool, typer.Option("--quick", help="Ten runs per split.")] = False,
) -> None:
    """Compile tau-bench from its tool lists, import its tables, run its gold, and tell what differs."""
    for domain in DOMAINS:
        world, tables = read_world(folder / domain), read_tables(folder / domain)
        missing = sorted(tables.keys() - {e.name for e in world.spec.entities})
        typer.echo(f"\n## {domain}\n\nTables: {', '.join(e.name for e in world.spec.entities)}; "
                   f"of the benchmark's own {', '.join(tables)}, missing: {', '.join(missing) or 'none'}.\n")
        notes = [[n.table, n.key, n.how, n.column] for n in world.notes if n.how != "same"]
        typer.echo(markdown(["table", "key", "how", "column"], notes))
        for split in splits.split(","):
            if (folder / domain / f"gold_{split}.json").exists():
                runs = read_runs(folder / domain, split)[: 10 if quick else None]
                typer.echo(f"\n### {domain}, {split}: {len(runs)} gold runs\n")
                typer.echo(markdown(HEAD, _lines(compare(world, runs, tables))))
