"""Another draft of a tool or of the schema, by a model or by hand: taken if it passes what the compiled one passed.

A tool's draft is checked against the tool language, must read or write as the operator says and use the arguments that
the tool has; a schema's draft may say better what columns hold, and adds or drops none. Then the whole environment is
certified with it: no tool may fall, and what the certificate measures (coherence, rules of the world, answers of the
declared shape) may not get worse. Otherwise what stood stands. `certify` is a parameter: code that nobody has run
before is certified in a process that can do nothing else (`rayscaler.runtime.apart.try_out`).

What is not covered: a draft that answers otherwise than before in ways that no check of the certificate looks at.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from rayscaler.environment import CompiledTool, EnvironmentSpec
from rayscaler.environments.certificate import Certified
from rayscaler.environments.hosting import host_tool
from rayscaler.environments.language import check_tool
from rayscaler.environments.policy import write_policy
from rayscaler.errors import EnvironmentSpecError, HostError, ToolCodeError, UndecidedError
from rayscaler.recipes import MaterializeRecipe


class Certifier(Protocol):
    """`certify`, here or in a process of its own."""

    def __call__(self, spec: EnvironmentSpec, recipe: MaterializeRecipe, /, *, seed: int) -> Certified:
        """The certificate of `spec`. Raises HostError if the process that made it was ended."""
        ...


class Why(StrEnum):
    """Why a draft was not taken."""

    CODE_REFUSED = "code_refused"
    """Outside the tool language, or not what the tool is: it reads where the tool writes, or ignores an argument."""
    CERTIFICATE = "certificate"
    """A tool of the environment does not pass with it."""
    COHERENCE = "coherence"
    """All tools pass, and the certificate measures less than before."""
    LIMITS = "limits"
    """The process that certified it was ended."""
    UNDECIDED = "undecided"
    """The process that certified it stood still; the machine may be why."""


class Tried(NamedTuple):
    """A draft that was tried: the environment certified with it, or None and why it was not taken."""

    certified: Certified | None
    why: Why | None = None
    detail: str = ""


class Redrafted(NamedTuple):
    """The environment with every draft that was taken; why each of the others was not, by tool."""

    certified: Certified
    refused: dict[str, str]


def redraft(
    certified: Certified, drafts: Mapping[str, str], recipe: MaterializeRecipe, *, seed: int, certify: Certifier
) -> Redrafted:
    """Try each draft (tool name -> source) in a certified environment, by name; nothing of a refused one stays."""
    refused: dict[str, str] = {}
    for name, code in sorted(drafts.items()):
        tried = try_tool(certified, name, code, recipe, seed=seed, certify=certify)
        if tried.certified is None:
            refused[name] = tried.detail
        else:
            certified = tried.certified
    return Redrafted(certified, refused)


def try_tool(
    certified: Certified, name: str, code: str, recipe: MaterializeRecipe, *, seed: int, certify: Certifier
) -> Tried:
    """Try `code` for the tool called `name` of an environment that passed."""
    assert certified.spec is not None
    try:
        candidate = _with_draft(certified.spec, certified.spec.tool(name), code)
    except (ToolCodeError, EnvironmentSpecError) as error:
        return Tried(None, Why.CODE_REFUSED, str(error))
    return try_spec(certified, candidate, recipe, seed=seed, certify=certify)


def try_spec(
    certified: Certified, candidate: EnvironmentSpec, recipe: MaterializeRecipe, *, seed: int, certify: Certifier
) -> Tried:
    """Try another specification of an environment that passed: the same tools and tables, otherwise drafted."""
    candidate = candidate.model_copy(update={"policy": write_policy(candidate)})
    try:
        found = certify(candidate, recipe, seed=seed)
    except HostError as error:
        why = Why.UNDECIDED if isinstance(error, UndecidedError) else Why.LIMITS
        return Tried(None, why, str(error))
    if found.rejects or found.spec is None:
        return Tried(None, Why.CERTIFICATE, "; ".join(f"{r.key}: {r.detail}" for r in found.rejects[:3]))
    worse = _worse(certified.certificate, found.certificate)
    if worse:
        return Tried(None, Why.COHERENCE, worse)
    fallen = {name: tool for name, tool in certified.certificate["tools"].items() if not tool["passed"]}
    certificate = {**found.certificate, "tools": fallen | found.certificate["tools"]}
    return Tried(Certified(found.spec, certificate, certified.rejects))


def weaknesses(certificate: Mapping[str, Any]) -> dict[str, list[str]]:
    """Tool -> what the certificate measured of it that is not as it should be, for tools that passed."""
    found: dict[str, list[str]] = {}
    for name, tool in certificate["tools"].items():
        shape = tool.get("shape", {"conforming": 0, "answers": 0})
        if tool["passed"] and shape["conforming"] < shape["answers"]:
            told = f"{shape['conforming']} of {shape['answers']} answers have the shape that the specification declares"
            found.setdefault(name, []).append(told)
    for pair in certificate["coherence"]["broken"]:
        told = f"what {pair['writer']} writes is not seen by {pair['reader']}: {pair['found']}"
        for name in dict.fromkeys((pair["reader"], pair["writer"])):
            found.setdefault(name, []).append(told)
    return dict(sorted(found.items()))


def _with_draft(spec: EnvironmentSpec, tool: CompiledTool, code: str) -> EnvironmentSpec:
    draft = tool.model_copy(update={"code": code})
    if host_tool(draft, spec).writes != tool.operator.writes:
        kind = "writes" if tool.operator.writes else "reads"
        raise ToolCodeError(f"{tool.name}: the tool {kind} ({tool.operator}), the draft does not")
    ignored = sorted(_used(tool.code) - _used(code))
    if ignored:
        raise ToolCodeError(f"{tool.name}: the draft makes no use of {', '.join(ignored)}")
    return spec.model_copy(update={"tools": tuple(draft if t.name == tool.name else t for t in spec.tools)})


def _used(code: str) -> set[str]:
    """The parameters that the tool's body speaks of. The code is inside the language."""
    names = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
    return {p.name for p in check_tool(code).parameters} & names


def _worse(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """What the certificate measures less of, in words; empty if nothing."""
    measures = {
        "pairs of tools where the one sees what the other writes": (_held(before), _held(after)),
        "their share": (_score(before), _score(after)),
        "rules of the world that hold and can be broken": (_rules(before), _rules(after)),
        "answers of the declared shape": (before["shape"]["conforming"], after["shape"]["conforming"]),
    }
    return "; ".join(f"{name}: {new:g}, it was {old:g}" for name, (old, new) in measures.items() if new < old)


def _held(certificate: Mapping[str, Any]) -> int:
    return int(certificate["coherence"]["held"])


def _score(certificate: Mapping[str, Any]) -> float:
    score = certificate["coherence"]["score"]
    return 1.0 if score is None else float(score)


def _rules(certificate: Mapping[str, Any]) -> int:
    return sum(int(kind["both_sides"]) for kind in certificate["rules"].values())
