"""Gold runs with what their calls answered, and the tools they call: what `bench.py links` measures links on.

- tau-bench, retail and airline: answers are recorded beside the gold actions. Its tools declare none, so that tools are
  given twice: with answers that rayscaler infers, and with the schema of the first recorded answer of each.
- BFCL v4, multi_turn_base: eight APIs and 200 tasks. Tools declare their answers; those of gold are had by running it
  in the benchmark's own classes (`pip install --no-deps bfcl-eval mpmath`). Given without declared answers, and with.
"""

from __future__ import annotations

import ast
import copy
import importlib.util
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from rayscaler.graph.evidence import Call, observed_schema
from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs import SpecFile, read_file
from rayscaler.specs.answers import with_answers
from rayscaler.specs.naming import function_name
from rayscaler.toolspec import ToolSpec

BFCL_CLASSES = {
    "GorillaFileSystem": "gorilla_file_system", "MathAPI": "math_api", "MessageAPI": "message_api",
    "TwitterAPI": "posting_api", "TicketAPI": "ticket_api", "TradingBot": "trading_bot", "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}  # fmt: skip
BFCL_CODE = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"


class GoldSet(NamedTuple):
    """Runs, and the same tools by what is known of their answers."""

    name: str
    runs: list[list[Call]]
    tools: dict[str, list[ToolSpec]]


def gold_sets(folder: Path, *, quick: bool) -> Iterator[GoldSet]:
    """All that is there under `folder`; `quick` gives retail alone."""
    for domain in ("retail",) if quick else ("retail", "airline"):
        yield tau_bench(folder / "tau-bench" / domain)
    if not quick and importlib.util.find_spec("bfcl_eval") and (folder / "bfcl-v4").is_dir():
        yield bfcl(folder / "bfcl-v4")


def tau_bench(folder: Path) -> GoldSet:
    """One domain's test split."""
    gold = {t["task_index"]: t for t in json.loads((folder / "gold_test.json").read_text())["tasks"]}
    runs = []
    for task in json.loads((folder / "tasks_test.json").read_text()):
        answers = gold[task["task_index"]]["observations"]
        runs.append([Call(a["name"], a["kwargs"], _answer(t)) for a, t in zip(task["actions"], answers, strict=True)])
    observed: dict[str, Any] = {}
    for call in (call for run in runs for call in run if call.answer is not None):
        observed.setdefault(call.tool, observed_schema(call.answer))
    declared = [_tool(f["function"], folder.name) for f in json.loads((folder / "tools.json").read_text())]
    seen = [tool.model_copy(update={"response": observed.get(tool.name)}) for tool in declared]
    return GoldSet(folder.name, runs, {"inferred": with_answers(declared), "as observed": with_answers(seen)})


def _tool(function: dict[str, Any], api: str) -> ToolSpec:
    name, about, arguments = function["name"], function["description"], function["parameters"]
    return ToolSpec(
        tool_id=name, name=name, description=about, vendor="tau", api=api, parameters=arguments, format="functions"
    )


def _answer(text: str | None) -> Any:
    """An answer that is no JSON is a string; an error is None."""
    if text is None or text.startswith("Error"):
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def bfcl(folder: Path) -> GoldSet:
    """The tools of all eight APIs as rayscaler reads their files, and gold as it runs."""
    declared, silent = [], []
    for stem in BFCL_CLASSES.values():
        path = folder / "multi_turn_func_doc" / f"{stem}.json"
        rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
        for told, tools in ((True, declared), (False, silent)):
            kept = [{k: v for k, v in row.items() if told or k != "response"} for row in rows]
            named = {"vendor": "bfcl", "api": stem}
            tools += [tool.model_copy(update={"tool_id": tool.name, **named}) for tool in _read(kept, stem)]
    tasks = (folder / "BFCL_v4_multi_turn_base.json").read_text().splitlines()
    gold = (folder / "possible_answer" / "BFCL_v4_multi_turn_base.json").read_text().splitlines()
    runs = [_run(json.loads(task), json.loads(turns)["ground_truth"]) for task, turns in zip(tasks, gold, strict=True)]
    return GoldSet("bfcl multi-turn", runs, {"inferred": silent, "as declared": declared})


def _read(functions: list[dict[str, Any]], name: str) -> list[ToolSpec]:
    data = json.dumps(functions).encode()
    file = SpecFile("bench", f"{name}.json", f"{name}.json", "Apache-2.0", len(data))
    return read_file(file, data, Source(path="bench"), IngestRecipe()).tools


def _run(task: dict[str, Any], turns: list[list[str]]) -> list[Call]:
    """Gold's calls of all turns, run one after the other. A call that fails answers with nothing."""
    methods: dict[str, Any] = {}
    for name in task["involved_classes"]:
        service = getattr(importlib.import_module(f"{BFCL_CODE}.{BFCL_CLASSES[name]}"), name)()
        if name != "MathAPI":
            service._load_scenario(copy.deepcopy(task["initial_config"].get(name, {})), long_context=False)
        methods |= dict(inspect.getmembers(service, predicate=inspect.ismethod))
    calls = []
    for text in (text for turn in turns for text in turn):
        node = ast.parse(text, mode="eval").body
        assert isinstance(node, ast.Call)
        assert isinstance(node.func, ast.Name)
        method = methods[node.func.id]
        given = [ast.literal_eval(value) for value in node.args]
        named = {str(word.arg): ast.literal_eval(word.value) for word in node.keywords}
        arguments = inspect.signature(method).bind(*given, **named).arguments
        try:
            answer = method(**copy.deepcopy(arguments))
        except Exception:   # someone else's code; gold says nothing of what it raises
            answer = None
        failed = isinstance(answer, dict) and "error" in answer
        calls.append(Call(function_name(node.func.id), dict(arguments), None if failed else _plain(answer)))
    return calls


def _plain(answer: Any) -> Any:
    """As JSON would have it."""
    return json.loads(json.dumps(answer, default=str))
