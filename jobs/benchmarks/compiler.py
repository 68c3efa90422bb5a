"""`bench.py compiler`: what becomes of the tools of a run's domains: compiled, proved, coherent, in the right shape.

One process, no Ray: domains are drawn at random, each compiled and certified, and every tool ends as one of the
environment's or under a reason. A tool's share is told of all tools and of the tools of accepted domains. Constants are
the leaf values of an answer that its tool's source spells out: they are neither in a row nor in the arguments.
"""

from __future__ import annotations

import ast
import json
import os
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from benchmarks.measure import markdown, own_peak_mb
from rayscaler.environment import CompiledTool, EnvironmentSpec
from rayscaler.environments.certificate import certify
from rayscaler.environments.compiler import compile_environment
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.sampling import sample_arguments
from rayscaler.reasons import Rejected
from rayscaler.recipes import MaterializeRecipe
from rayscaler.runs import open_run
from rayscaler.runtime.lookup import Lookup
from rayscaler.seeds import rng
from rayscaler.toolspec import ToolSpec


class Domain(NamedTuple):
    """What became of one domain. `spec` is None if it was rejected; seconds are of the processor."""

    domain: dict[str, Any]
    spec: EnvironmentSpec | None
    certificate: dict[str, Any]
    rejects: list[Rejected]
    compile_s: float
    certify_s: float


def main(
    run: Annotated[str, typer.Argument(help="A run with domains and tools: a folder or URI.")],
    sample: Annotated[int, typer.Option(help="Domains drawn at random; 0 takes all.")] = 0,
    seed: Annotated[int, typer.Option(help="What is drawn, and the seed of the certificates.")] = 0,
    details: Annotated[Path | None, typer.Option(help="File for what failed, as JSON lines.")] = None,
) -> None:
    """Print what share of the tools compile and pass, why the others do not, what it costs, and the two scores."""
    load = os.getloadavg()[0]
    done = list(domains(run, sample, seed))
    print(markdown(["measured", "value"], summary(done, constants(done, seed))))
    print()
    print(markdown(["tools left out", "reason", "as the compiler says it"], reasons(done)))
    print(f"\nload {load:.1f}, peak {own_peak_mb():,.0f} MiB of this process")
    if details is not None:
        details.write_text("".join(f"{json.dumps(row)}\n" for row in told(done)))


def domains(run: str, sample: int, seed: int) -> Iterator[Domain]:
    """The drawn domains of `run`, compiled and certified one after the other."""
    opened = open_run(run)
    rows = opened.table("domains").to_pylist()
    if sample and sample < len(rows):
        rows = [rows[i] for i in sorted(rng(seed, "sample").choice(len(rows), sample, replace=False))]
    tools = Lookup(opened.store, opened.ref("tools"))
    recipe = MaterializeRecipe()
    for row in rows:
        yield one_domain(row, [ToolSpec.from_row(tools[t]) for t in row["tool_ids"]], recipe, seed)


def one_domain(domain: dict[str, Any], tools: list[ToolSpec], recipe: MaterializeRecipe, seed: int) -> Domain:
    """Compile and certify one domain."""
    began = time.process_time()
    compiled = compile_environment(domain, tools, recipe)
    between = time.process_time()
    certified = certify(compiled.spec, recipe, seed=seed)
    rejects = [r for r in (*compiled.rejects, *certified.rejects) if r.key != domain["domain_id"]]
    ended = time.process_time()
    return Domain(domain, certified.spec, certified.certificate, rejects, between - began, ended - between)


