"""How the scripted agent names the rows that it speaks of: by the label that it has seen, or that the user said.

    delete_event(eventId=...)  ->  "Budget review"      the title that stands beside the id in an earlier answer
    create_event(summary=...)  ->  "Team lunch"
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rayscaler.environment import CompiledTool, Entity, EnvironmentSpec, Operator, Part, Semantic
from rayscaler.rollouts.phrases import said_label
from rayscaler.rollouts.script import PlannedCall, at_path, is_on_day
from rayscaler.task import ArgumentSource, Fact, GoldCall

MAX_NAME = 60
"""Characters of a label that is still a name."""

_UNQUOTED = frozenset({Semantic.PERSON, Semantic.FIRST_NAME, Semantic.LAST_NAME, Semantic.USERNAME, Semantic.EMAIL,
                       Semantic.COMPANY, Semantic.PHONE, Semantic.ID})


def name_of_call(
    spec: EnvironmentSpec, call: GoldCall | PlannedCall, answers: Mapping[int, Any], facts: Mapping[str, Fact]
) -> str:
    """The row that a call is about, as a person calls it; empty if nothing names it.

    answers: gold call number -> the live answer to it. facts: the user's, by name.
    """
    tool = spec.tool(call.tool)
    entity = spec.entity(tool.entity)
    if tool.operator is Operator.CREATE:
        given = next((b.parameter for b in tool.bindings if b.part is Part.VALUE and b.column == entity.label), "")
        return _named(entity, _value(call, given)) if entity.label and given in call.arguments else ""
    for binding in tool.bindings:
        if binding.part is not Part.KEY or binding.entity != entity.name or binding.parameter not in call.arguments:
            continue
        source = _source(call, binding.parameter)
        if source is not None and source.kind == "fact" and source.fact in facts:
            return facts[source.fact].text
        if source is not None and source.kind == "output":
            row = at_path(answers.get(source.call), source.path[:-1])
            return name_of_row(spec, tool, row) or _told_by(row, facts)
    return ""


def name_of_row(spec: EnvironmentSpec, tool: CompiledTool, row: Any) -> str:
    """The label of a row of the tool's entity, in quotation marks where it is a title; empty if it has none."""
    entity = spec.entity(tool.entity)
    return _named(entity, row.get(entity.label)) if isinstance(row, dict) and entity.label else ""


def new_value(call: GoldCall | PlannedCall, tool: CompiledTool, facts: Mapping[str, Fact]) -> str:
    """What the only column that a call changes is changed to, as the user says it; empty where there are several."""
    given = [b.parameter for b in tool.bindings if b.part is Part.VALUE and b.parameter in call.arguments]
    source = _source(call, given[0]) if len(given) == 1 else None
    if source is None or source.kind != "fact" or source.fact not in facts:
        return ""
    fact = facts[source.fact]
    if len(fact.text) > MAX_NAME:
        return ""
    return f'"{fact.text}"' if fact.text == fact.value and " " in fact.text else fact.text


def _told_by(row: Any, facts: Mapping[str, Fact]) -> str:
    """What the user said about a row that has no label: `with the email address eva@example.org`."""
    for column, value in row.items() if isinstance(row, dict) else ():
        for fact in facts.values():
            whole = isinstance(value, str) and len(value) > 2 and value == fact.value
            if whole or is_on_day(value, fact.value):
                return f"with the {said_label(column)} {fact.text}"
    return ""


def _named(entity: Entity, value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME or entity.label is None:
        return ""
    return value if entity.column(entity.label).semantic in _UNQUOTED else f'"{value}"'


def _source(call: GoldCall | PlannedCall, parameter: str) -> ArgumentSource | None:
    return call.sources.get(parameter) if isinstance(call, GoldCall) else call.arguments[parameter].source


def _value(call: GoldCall | PlannedCall, parameter: str) -> Any:
    if isinstance(call, GoldCall):
        return call.arguments.get(parameter)
    return call.arguments[parameter].value if parameter in call.arguments else None
