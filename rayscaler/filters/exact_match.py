"""Third filter, for tasks that only read: the tool calls are gold's.

Such a task leaves no trace in the database, so the calls themselves decide: names and arguments, in gold's order
(`strict`, as in the paper), or gold's calls among the agent's in any order (`relaxed`: extra reads are allowed, and
reads always commute).

A call that the environment answered with an error is not counted in either mode. The paper keeps trajectories with tool
errors on the way if the goal is reached; a failed read has read nothing, so it takes nothing from the sequence.

Not covered: calls that ask the same thing with other arguments.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, NamedTuple

from msgspec import Raw

from rayscaler.canonical import dumps, whole_numbers
from rayscaler.filters.recorded import Played, Wanted, value_of
from rayscaler.trajectory import FilterStage, Verdict, VerdictReason


class _Call(NamedTuple):
    """A call as it is compared: `arguments` as canonical JSON, whole floats spelt as integers."""

    tool: str
    arguments: str

    def __str__(self) -> str:
        return f"{self.tool}({self.arguments[:200]})"


def mismatched(played: Played, wanted: Wanted, *, mode: Literal["strict", "relaxed"]) -> Verdict | None:
    """How the successful calls differ from gold's, or None if they match or the task writes."""
    if wanted.writes:
        return None
    gold = [_Call(call.tool, _spelt(call.arguments)) for call in wanted.gold]
    made = [_Call(step.call.name, _spelt(step.call.arguments)) for step in played.steps if not step.error]
    if gold == made:
        return None
    missing = list((Counter(gold) - Counter(made)).elements())
    extra = list((Counter(made) - Counter(gold)).elements())
    if missing:
        return _lacking(missing, extra)
    if mode == "relaxed":
        return None
    if extra:
        return _drop(VerdictReason.EXTRA_CALL, f"not in gold: {extra[0]}")
    place = next(i for i, (a, b) in enumerate(zip(gold, made, strict=True)) if a != b)
    return _drop(VerdictReason.DIFFERENT_ORDER, f"call {place}: gold {gold[place]}, found {made[place]}")


def _lacking(missing: list[_Call], extra: list[_Call]) -> Verdict:
    for gold in missing:
        same_tool = next((call for call in extra if call.tool == gold.tool), None)
        if same_tool is not None:
            return _drop(VerdictReason.DIFFERENT_ARGUMENTS, f"gold {gold}, found {same_tool}")
    instead = f"; not in gold: {extra[0]}" if extra else ""
    return _drop(VerdictReason.MISSING_CALL, f"gold {missing[0]} was not made{instead}")


def _spelt(arguments: Raw) -> str:
    return dumps(whole_numbers(value_of(arguments)))


def _drop(reason: VerdictReason, detail: str) -> Verdict:
    return Verdict(kept=False, stage=FilterStage.EXACT_MATCH, reason=reason, detail=detail)
