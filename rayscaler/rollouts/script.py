"""What a scripted agent is going to do: gold as a list of calls, each argument with where its value comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from rayscaler.changes import Changes
from rayscaler.environment import Session
from rayscaler.task import ArgumentSource, GoldCall, Task


class Argument(NamedTuple):
    """A value, and its source in gold where it has one. `value` is what gold used."""

    value: Any
    source: ArgumentSource | None = None


class PlannedCall(NamedTuple):
    """One call to make. `gold` is its number in the gold run, or None for a call that gold does not make."""

    tool: str
    arguments: Mapping[str, Argument]
    gold: int | None
    writes: bool
    facts: tuple[str, ...] = ()
    """The user's facts that must be known before it."""
    retry: bool = False
    """Whether it mends the call before it, which fails."""


class Script(NamedTuple):
    """The calls in order, and how the conversation ends after them."""

    calls: tuple[PlannedCall, ...]
    ending: Literal["report", "give_up", "loop"] = "report"
    planted: str = ""
    misreport: tuple[int, str] | None = None
    """The number of an answer of the task, and what the agent reports in its place."""


def gold_script(task: Task) -> Script:
    """The faultless script: gold's calls in gold's order."""
    selecting = selecting_facts(task)
    return Script(tuple(
        PlannedCall(
            tool=call.tool,
            arguments={name: Argument(value, call.sources.get(name)) for name, value in call.arguments.items()},
            gold=number,
            writes=call.writes,
            facts=tuple(dict.fromkeys([*_bound_facts(call), *selecting.get(number, ())])),
        )
        for number, call in enumerate(task.gold)
    ))


def resolve(call: PlannedCall, answers: Mapping[int, Any]) -> dict[str, Any]:
    """The arguments to send. `answers`: gold call number -> the live answer to it.

    A value that comes from an earlier output is read from the live answer, because a generated id need not be gold's;
    where the path leads nowhere (the call was skipped or failed) gold's value stands in.
    """
    return {name: _value(argument, answers) for name, argument in call.arguments.items()}


def selecting_facts(task: Task) -> dict[int, list[str]]:
    """Gold call number -> facts that no argument holds, but that say which row of an earlier answer is meant.

    "I will tell you which one": the product's title is asked for before the call that uses the product's id. The call
    is the first one that takes a value out of a row which holds the fact's value; the last call where there is none.
    """
    bound = {name for call in task.gold for name in _bound_facts(call)}
    found: dict[int, list[str]] = {}
    for fact in task.intent.facts:
        if fact.name not in bound and task.gold:
            users = (n for n, call in enumerate(task.gold) if any(_holds(row, fact.value) for row in _rows(task, call)))
            found.setdefault(next(users, task.n_calls - 1), []).append(fact.name)
    return found


def depends_on(call: PlannedCall, numbers: Sequence[int]) -> bool:
    """Whether an argument of `call` comes from the answer to one of the gold calls `numbers`."""
    sources = [argument.source for argument in call.arguments.values()]
    return any(s is not None and s.kind == "output" and s.call in numbers for s in sources)


class Rehearsal(NamedTuple):
    """What a script did on a session: for each call whether it succeeded, and the net changes."""

    succeeded: tuple[bool, ...]
    changes: Changes


def rehearse(script: Script, session: Session) -> Rehearsal:
    """Run the calls of `script` from the seeded start, and go back to it."""
    session.reset()
    answers: dict[int, Any] = {}
    succeeded = []
    for call in script.calls:
        result = session.call(call.tool, resolve(call, answers))
        succeeded.append(result.ok)
        if call.gold is not None and result.ok:
            answers[call.gold] = result.value
    rehearsal = Rehearsal(tuple(succeeded), session.changes())
    session.reset()
    return rehearsal


def at_path(value: Any, path: Sequence[str | int]) -> Any:
    """The value at `path` in a JSON value, or None if the path leads nowhere."""
    for step in path:
        inside = (
            step in value if isinstance(value, dict)
            else isinstance(value, list) and isinstance(step, int) and -len(value) <= step < len(value)
        )
        if not inside:
            return None
        value = value[step]
    return value


def _bound_facts(call: GoldCall) -> list[str]:
    return [source.fact for source in call.sources.values() if source.kind == "fact"]


def _rows(task: Task, call: GoldCall) -> list[Any]:
    """The rows of earlier answers that the arguments of `call` are taken from."""
    outputs = [source for source in call.sources.values() if source.kind == "output"]
    return [at_path(task.gold[source.call].value, source.path[:-1]) for source in outputs]


def _holds(row: Any, value: Any) -> bool:
    """Whether a column of `row` is `value`, or a time on the day `value`."""
    return isinstance(row, dict) and any(
        type(held) is type(value) and (held == value or is_on_day(held, value)) for held in row.values()
    )


def is_on_day(held: Any, value: Any) -> bool:
    """Whether the moment `held` is on the day `value`."""
    return isinstance(value, str) and len(value) == len("2026-01-15") and str(held).startswith(f"{value}T")


def _value(argument: Argument, answers: Mapping[int, Any]) -> Any:
    source = argument.source
    if source is None or source.kind != "output":
        return argument.value
    live = at_path(answers.get(source.call), source.path)
    return argument.value if live is None else live