def summary(done: list[Domain], leaves: Counter[str]) -> list[list[str]]:
    """The figures of the benchmark."""
    accepted = [d for d in done if d.spec is not None]
    tools, inside = (sum(d.domain["n_tools"] for d in some) for some in (done, accepted))
    passed = sum(len(d.spec.tools) for d in accepted if d.spec)
    ms = sorted(1000 * (d.compile_s + d.certify_s) for d in done)
    shares = {word: [0, 0] for word in ("coherence", "shape")}
    for d in accepted:
        _add(shares["coherence"], d.certificate["coherence"]["held"], d.certificate["coherence"]["total"])
        _add(shares["shape"], d.certificate["shape"]["conforming"], d.certificate["shape"]["answers"])
    scores = [d.certificate["coherence"]["score"] for d in accepted]
    scored = [s for s in scores if s is not None]
    whole = [t["shape"] for d in accepted for t in d.certificate["tools"].values() if t["passed"] and "shape" in t]
    return [
        ["domains", f"{len(done):,}"],
        ["environments accepted", f"{len(accepted):,}"],
        ["tools", f"{tools:,}"],
        ["tools that pass, of all", _share(passed, tools)],
        ["tools that pass, of those in accepted domains", _share(passed, inside)],
        ["compile, mean ms of a domain", f"{1000 * sum(d.compile_s for d in done) / len(done):.0f}"],
        ["certify, mean ms of a domain", f"{1000 * sum(d.certify_s for d in done) / len(done):.0f}"],
        ["both, median and slowest ms", f"{ms[len(ms) // 2]:.0f}, {ms[-1]:.0f}"],
        ["(writer, reader) pairs that hold", _share(*shares["coherence"])],
        ["environments whose pairs hold to 95%", _share(sum(s >= 0.95 for s in scored), len(scored))],
        ["answers in the shape of their schema", _share(*shares["shape"])],
        ["tools whose every answer is", _share(sum(s["conforming"] == s["answers"] for s in whole), len(whole))],
        ["leaf values in answers that are constants", _share(leaves["constant"], leaves.total())],
        *_rules(accepted),
    ]


def _rules(accepted: list[Domain]) -> list[list[str]]:
    """Per kind of rule, how many the tools have, and how many of them the certificates both kept and broke."""
    counted: dict[str, list[int]] = {}
    for kind, counts in (item for d in accepted for item in d.certificate["rules"].items()):
        _add(counted.setdefault(kind, [0, 0]), counts["both_sides"], counts["found"])
    return [[f"rules on {kind}, kept and broken", _share(*counts)] for kind, counts in sorted(counted.items())]


def _add(total: list[int], held: int, every: int) -> None:
    total[0] += held
    total[1] += every


def _share(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,} ({part / whole:.1%})" if whole else "none"


_SPECIFIC = re.compile(r"«[^»]*»|'[^']*'|\"[^\"]*\"|\{.*|\d+")


def reasons(done: list[Domain]) -> list[list[str]]:
    """How many tools were left out for which reason, what is specific to one tool replaced by a mark."""
    found = Counter((r.reason.value, _SPECIFIC.sub("…", r.detail)[:90]) for d in done for r in d.rejects)
    return [[f"{n:,}", reason, detail.replace("|", "/")] for (reason, detail), n in found.most_common(30)]


def told(done: list[Domain]) -> Iterator[dict[str, Any]]:
    """Every tool that was left out and every pair that does not hold."""
    for d in done:
        for reject in d.rejects:
            yield {"domain_id": d.domain["domain_id"], **reject._asdict()}
        for broken in d.certificate.get("coherence", {}).get("broken", ()):
            yield {"domain_id": d.domain["domain_id"], **broken}


def constants(done: list[Domain], seed: int) -> Counter[str]:
    """Leaf values of one answer per tool: of a row, of the arguments, or spelled out in the tool's source."""
    leaves: Counter[str] = Counter()
    for d in done:
        if d.spec is None:
            continue
        environment = HostedEnvironment(d.spec)
        session = environment.start(d.certificate["seeds"][0])
        for tool in d.spec.tools:
            draw = rng(seed, "sample", d.spec.environment_id, tool.name, 0)
            arguments = sample_arguments(d.spec, tool, session, draw)
            if arguments is not None:
                leaves += _sorted_out(tool, session.call(tool.name, arguments).value)
                session.reset()
    return leaves


def _sorted_out(tool: CompiledTool, answer: Any) -> Counter[str]:
    spelled = _spelled(tool.code)
    names = [name for name, _ in _leaves("", answer)]
    return Counter("constant" if name in spelled else "data" for name in names)


def _spelled(code: str) -> set[str]:
    """Names whose value the source spells out in a dict display: `{"done": True}`."""
    return {
        str(key.value)
        for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Dict)
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and _is_constant(value)
    }


def _is_constant(node: ast.expr) -> bool:
    if isinstance(node, ast.Dict):
        return all(_is_constant(v) for v in node.values)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.List) and all(_is_constant(e) for e in node.elts))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Scalars with the name they stand under, empty lists and objects too."""
    if isinstance(value, dict) and value:
        for inner, held in value.items():
            yield from _leaves(inner, held)
    elif isinstance(value, list) and value:
        for held in value:
            yield from _leaves(name, held)
    else:
        yield name, value
