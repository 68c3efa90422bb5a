"""The certificate of an environment: what was tried on every tool, what held, and what was dropped for it.

Every tool runs on sampled valid arguments in seeded states; a read changes nothing, a write changes something, a bad
argument gives a structured error and changes nothing, two runs agree to the byte. A tool that fails is dropped by name;
an environment with too few tools left is rejected. Coherence and shape are measured and published, not enforced.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rayscaler.environment import CompiledTool, EnvironmentSpec
from rayscaler.environments.certificate_chains import check_chains
from rayscaler.environments.certificate_checks import Checked, Failure, check_tool_runs
from rayscaler.environments.certificate_coherence import Pair, check_pairs
from rayscaler.environments.hosting import HostedEnvironment, host_tool
from rayscaler.environments.language import check_tool
from rayscaler.environments.policy import write_policy
from rayscaler.errors import EnvironmentSpecError, ToolCodeError
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import MaterializeRecipe
from rayscaler.seeds import seed_of


class Certified(NamedTuple):
    """A proved environment, or None if it was rejected. tools in = tools of `spec` + rejected tools."""

    spec: EnvironmentSpec | None
    certificate: dict[str, Any]
    rejects: list[Rejected]


def certify(spec: EnvironmentSpec, recipe: MaterializeRecipe, *, seed: int) -> Certified:
    """Prove `spec` on `recipe.certificate_samples` seeded states. Same arguments, same bytes.

    What is published is what was proved: tools that fail take their tables with them, and what is left is tried again
    as it will ship, until nothing falls away. `states` in the certificate are the digests of its seeded states.
    """
    spec, rejects = _hostable(spec.model_copy(update={"rows": recipe.rows}))
    seeds = [seed_of(seed, "certificate", spec.environment_id, i) >> 32 for i in range(recipe.certificate_samples)]
    certificate: dict[str, Any] = {}
    fallen: dict[str, dict[str, Any]] = {}
    while len(spec.tools) >= recipe.min_tools:
        try:
            checked, certificate = _round(spec, seeds, seed)
        except (EnvironmentSpecError, ToolCodeError) as error:
            return _not_starting(spec, rejects, certificate, error)
        failures = {name: c.failure for name, c in checked.items() if c.failure is not None}
        certificate["tools"] = fallen | certificate["tools"]
        if not failures:
            return Certified(spec, certificate, rejects)
        fallen |= {name: certificate["tools"][name] for name in failures}
        rejects += [_failed(t, failures[t.name]) for t in spec.tools if t.name in failures]
        spec = _without(spec, set(failures))
    return _too_few(spec, rejects, recipe, certificate)


def _round(spec: EnvironmentSpec, seeds: list[int], seed: int) -> tuple[dict[str, Checked], dict[str, Any]]:
    """All tools of `spec` tried in all seeded states, and what there is to publish if none of them fails."""
    environment = HostedEnvironment(spec)
    sessions = [environment.start(s) for s in seeds]
    states = [session.digest() for session in sessions]
    checked: dict[str, Checked] = {}
    for tool in spec.tools:
        checked[tool.name] = check_tool_runs(environment, tool, list(sessions), seed=seed)
        if checked[tool.name].failure is not None:
            # A tool that fails can leave something behind; the next ones begin at the start again.
            for session in sessions:
                session.reset()
    certificate = _certificate(spec, checked, seeds, states)
    if all(c.failure is None for c in checked.values()):
        certificate["coherence"] = _coherence(
            [*check_pairs(environment, sessions[0], seed=seed), *check_chains(environment, sessions[0], seed=seed)]
        )
    return checked, certificate


def _hostable(spec: EnvironmentSpec) -> tuple[EnvironmentSpec, list[Rejected]]:
    """The environment without tools that cannot be hosted at all."""
    refused: list[Rejected] = []
    for tool in spec.tools:
        try:
            host_tool(tool, spec)
        except (ToolCodeError, EnvironmentSpecError) as error:
            refused.append(Rejected(tool.tool_id, Reason.CODE_REFUSED, str(error)[:300]))
    gone = {r.key for r in refused}
    return _without(spec, {t.name for t in spec.tools if t.tool_id in gone}), refused


def _without(spec: EnvironmentSpec, names: set[str]) -> EnvironmentSpec:
    """`spec` without some tools, and without tables that nothing is left to speak of."""
    if not names:
        return spec
    tools = tuple(t for t in spec.tools if t.name not in names)
    used = {t.entity for t in tools} | {b.entity for t in tools for b in t.bindings if b.entity}
    used |= {use.table for t in tools for use in check_tool(t.code).uses}
    while True:
        wider = used | {c.references for e in spec.entities if e.name in used for c in e.columns if c.references}
        if wider == used:
            break
        used = wider
    kept = spec.model_copy(update={"tools": tools, "entities": tuple(e for e in spec.entities if e.name in used)})
    return kept.model_copy(update={"policy": write_policy(kept)})


def _failed(tool: CompiledTool, failure: Failure) -> Rejected:
    return Rejected(
        tool.tool_id, Reason.CERTIFICATE_FAILED, f"{failure.check}: expected {failure.expected}, found {failure.found}"
    )


def _not_starting(
    spec: EnvironmentSpec, rejects: list[Rejected], certificate: dict[str, Any], error: Exception
) -> Certified:
    reject = Rejected(spec.environment_id, Reason.CERTIFICATE_FAILED, f"the environment does not start: {error}")
    dropped = [_dropped(t, "its environment does not start") for t in spec.tools]
    return Certified(None, certificate, [*rejects, *dropped, reject])


def _dropped(tool: CompiledTool, why: str) -> Rejected:
    return Rejected(tool.tool_id, Reason.TOO_FEW_TOOLS, why)


def _too_few(
    spec: EnvironmentSpec, rejects: list[Rejected], recipe: MaterializeRecipe, certificate: dict[str, Any]
) -> Certified:
    detail = f"{len(spec.tools)} tools passed, at least {recipe.min_tools} are wanted"
    rejected = [_dropped(t, f"passed, but {detail}") for t in spec.tools]
    return Certified(
        None, certificate, [*rejects, *rejected, Rejected(spec.environment_id, Reason.TOO_FEW_TOOLS, detail)]
    )


def _certificate(
    spec: EnvironmentSpec, checked: dict[str, Checked], seeds: list[int], states: list[str]
) -> dict[str, Any]:
    tools: dict[str, dict[str, Any]] = {}
    left_out = {t.name: t.left_out for t in spec.tools}
    shapes = [0, 0]
    for name, one in checked.items():
        tools[name] = {"passed": one.failure is None, "checks": one.checks}
        if left_out.get(name):
            tools[name]["left_out"] = list(left_out[name])
        if one.failure is not None:
            tools[name]["failure"] = one.failure._asdict()
        worded = [t.rule.said for t in one.rules if t.broken and t.rule.kind in ("state", "arguments", "unique")]
        if worded:
            tools[name]["rules"] = worded
        shapes[0] += one.shapes[0]
        shapes[1] += one.shapes[1]
        if one.shapes[1]:
            tools[name]["shape"] = {"conforming": one.shapes[0], "answers": one.shapes[1]}
    return {
        "environment_id": spec.environment_id,
        "seeds": seeds,
        "states": states,
        "tools": tools,
        "shape": {"conforming": shapes[0], "answers": shapes[1]},
        "rules": _rules(checked),
    }


def _rules(checked: dict[str, Checked]) -> dict[str, dict[str, int]]:
    """Kind of rule -> how many there are, and how many were both kept and broken in a call."""
    counted: dict[str, dict[str, int]] = {}
    for tried in (t for one in checked.values() for t in one.rules):
        kind = counted.setdefault(tried.rule.kind, {"found": 0, "both_sides": 0})
        kind["found"] += 1
        kind["both_sides"] += tried.broken and not tried.found
    return dict(sorted(counted.items()))


def _coherence(pairs: list[Pair]) -> dict[str, Any]:
    tried = [p for p in pairs if p.held is not None]
    broken = [{"writer": p.writer.name, "reader": p.reader.name, "found": p.found} for p in tried if not p.held]
    held = len(tried) - len(broken)
    kinds: dict[str, tuple[int, int]] = {}
    for pair in tried:
        good, every = kinds.get(pair.kind, (0, 0))
        kinds[pair.kind] = good + bool(pair.held), every + 1
    return {
        "held": held,
        "total": len(tried),
        "not_comparable": len(pairs) - len(tried),
        "kinds": {kind: [held, every] for kind, (held, every) in sorted(kinds.items())},
        "score": round(held / len(tried), 4) if tried else None,
        "broken": broken,
    }
