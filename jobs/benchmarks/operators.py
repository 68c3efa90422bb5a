"""`bench.py operators`: whether a tool reads or writes, predicted from its words alone, against what is known of it.

The pool: method, route, locations and hints are hidden, the prediction stands on name, description and schemas. GET and
HEAD read, PUT, PATCH and DELETE write; a POST says nothing and is judged by the vendor's own verbs (AWS and Google name
operations by a closed list of them). Kinds are judged where the vendor's verb fixes one (CreateX, deleteX).
The benchmarks: `operator_truth.yaml`, decided from their own sources; every miss is listed with what explains it.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
import yaml

from benchmarks.measure import markdown
from rayscaler.environment import Operator
from rayscaler.environments.operators import Reading, read_tool
from rayscaler.runs import open_run
from rayscaler.toolspec import ToolSpec, words

KINDS = {"create": Operator.CREATE, "insert": Operator.CREATE, "list": Operator.LIST, "describe": Operator.GET,
         "get": Operator.GET, "update": Operator.UPDATE, "patch": Operator.UPDATE, "modify": Operator.UPDATE,
         "delete": Operator.DELETE, "search": Operator.SEARCH, "query": Operator.SEARCH}  # fmt: skip


class Judged(NamedTuple):
    """One prediction: which row of the table it counts in, whether it is right, the tool, and what was read."""

    group: str
    right: bool
    tool: str
    found: str


def main(
    runs: Annotated[list[str], typer.Argument(help="Runs whose tools are judged: folders or URIs.")],
    bench: Annotated[Path, typer.Option(help="Folder with tau-bench and bfcl-v4.")] = Path("../shared/data/bench"),
) -> None:
    """Print the share of right predictions per source, then every miss on the benchmarks."""
    judged: list[Judged] = []
    for run in runs:
        judged += pool(run)
    if bench.is_dir():
        judged += benchmarks(bench)
    print(markdown(["tools of", "right", "of", "share"], table(judged)))
    truth = _truth()
    for miss in (j for j in judged if not j.right and not j.group.startswith("pool")):
        why = truth["explained"].get(miss.tool, "unexplained")
        print(f"\n{miss.group}: {miss.tool} was read as {miss.found}: {why}")


def table(judged: list[Judged]) -> list[list[str]]:
    """One row per group, in order of appearance."""
    every, right = Counter(j.group for j in judged), Counter(j.group for j in judged if j.right)
    return [[g, f"{right[g]:,}", f"{n:,}", f"{right[g] / n:.2%}"] for g, n in every.items()]


def pool(run: str) -> list[Judged]:
    """Predictions on all tools of a run."""
    found = []
    rows = open_run(run).table("tools")
    for batch in rows.to_batches(max_chunksize=2000):
        for row in batch.to_pylist():
            found += judge(ToolSpec.from_row(row))
    return sorted(found, key=lambda j: j.group)


def judge(tool: ToolSpec) -> list[Judged]:
    """What can be judged of one tool: its method, else its vendor's verb; and the kind that the verb fixes."""
    reading, verb = read_blind(tool), _vendor_verb(tool)
    judged = []
    if tool.method in ("GET", "HEAD", "PUT", "PATCH", "DELETE"):
        wanted: bool | None = tool.method not in ("GET", "HEAD")
        group = f"pool: {tool.format}, by method"
    else:
        vendor = _truth()["vendor"]
        wanted = True if verb in vendor["writes"] else False if verb in vendor["reads"] else None
        group = f"pool: {tool.format}, POST or none, by the vendor's verb"
    if wanted is not None:
        judged.append(_judged(group, reading, reading.operator.writes == wanted))
    if verb in KINDS:
        kind = KINDS[verb]
        near = {Operator.GET: (Operator.GET, Operator.LIST, Operator.SEARCH)}.get(kind, (kind,))
        judged.append(_judged(f"pool: {tool.format}, kind by the vendor's verb", reading, reading.operator in near))
    return judged


def read_blind(tool: ToolSpec) -> Reading:
    """The reading of a tool of which only name, description and schemas are known."""
    hidden: dict[str, Any] = {"method": "", "path": "", "resources": (), "locations": {}, "read_only": None}
    return read_tool(tool.model_copy(update=hidden), trust_method=False)


def benchmarks(bench: Path) -> list[Judged]:
    """tau-bench's tools and BFCL's functions."""
    truth = _truth()
    judged = []
    for domain, writes in truth["tau-bench"].items():
        for told in json.loads((bench / "tau-bench" / domain / "tools.json").read_text()):
            judged.append(_on(f"tau-bench {domain}", told["function"], told["function"]["name"] in writes))
    for file in sorted((bench / "bfcl-v4" / "multi_turn_func_doc").glob("*.json")):
        for line in file.read_text().splitlines():
            function = json.loads(line)
            said = function["description"].split("Tool description:")[-1].strip()
            writes = function["name"] in truth["bfcl"][file.stem]
            judged.append(_on("BFCL", {**function, "description": said}, writes))
    return judged


def _on(group: str, function: dict[str, Any], writes: bool) -> Judged:
    parameters = {**function["parameters"], "type": "object"}
    tool = ToolSpec(tool_id=function["name"], name=function["name"], vendor="", api="", parameters=parameters,
                    description=function["description"], format="functions")  # fmt: skip
    reading = read_blind(tool)
    return _judged(group, reading, reading.operator.writes == writes)


def _judged(group: str, reading: Reading, right: bool) -> Judged:
    found = f"{'write' if reading.operator.writes else 'read'} ({reading.operator}, «{reading.word or 'no verb'}»)"
    return Judged(group, right, reading.tool.name, found)


def _vendor_verb(tool: ToolSpec) -> str:
    """The verb by which AWS and Google name the operation: first word of `CreateUser`, last part of `events.insert`."""
    mark = {"aws": "/", "google": "."}.get(tool.format)
    return next(iter(words(tool.tool_id.rsplit(mark, 1)[-1])), "") if mark else ""


@cache
def _truth() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("operator_truth.yaml").read_text())
    return loaded
