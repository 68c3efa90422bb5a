"""Coherence over more than one write: relations that come and go, statuses that move once, quantities that move over.

Each trial is one Pair, as in `certificate_coherence`: what the first tool did must show in what the second does.
"""

from __future__ import annotations

from typing import Any

from rayscaler.environment import CompiledTool, Environment, EnvironmentSpec, Operator, Session, ToolErrorKind
from rayscaler.environments.certificate_checks import ROUNDING
from rayscaler.environments.certificate_coherence import Pair, ask, rows_in
from rayscaler.environments.sampling import moving, sample_arguments
from rayscaler.environments.sampling_conditions import conditions
from rayscaler.seeds import rng


def check_chains(environment: Environment, session: Session, *, seed: int) -> list[Pair]:
    """All trials of the environment's relations, transitions and transfers. Leaves the session at its start."""
    pairs: list[Pair] = []
    for writer in environment.spec.tools:
        trials = _TRIALS.get(writer.operator)
        if trials is None:
            continue
        draw = rng(seed, "chain", environment.spec.environment_id, writer.name)
        arguments = sample_arguments(environment.spec, writer, session, draw)
        if arguments is not None:
            pairs += trials(environment.spec, session, writer, arguments)
            session.reset()
    return pairs


def _relation(spec: EnvironmentSpec, session: Session, writer: CompiledTool, arguments: dict[str, Any]) -> list[Pair]:
    """A relation that was added can be removed by its two sides, and is then no more."""
    pairs = []
    for remover in (t for t in spec.tools if t.entity == writer.entity and t.operator is Operator.UNRELATE):
        session.reset()
        before = session.rows(writer.entity)
        written = session.call(writer.name, arguments)
        key = spec.entity(writer.entity).key
        row = next((r for r in session.rows(writer.entity) if r not in before), None)
        sides = {b.parameter: (row or {}).get(b.column or "") for b in remover.bindings if b.required}
        if not written.ok or row is None or None in sides.values():
            pairs.append(Pair(writer, remover, None, "the relation lacks what the remover needs"))
            continue
        removed = session.call(remover.name, sides)
        gone = removed.ok and all(r[key] != row[key] for r in session.rows(writer.entity))
        pairs.append(Pair(writer, remover, gone, "" if gone else "the relation is still there"))
    return pairs


def _status(_: EnvironmentSpec, session: Session, writer: CompiledTool, arguments: dict[str, Any]) -> list[Pair]:
    """Where a tool asks for a status that it changes itself, it is refused the second time, and nothing changes."""
    asked = [c.column for c in conditions(writer.code) if c.table in ("", writer.entity)]
    written = session.call(writer.name, arguments)
    moved = {column for change in written.changes if change.table == writer.entity for column in change.after or ()}
    if not written.ok or not moved & set(asked):
        return [Pair(writer, writer, None, "the tool asks for no status that it changes")]
    again = session.call(writer.name, arguments)
    refused = again.error is not None and again.error.kind in (
        ToolErrorKind.PRECONDITION_FAILED, ToolErrorKind.NOT_FOUND,
    )  # fmt: skip
    return [Pair(writer, writer, refused, "" if refused else "the status moved twice")]


def _transfer(spec: EnvironmentSpec, session: Session, writer: CompiledTool, arguments: dict[str, Any]) -> list[Pair]:
    """What a transfer took from its source, a reader of the source no longer shows."""
    moved = moving(writer)
    if moved is None:
        return []
    key = spec.entity(moved.table).key
    pairs = []
    for reader in (t for t in spec.tools if t.entity == moved.table and t.operator is Operator.GET):
        session.reset()
        row = next(r for r in session.rows(moved.table) if r[key] == arguments[moved.source])
        asked = ask(spec, reader, row, rng(0, "chain", writer.name, reader.name))
        session.call(writer.name, arguments)
        shown = rows_in(session.call(reader.name, asked).value) if asked is not None else []
        found = [r[moved.quantity] for r in shown if moved.quantity in r]
        if not found:
            pairs.append(Pair(writer, reader, None, "the reader does not show the quantity"))
            continue
        held = abs(found[0] - (row[moved.quantity] - arguments[moved.amount])) < ROUNDING
        pairs.append(Pair(writer, reader, held, "" if held else f"{moved.quantity} is {found[0]}"))
    return pairs


_TRIALS = {Operator.RELATE: _relation, Operator.TRANSITION: _status, Operator.TRANSFER: _transfer}
