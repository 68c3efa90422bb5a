"""The gold run and its proof: executed, replayed on a fresh copy to the byte, every write necessary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rayscaler.canonical import dumps
from rayscaler.changes import Changes, Identity, same_changes
from rayscaler.environment import Environment, Session
from rayscaler.reasons import Reason
from rayscaler.task import ArgumentSource, GoldCall
from rayscaler.tasks.draft import DraftCall, Failed, Known


def certify(
    environment: Environment, seed: int, calls: Sequence[DraftCall], facts: Mapping[str, Known]
) -> tuple[tuple[GoldCall, ...], Changes]:
    """The gold calls with their answers and changes on the fresh state of `seed`, and the net changes of the run.

    Every argument must be what its source says: the fact's value, or what stands at the path of an earlier answer.
    Runs twice from that state: the same answers, changes and final digest, to the byte. Then once per write without it:
    a later call fails or the net changes differ, else the write is unnecessary. Raises Failed.
    """
    _check_sources(calls, facts)
    session = environment.start(seed)
    try:
        start = session.snapshot()
        gold = _execute(environment, session, calls)
        changes, digest = session.changes(), session.digest()
        replay = environment.start(seed)
        try:
            again = _execute(environment, replay, calls)
            if dumps(list(again)) != dumps(list(gold)) or replay.digest() != digest:
                raise Failed(Reason.GOLD_FAILED, "a replay on a fresh copy gave other bytes")
        finally:
            replay.close()
        for i, call in enumerate(gold):
            if call.writes and not _necessary(session, start, gold, i, net=(changes, environment.spec.identity)):
                raise Failed(Reason.UNNECESSARY_WRITE, f"{call.tool}: without it the final state is the same")
        return gold, changes
    finally:
        session.close()


def _check_sources(calls: Sequence[DraftCall], facts: Mapping[str, Known]) -> None:
    for index, call in enumerate(calls):
        for parameter, value in call.arguments.items():
            source = call.sources.get(parameter)
            if source is None or dumps(_given(source, value, calls[:index], facts)) != dumps(value):
                raise Failed(Reason.UNBOUND_ARGUMENT, f"{call.tool}.{parameter}: its source does not give its value")


def _given(source: ArgumentSource, value: Any, before: Sequence[DraftCall], facts: Mapping[str, Known]) -> Any:
    """What the source says that the argument is; for a constant, the argument itself."""
    if source.kind == "constant":
        return value
    if source.kind == "fact":
        return facts[source.fact].value
    given = before[source.call].value
    for step in source.path:
        given = given[step]
    return given


def _execute(environment: Environment, session: Session, calls: Sequence[DraftCall]) -> tuple[GoldCall, ...]:
    gold = []
    for call in calls:
        result = session.call(call.tool, call.arguments)
        if result.error is not None:
            raise Failed(Reason.GOLD_FAILED, f"{call.tool}: {result.error.kind.value}: {result.error.message}")
        if dumps(result.value) != dumps(call.value):
            raise Failed(Reason.GOLD_FAILED, f"{call.tool}: another answer without the reads that were left out")
        gold.append(GoldCall(
            tool=call.tool, arguments=call.arguments, sources=call.sources, value=result.value,
            writes=environment.spec.tool(call.tool).operator.writes, changes=result.changes,
        ))
    return tuple(gold)


def _necessary(
    session: Session, start: bytes, gold: Sequence[GoldCall], without: int, *, net: tuple[Changes, Identity]
) -> bool:
    session.restore(start)
    for i, call in enumerate(gold):
        if i != without and call.writes and session.call(call.tool, call.arguments).error is not None:
            return True
    return not same_changes(net[0], session.changes(), net[1])
