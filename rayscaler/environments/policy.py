"""The rules of an environment in words: the agent's system prompt. Short, and nothing in it that a tool's text says."""

from __future__ import annotations

from collections.abc import Iterable

from rayscaler.environment import Binding, EnvironmentSpec, Operator
from rayscaler.environments.sampling_conditions import conditions

_MAX_RULES = 8


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
    """The requirements that the tools' own code states, one line per table and state."""
    asked: dict[tuple[str, str], list[str]] = {}
    for tool in spec.tools:
        if tool.operator in (Operator.TRANSITION, Operator.UPDATE):
            for state in required_states(tool.code):
                asked.setdefault((spec.entity(tool.entity).singular, state), []).append(tool.name.replace("_", " "))
    return [
        f"{_article(noun).capitalize()} {noun.replace('_', ' ')} must be {state} to: {', '.join(tools[:5])}."
        for (noun, state), tools in asked.items()
    ]


def _article(noun: str) -> str:
    return "an" if noun[:1] in "aeiou" else "a"


def required_states(code: str) -> list[str]:
    """The states that `require(row["status"] == "pending", …)` lines ask for."""
    asked = [value for condition in conditions(code) if condition.wanted for value in condition.values]
    return [state for state in asked if isinstance(state, str)]


def _join(nouns: Iterable[str]) -> str:
    listed = list(nouns)
    return ", ".join(listed[:-1]) + f" and {listed[-1]}" if len(listed) > 1 else "".join(listed)
