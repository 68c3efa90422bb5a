"""The compiler: the tools of one domain -> an environment (AgentScaler, arXiv 2509.13311, section 2.1).

Pure and deterministic: same tools, same bytes. What comes out is a draft until `certificate.certify` has proved it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rayscaler.environment import Binding, CompiledTool, Entity, EnvironmentSpec, Part
from rayscaler.environments.codegen import write_code
from rayscaler.environments.infer import Inferred, infer
from rayscaler.environments.infer_bounds import Bound, Plan
from rayscaler.environments.infer_types import make_entity
from rayscaler.environments.language import check_tool, check_uses
from rayscaler.environments.lexicon import Phrase
from rayscaler.environments.offered import left_out, offered, write_parameters
from rayscaler.environments.policy import write_policy
from rayscaler.environments.schemas import bounded
from rayscaler.environments.wording import shortened
from rayscaler.errors import ToolCodeError
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import MaterializeRecipe
from rayscaler.toolspec import ToolSpec, snake


class Compiled(NamedTuple):
    """A drafted environment, and the tools that are not in it. tools in = tools of `spec` + rejects."""

    spec: EnvironmentSpec
    rejects: list[Rejected]


def compile_environment(domain: dict[str, Any], tools: list[ToolSpec], recipe: MaterializeRecipe) -> Compiled:
    """Tables, code and policy for the tools of `domain` (a row of `domains`). The order of `tools` does not matter."""
    ordered = sorted(tools, key=lambda t: t.tool_id)
    inferred = infer(ordered, recipe)
    entities = _entities(inferred)
    names = _function_names(inferred.plans)
    compiled: list[CompiledTool] = []
    rejects = list(inferred.rejects)
    for plan in inferred.plans:
        tool = _compile_tool(plan, inferred, names[plan.placed.reading.tool.tool_id], recipe)
        try:
            check_uses(check_tool(tool.code), entities)
        except ToolCodeError as error:
            rejects.append(Rejected(tool.tool_id, Reason.CODE_REFUSED, str(error)))
        else:
            compiled.append(tool)
    spec = EnvironmentSpec(
        environment_id=domain["domain_id"],
        title=domain["title"],
        description=domain.get("description", ""),
        entities=entities,
        tools=tuple(compiled),
        rows=recipe.rows,
    )
    return Compiled(spec.model_copy(update={"policy": write_policy(spec)}), sorted(rejects))


def _entities(inferred: Inferred) -> tuple[Entity, ...]:
    """Tables, those that others refer to first."""
    tables = inferred.tables
    done: list[Phrase] = []

    def visit(phrase: Phrase) -> None:
        if phrase in done:
            return
        for (child, _), parent in sorted(tables.references.items()):
            if child == phrase != parent:
                visit(parent)
        done.append(phrase)

    for phrase in sorted(tables.drafts):
        visit(phrase)
    return tuple(make_entity(tables, phrase) for phrase in done)


def _function_names(plans: list[Plan]) -> dict[str, str]:
    """Tool id -> a name unique in the environment: the tool's own, with its API in front where two agree."""
    names: dict[str, str] = {}
    tools = [p.placed.reading.tool for p in plans]
    own = [snake(t.name) for t in tools]
    for tool, plain in zip(tools, own, strict=True):
        name = snake(f"{tool.api}_{plain}") if own.count(plain) > 1 else plain
        base, n = name, 2
        while name in names.values():
            name, n = f"{base}_{n}", n + 1
        names[tool.tool_id] = name
    return names


def _compile_tool(plan: Plan, inferred: Inferred, name: str, recipe: MaterializeRecipe) -> CompiledTool:
    tool = plan.placed.reading.tool
    source = write_code(plan, inferred.tables, name)
    table = inferred.tables.names[plan.table.noun]
    return CompiledTool(
        name=name,
        tool_id=tool.tool_id,
        description=shortened(tool.description, 2 * recipe.max_description) or name.replace("_", " "),
        parameters=write_parameters(plan, inferred.tables, recipe),
        left_out=left_out(plan),
        response=bounded(tool.response) if tool.response else None,
        operator=plan.operator,
        entity=table,
        bindings=tuple(_binding(b, source.names[b.parameter], plan, inferred, table) for b in offered(plan)),
        code=source.code,
    )


def _binding(bound: Bound, argument: str, plan: Plan, inferred: Inferred, table: str) -> Binding:
    part = bound.part
    if part is Part.AMOUNT and plan.moved is not None:
        moved = inferred.tables.names[plan.moved.holder.noun], plan.moved.quantity.name
        return Binding(parameter=bound.parameter, argument=argument, part=part, entity=moved[0], column=moved[1],
                       required=bound.needed)  # fmt: skip
    if part is Part.VALUE and bound.column and (plan.table.noun, bound.column.canon) in inferred.tables.references:
        part = Part.REFERENCE
    held = part not in (Part.IGNORED, Part.LIMIT)
    return Binding(
        parameter=bound.parameter,
        argument=argument,
        part=part,
        entity=table if held else None,
        column=bound.column.name if bound.column and held else None,
        required=bound.needed,
    )
