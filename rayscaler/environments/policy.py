"""The rules of an environment in words: the agent's system prompt. Short, and nothing in it that a tool's text says."""

from __future__ import annotations

from collections.abc import Iterable

from rayscaler.environment import Binding, CompiledTool, EnvironmentSpec, Part
from rayscaler.environments.infer_rules import rule_words
from rayscaler.environments.lexicon import joined
from rayscaler.environments.sampling_conditions import Condition, argument_conditions, conditions

_MAX_RULES = 12


def write_policy(spec: EnvironmentSpec) -> str:
    """What an agent must know beyond its tools: subject, date, fixed scopes, preconditions. Under 250 words."""
    nouns = _join(e.name.replace("_", " ") for e in spec.entities[:8])
    lines = [
        f"You are an assistant for «{spec.title}». Your tools read and change these records: {nouns}.",
        f"It is {spec.now[:10]}, {spec.now[11:16]} UTC, for the whole conversation.",
        "",
        "Rules:",
        "- Do what the user asks and nothing else. Say what you did in plain words when you are done.",
        "- Look ids up with a tool, or ask the user. Never make one up.",
        "- If a tool answers with an error, read it, mend the arguments, or tell the user why it cannot be done.",
        *(f"- {rule}" for rule in [*_scopes(spec), *_rules(spec)][:_MAX_RULES]),
    ]
    return "\n".join(lines)


def brief_policy(spec: EnvironmentSpec) -> str:
    """The title and the rules that hold in this environment alone: for agents that were taught the general ones."""
    rules = [*_scopes(spec), *_rules(spec)][:_MAX_RULES]
    return "\n".join([f"{spec.title}, {spec.now[:10]}", *(f"- {rule}" for rule in rules)])


def _scopes(spec: EnvironmentSpec) -> list[str]:
    """Arguments that have one value everywhere in this world: the account, the instance, the project."""
    fixed: dict[str, str] = {}
    for tool in spec.tools:
        for binding in tool.bindings:
            allowed = tool.parameters["properties"].get(binding.parameter, {}).get("enum", ())
            if len(allowed) == 1 and _is_fixed(spec, binding, allowed):
                fixed[binding.parameter] = allowed[0]
    return [f"`{name}` is always `{value}`." for name, value in list(fixed.items())[:5]]


def _is_fixed(spec: EnvironmentSpec, binding: Binding, allowed: list[str]) -> bool:
    if binding.entity is None or binding.column is None:
        return False
    return spec.entity(binding.entity).column(binding.column).enum == tuple(allowed)


def _rules(spec: EnvironmentSpec) -> list[str]:
    """The requirements that the tools' own code and the schema state, one line per rule, those of most tools first."""
    asked: dict[str, list[str]] = {}
    for tool in spec.tools:
        for condition in conditions(tool.code):
            if tool.operator.writes and _is_told(tool, condition):
                asked.setdefault(_in_words(spec, tool, condition), []).append(tool.name.replace("_", " "))
    ranked = sorted(asked.items(), key=lambda item: -len(item[1]))
    states = [f"{rule} to: {', '.join(tools[:5])}{' …' if len(tools) > 5 else ''}." for rule, tools in ranked]
    return [*states, *_of_arguments(spec), *_of_columns(spec)]


def _is_told(tool: CompiledTool, condition: Condition) -> bool:
    """Whether a condition is a rule that somebody states; that a cancelled order is not cancelled again goes unsaid."""
    return condition.wanted or len(condition.values) != 1 or f"already {condition.values[0]}" not in tool.code


def _in_words(spec: EnvironmentSpec, tool: CompiledTool, condition: Condition) -> str:
    noun = spec.entity(condition.table or tool.entity).singular.replace("_", " ")
    return f"{_article(noun).capitalize()} {noun} {condition.in_words()}"


def _of_arguments(spec: EnvironmentSpec) -> list[str]:
    """Which arguments go together, tool by tool."""
    told = []
    for tool in spec.tools:
        parameters = {b.argument: b.parameter for b in tool.bindings}
        for asked in argument_conditions(tool.code):
            names = [f"`{parameters[n]}`" for n in asked.names]
            text = {
                "one of": f"give {', '.join(names[:-1])} or {names[-1]}",
                "not both": f"give {names[0]} or {names[-1]}, not both",
                "with": f"give {names[0]} with {names[-1]}" + (f" {asked.value}" if asked.value is not None else ""),
            }[asked.kind]
            told.append(f"To {tool.name.replace('_', ' ')}, {text}.")
    return told


def _of_columns(spec: EnvironmentSpec) -> list[str]:
    """Columns that a caller fills and that must differ from row to row, or never fall below zero."""
    filled = {(b.entity, b.column) for t in spec.tools for b in t.bindings if b.part is Part.VALUE}
    told = []
    for entity in spec.entities:
        noun = entity.singular.replace("_", " ")
        for column in entity.columns:
            name = column.name.replace("_", " ")
            if (entity.name, column.name) in filled and column.unique:
                told.append(f"No two {entity.name.replace('_', ' ')} have the same {name}.")
            if column.minimum == 0 and joined(column.name) in rule_words("never_negative"):
                told.append(f"The {name} of {_article(noun)} {noun} never falls below zero.")
    return told


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


def _join(nouns: Iterable[str]) -> str:
    listed = list(nouns)
    return ", ".join(listed[:-1]) + f" and {listed[-1]}" if len(listed) > 1 else "".join(listed)
