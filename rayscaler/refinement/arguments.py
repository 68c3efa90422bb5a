"""Values for a tool's arguments: what a person would ask for (paper section 2.2: arguments are generated).

Asked once per tool, for arguments that somebody makes up: titles, texts, amounts. Values are of the parameter's JSON
Schema and, given as `fits`, of the column that they are written to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from rayscaler.environment import CompiledTool
from rayscaler.refinement.problems import Kind, Problem, same_names, text_problems
from rayscaler.refinement.step import Answer, Question, Step

WANTED = 6
"""Values per argument that are asked for."""

FEWEST = 3

MAX_VALUE = 80
"""Characters of a value that is a text: a person says it in one breath."""


class ArgumentValues(Answer):
    """Values of one argument."""

    argument: str
    values: list[str | int | float]


class Arguments(Answer):
    """Values for arguments of a tool."""

    arguments: list[ArgumentValues] = Field(description="Every argument of the data, once.")


MAKE_ARGUMENTS = Step("arguments", Arguments)


def arguments_question(
    environment_id: str, tool: CompiledTool, wanted: Mapping[str, dict[str, Any]], fits: Callable[[str, Any], bool]
) -> Question[Arguments]:
    """Ask for values of the arguments in `wanted` (parameter -> what is told of it). fits: whether one may be sent."""
    data = {"tool": tool.name, "description": tool.description, "values_wanted": WANTED, "arguments": dict(wanted)}

    def problems(answer: Arguments) -> list[Problem]:
        found = same_names("argument", [a.argument for a in answer.arguments], wanted)
        for argument in answer.arguments:
            found += _value_problems(argument, fits) if argument.argument in wanted else []
        return found

    return Question(MAKE_ARGUMENTS, f"{environment_id}/{tool.name}", data, "", problems)


def _value_problems(argument: ArgumentValues, fits: Callable[[str, Any], bool]) -> list[Problem]:
    name, values = argument.argument, argument.values
    found = []
    if not FEWEST <= len(values) <= 4 * WANTED:
        found.append(Problem(Kind.LOSES, f"{name}: {len(values)} values, {WANTED} are wanted"))
    if len({str(value).casefold().strip() for value in values}) < len(values):
        found.append(Problem(Kind.UNFIT, f"{name}: two values are the same"))
    for value in values[: 4 * WANTED]:
        if isinstance(value, str):
            found += text_problems(f"{name}: {value!r:.60}", value, longest=MAX_VALUE)
            if set(value) & set("\"“”«»{}[]<>\\|`") or value != value.strip():
                found.append(Problem(Kind.UNFIT, f"{name}: {value!r:.60} has a quote, a bracket or blanks around it"))
        if not fits(name, value):
            found.append(Problem(Kind.UNFIT, f"{name}: {value!r:.60} is not of the argument's schema"))
    return found


def values_text(values: Mapping[str, tuple[Any, ...]]) -> str:
    """Values by argument, one line each."""
    return "\n".join(f"{name}: {', '.join(str(v) for v in some)}" for name, some in values.items())
