"""The repertoire of mistakes that the scripted agent can be told to make, one per conversation.

A mistake turns the gold script into faulty ones; the first that proves faulty in a rehearsal is played. What each
mistake is, what it has to prove and which filter should catch it is one table: `mistakes.yaml`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import NamedTuple

import yaml
from numpy.random import Generator

from rayscaler.changes import Identity, same_changes
from rayscaler.environment import EnvironmentSpec, Session
from rayscaler.rollouts.faults import arguments_for, known_values, other_texts, wrong_values
from rayscaler.rollouts.script import Argument, PlannedCall, Script, depends_on, gold_script, rehearse
from rayscaler.task import Task

REPEATS = 5
"""How often `repeated_call` makes one call: more than any sensible `FilterRecipe.max_same_calls`."""

CANDIDATES = 8
"""Faulty scripts of one kind that are rehearsed before the next kind is tried."""


class Mistake(NamedTuple):
    """One row of the table. Fates are `stage/reason` or `kept`."""

    about: str
    proof: str
    write: tuple[str, ...]
    read: tuple[str, ...]
    relaxed: tuple[str, ...]

    def fates(self, task: Task, exact_match: str = "strict") -> tuple[str, ...]:
        """The verdicts that are right for this mistake on `task`."""
        if task.n_writes:
            return self.write
        return self.relaxed if exact_match == "relaxed" else self.read


class Gold(NamedTuple):
    """What a mistake is made from: the faultless calls of `task`, and the generator that draws."""

    task: Task
    spec: EnvironmentSpec
    calls: tuple[PlannedCall, ...]
    rng: Generator


@cache
def repertoire() -> dict[str, Mistake]:
    """All mistakes by name, in the order of the table."""
    table = yaml.safe_load(files("rayscaler.rollouts").joinpath("mistakes.yaml").read_text("utf-8"))
    return {
        name: Mistake(row["about"], row["proof"], tuple(row["write"]), tuple(row["read"]),
                      tuple(row.get("relaxed", row["read"])))
        for name, row in table.items()
    }


def plant(task: Task, spec: EnvironmentSpec, session: Session, rng: Generator) -> Script:
    """A faulty script for `task`, its mistake drawn by `rng`; the gold script if none of the mistakes fits the task.

    `session` is a fresh session of the task's state; it is left at its seeded start.
    """
    names = list(repertoire())
    return next(
        (found for i in rng.permutation(len(names)) if (found := plant_one(names[i], task, spec, session, rng))),
        gold_script(task),
    )


def plant_one(name: str, task: Task, spec: EnvironmentSpec, session: Session, rng: Generator) -> Script | None:
    """A script with the mistake `name`, or None if it does not fit the task. KeyError for a name not in the table."""
    proof = repertoire()[name].proof
    for script in islice(_MAKERS[name](Gold(task, spec, gold_script(task).calls, rng)), CANDIDATES):
        if proof == "none" or _proves(proof, script, task, session, spec.identity):
            return script._replace(planted=name)
    return None


def _proves(proof: str, script: Script, task: Task, session: Session, identity: Identity) -> bool:
    rehearsal = rehearse(script, session)
    reached = rehearsal.changes == task.gold_changes or same_changes(task.gold_changes, rehearsal.changes, identity)
    if proof == "misses":
        writes = task.n_writes or any(call.writes for call in script.calls)
        return not reached if writes else True
    if proof == "succeeds":
        return reached and all(rehearsal.succeeded)
    faulty = [n - 1 for n, call in enumerate(script.calls) if call.retry]
    return reached and not any(rehearsal.succeeded[n] for n in faulty)


def _wrong_argument(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    for number in _targets(gold, last=True):
        for call in _mistyped(gold, calls[number]):
            yield Script((*calls[:number], call, *calls[number + 1:]))


def _wrong_tool(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    reads = [tool for tool in gold.spec.tools if not tool.operator.writes]
    for number in _targets(gold, last=True):
        call = calls[number]
        shared = {tool.name: [p for p in call.arguments if tool.binding(p)] for tool in reads if tool.name != call.tool}
        for name in sorted(shared, key=lambda n: (-len(shared[n]), n))[:3]:
            wrong = call._replace(tool=name, arguments={p: call.arguments[p] for p in shared[name]}, writes=False)
            yield Script((*calls[:number], wrong, *calls[number + 1:]))


def _missing_step(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    for number in _targets(gold):
        yield Script((*calls[:number], *calls[number + 1:]))


def _repeated_call(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    if calls:
        number = int(gold.rng.integers(len(calls)))
        again = (calls[number]._replace(gold=None),) * (REPEATS - 1)
        yield Script((*calls[:number + 1], *again, *calls[number + 1:]))


def _extra_read(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    place = int(gold.rng.integers(1, len(calls) + 1)) if calls else 0
    for call in _extra(gold, place, writes=False):
        yield Script((*calls[:place], call, *calls[place:]))


def _extra_write(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    for call in _extra(gold, len(calls), writes=True):
        yield Script((*calls, call))


def _gives_up(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    for number in _targets(gold):
        yield Script(calls[:number], ending="give_up")


def _loops(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    yield Script(calls[:int(gold.rng.integers(len(calls) + 1))], ending="loop")


def _unknown_tool(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    taken = {tool.name for tool in gold.spec.tools}
    for number in _targets(gold):
        call = calls[number]
        name = next(n for n in (f"{call.tool}_now", f"{call.tool}_v2", f"please_{call.tool}") if n not in taken)
        yield Script((*calls[:number], call._replace(tool=name), *calls[number + 1:]))


def _wrong_answer(gold: Gold) -> Iterator[Script]:
    """One answer is misreported; not one whose value the agent also says, or may say, for another reason."""
    answers, facts = gold.task.answers, gold.task.intent.facts
    for number in map(int, gold.rng.permutation(len(answers))):
        answer = answers[number]
        rest = [*(a.text for i, a in enumerate(answers) if i != number), *(f.text for f in facts), *answer.path]
        if any(value.lower() in str(other).lower() for other in rest for value in (answer.text, str(answer.value))):
            continue
        for text in other_texts(answer, gold.spec.tool(gold.task.gold[answer.call].tool), gold.spec, gold.rng):
            yield Script(gold.calls, misreport=(number, text))


def _invalid_argument_then_recovers(gold: Gold) -> Iterator[Script]:
    calls = gold.calls
    for number in map(int, gold.rng.permutation(len(calls))):
        call = calls[number]
        required = [p for p in gold.spec.tool(call.tool).parameters.get("required", ()) if p in call.arguments]
        dropped = [call._replace(arguments={p: a for p, a in call.arguments.items() if p != r}) for r in required]
        faulty = [*islice(_mistyped(gold, call), 2), *dropped]
        for wrong in (faulty[int(i)] for i in gold.rng.permutation(len(faulty))):
            mended = (wrong._replace(gold=None), call._replace(retry=True))
            yield Script((*calls[:number], *mended, *calls[number + 1:]))


_MAKERS: dict[str, Callable[[Gold], Iterator[Script]]] = {
    "wrong_argument": _wrong_argument,
    "wrong_tool": _wrong_tool,
    "missing_step": _missing_step,
    "repeated_call": _repeated_call,
    "extra_read": _extra_read,
    "extra_write": _extra_write,
    "gives_up": _gives_up,
    "loops": _loops,
    "unknown_tool": _unknown_tool,
    "wrong_answer": _wrong_answer,
    "invalid_argument_then_recovers": _invalid_argument_then_recovers,
}


def _targets(gold: Gold, *, last: bool = False) -> list[int]:
    """Calls that decide the verdict: the writes where there are any (with `last` only the last), else all.

    Shuffled, those first whose answer no later call needs: an agent that leaves another one out has to guess an id.
    """
    numbers = [n for n, call in enumerate(gold.calls) if call.writes]
    if last and numbers:
        return numbers[-1:]
    numbers = numbers or list(range(len(gold.calls)))
    shuffled = [numbers[i] for i in gold.rng.permutation(len(numbers))]
    return sorted(shuffled, key=lambda n: any(depends_on(later, [n]) for later in gold.calls))


def _mistyped(gold: Gold, call: PlannedCall) -> Iterator[PlannedCall]:
    """`call` with one argument wrong, argument by argument in a drawn order."""
    properties = gold.spec.tool(call.tool).parameters.get("properties", {})
    names = list(call.arguments)
    for name in (names[i] for i in gold.rng.permutation(len(names))):
        for value in wrong_values(call.arguments[name].value, properties.get(name, {}), gold.rng):
            yield call._replace(arguments={**call.arguments, name: Argument(value)})


def _extra(gold: Gold, n_seen: int, *, writes: bool) -> Iterator[PlannedCall]:
    """Calls of tools that read (or write), with arguments that the agent could have after `n_seen` gold calls."""
    known = known_values(gold.spec, gold.task.gold[:n_seen])
    tools = [tool for tool in gold.spec.tools if tool.operator.writes == writes]
    for tool in (tools[i] for i in gold.rng.permutation(len(tools))):
        values = arguments_for(tool, known, gold.rng)
        if values is not None:
            arguments = {name: Argument(value) for name, value in values.items()}
            yield PlannedCall(tool.name, arguments, gold=None, writes=writes)
