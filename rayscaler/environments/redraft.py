"""Another draft of a tool, by a model or by hand: taken if it passes what the compiled one passed.

The draft is checked against the tool language, must read or write as the tool's operator says, and is then certified
with the whole environment around it; if it fails, the compiled draft stands. `certify` is a parameter: code that nobody
has run before is certified in a process that can do nothing else (`rayscaler.runtime.apart.try_out`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from rayscaler.environment import CompiledTool, EnvironmentSpec
from rayscaler.environments.certificate import Certified
from rayscaler.environments.hosting import host_tool
from rayscaler.errors import EnvironmentSpecError, HostError, ToolCodeError
from rayscaler.recipes import MaterializeRecipe


class Certifier(Protocol):
    """`certify`, here or in a process of its own."""

    def __call__(self, spec: EnvironmentSpec, recipe: MaterializeRecipe, /, *, seed: int) -> Certified:
        """The certificate of `spec`. Raises HostError if the process that made it was ended."""
        ...


class Redrafted(NamedTuple):
    """The environment with every draft that was taken; why each of the others was not, by tool."""

    spec: EnvironmentSpec
    refused: dict[str, str]


def redraft(
    spec: EnvironmentSpec, drafts: Mapping[str, str], recipe: MaterializeRecipe, *, seed: int, certify: Certifier
) -> Redrafted:
    """Try each draft (tool name -> source) in `spec`, in the order of names; nothing of a refused one stays."""
    refused: dict[str, str] = {}
    for name, code in sorted(drafts.items()):
        try:
            candidate = _with_draft(spec, spec.tool(name), code)
            spec = _proved(name, certify(candidate, recipe, seed=seed))
        except (ToolCodeError, EnvironmentSpecError, HostError) as error:
            refused[name] = str(error)
    return Redrafted(spec, refused)


def _with_draft(spec: EnvironmentSpec, tool: CompiledTool, code: str) -> EnvironmentSpec:
    draft = tool.model_copy(update={"code": code})
    if host_tool(draft, spec).writes != tool.operator.writes:
        kind = "writes" if tool.operator.writes else "reads"
        raise ToolCodeError(f"{tool.name}: the tool {kind} ({tool.operator}), the draft does not")
    return spec.model_copy(update={"tools": tuple(draft if t.name == tool.name else t for t in spec.tools)})


def _proved(name: str, found: Certified) -> EnvironmentSpec:
    if found.rejects or found.spec is None:
        raise ToolCodeError(f"{name}: " + "; ".join(f"{r.key}: {r.detail}" for r in found.rejects[:3]))
    return found.spec
