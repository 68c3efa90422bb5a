"""Whether what one tool writes is what another sees: (writer, reader) pairs on one table, each tried once.

create then get gives back what was sent; list and search find it; update shows; delete makes get fail; a relation that
was added is listed and, removed, is not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numpy.random import Generator

from rayscaler.environment import (
    CompiledTool,
    Entity,
    Environment,
    EnvironmentSpec,
    Operator,
    Part,
    Session,
    ToolErrorKind,
)
from rayscaler.environments.sampling import sample_arguments
from rayscaler.environments.sampling_values import sample_value
from rayscaler.seeds import rng

_MANY = (Operator.LIST, Operator.SEARCH)
_PAIRS: dict[Operator, tuple[Operator, ...]] = {
    Operator.CREATE: (Operator.GET, *_MANY),
    Operator.UPDATE: (Operator.GET, *_MANY),
    Operator.TRANSITION: (Operator.GET, *_MANY),
    Operator.TRANSFER: (Operator.GET, *_MANY),
    Operator.DELETE: (Operator.GET, *_MANY),
    Operator.RELATE: _MANY,
    Operator.UNRELATE: _MANY,
}


class _Trial(NamedTuple):
    writer: CompiledTool
    reader: CompiledTool
    arguments: dict[str, Any]


class Pair(NamedTuple):
    """One trial. `held` is None where the reader cannot show what the writer wrote."""

    writer: CompiledTool
    reader: CompiledTool
    held: bool | None
    found: str = ""

    @property
    def kind(self) -> str:
        """What was tried: `create > get`."""
        return f"{self.writer.operator} > {self.reader.operator}"


def check_pairs(environment: Environment, session: Session, *, seed: int) -> list[Pair]:
    """All writer and reader pairs of all tables, in the order of the tools. Leaves the session at its start."""
    pairs = []
    for writer in environment.spec.tools:
        readers = [
            r
            for r in environment.spec.tools
            if r.entity == writer.entity and r.operator in _PAIRS.get(writer.operator, ())
        ]
        for reader in readers:
            draw = rng(seed, "pair", environment.spec.environment_id, writer.name, reader.name)
            arguments = sample_arguments(environment.spec, writer, session, draw)
            if arguments is not None:
                pairs.append(_try(environment.spec, session, _Trial(writer, reader, arguments), draw))
                session.reset()
    return pairs


def _try(spec: EnvironmentSpec, session: Session, trial: _Trial, draw: Generator) -> Pair:
    writer, reader, arguments = trial
    entity = spec.entity(writer.entity)
    before = {row[entity.key]: row for row in session.rows(entity.name)}
    written = session.call(writer.name, arguments)
    if not written.ok:
        return Pair(writer, reader, None, "the writer refused")
    mine = [c for c in written.changes if c.table == entity.name]
    keys = [c.key[entity.key] for c in mine]
    if not keys:
        return Pair(writer, reader, None, "the writer wrote another table")
    gone = writer.operator in (Operator.DELETE, Operator.UNRELATE)
    now = {row[entity.key]: row for row in session.rows(entity.name)}
    row = before[keys[0]] if gone else now[keys[0]]
    asked = ask(spec, reader, row, draw)
    if asked is None:
        return Pair(writer, reader, None, "the row lacks what the reader needs")
    answer = session.call(reader.name, asked)
    shown = answer.value if answer.ok else answer.error
    held, found = _judge(entity.key, trial, row, shown)
    if held and not gone:
        held, found = _judge_changed(entity, row, [*(mine[0].after or ())], rows_in(shown))
    return Pair(writer, reader, held, found)


def ask(spec: EnvironmentSpec, reader: CompiledTool, row: dict[str, Any], draw: Generator) -> dict[str, Any] | None:
    """Arguments by which `reader` should find `row`."""
    asked: dict[str, Any] = {}
    label = spec.entity(reader.entity).label
    for binding in reader.bindings:
        if not binding.required and binding.part is not Part.KEY:
            continue
        schema = reader.parameters["properties"].get(binding.parameter, {})
        if binding.part is Part.QUERY:
            value = row.get(label) if label else None
        elif binding.column and binding.part in (Part.KEY, Part.FILTER):
            cell = row.get(binding.column)
            value = [cell] if schema.get("type") == "array" and cell is not None else cell
        elif binding.part is Part.LIMIT:
            value = schema.get("maximum", 1000)
        else:
            value = sample_value(binding.parameter, schema, None, None, draw)
        if value is None or ("enum" in schema and not isinstance(value, list) and value not in schema["enum"]):
            return None
        asked[binding.parameter] = value
    return asked


def _judge(key: str, trial: _Trial, row: dict[str, Any], answer: Any) -> tuple[bool | None, str]:
    """Whether the reader's answer (or its error) shows what the writer did to `row`."""
    writer, reader, sent = trial
    failed = hasattr(answer, "kind")
    if writer.operator in (Operator.DELETE, Operator.UNRELATE):
        return _judge_gone(key, reader, row, answer, failed)
    if failed:
        return False, f"{answer.kind}: {answer.message[:120]}"
    items = rows_in(answer)
    mine = [i for i in items if i.get(key) == row[key]] if any(key in i for i in items) else items
    if not mine and reader.operator is Operator.GET and not any(b.column for b in reader.bindings):
        return None, "the reader names no row"
    if not mine:
        return False, f"the row with {key} {row[key]!r} is not in the answer"
    if reader.operator in _MANY and not any(key in i for i in items):
        return None, "the answer has no key"
    wrong = [
        b.column
        for b in writer.bindings
        if b.column
        and b.parameter in sent
        and b.part in (Part.VALUE, Part.REFERENCE)
        and b.column in mine[0]
        and not _kept(row[b.column], mine[0][b.column])
    ]
    lost = [
        b.column
        for b in writer.bindings
        if b.column
        and b.parameter in sent
        and b.part in (Part.VALUE, Part.REFERENCE)
        and b.column in row
        and not _kept(row[b.column], sent[b.parameter])
        and len([x for x in writer.bindings if x.column == b.column]) == 1
    ]
    return (False, f"{wrong or lost} are not as they were sent") if wrong or lost else (True, "")


def _judge_changed(
    entity: Entity, row: dict[str, Any], changed: list[str], shown: list[dict[str, Any]]
) -> tuple[bool, str]:
    """Whether a shown row tells every column that was changed as it is now; the sent ones are not all (a status)."""
    mine = next((i for i in shown if i.get(entity.key) == row[entity.key]), None)
    wrong = [c for c in changed if mine is not None and mine.get(c, row[c]) != row[c]]
    return not wrong, f"{wrong} are not as they are" if wrong else ""


def _kept(held: Any, sent: Any) -> bool:
    """Whether what was sent is in what is held; tags are added to those that are there, or taken away by key."""
    if isinstance(held, dict) and isinstance(sent, dict):
        return all(held.get(k) == v for k, v in sent.items())
    keys = isinstance(sent, list) and all(isinstance(v, str) for v in sent)
    if keys and (isinstance(held, dict) or (isinstance(held, list) and not any(isinstance(v, str) for v in held))):
        return True
    if isinstance(held, list) and isinstance(sent, list):
        return all(v in held for v in sent)
    return bool(held == sent)


def _judge_gone(
    key: str, reader: CompiledTool, row: dict[str, Any], answer: Any, failed: bool
) -> tuple[bool | None, str]:
    if reader.operator is Operator.GET:
        if not any(b.part is Part.KEY for b in reader.bindings):
            return None, "the reader names no single row"
        gone = failed and answer.kind in (ToolErrorKind.NOT_FOUND, ToolErrorKind.PRECONDITION_FAILED)
        return gone, "" if gone else "the row is still there"
    if failed:
        return answer.kind in (ToolErrorKind.NOT_FOUND, ToolErrorKind.PRECONDITION_FAILED), str(answer.kind)
    still = any(i.get(key) == row[key] for i in rows_in(answer))
    return not still, "the row is still listed" if still else ""


def rows_in(answer: Any) -> list[dict[str, Any]]:
    """The rows of an answer: the answer itself, what it wraps, or the lists in it."""
    if isinstance(answer, list):
        return [i for i in answer if isinstance(i, dict)]
    if not isinstance(answer, dict):
        return []
    inner = [i for v in answer.values() if isinstance(v, list) for i in v if isinstance(i, dict)]
    wrapped = [v for v in answer.values() if isinstance(v, dict)] if len(answer) <= 3 else []
    return [answer, *wrapped, *inner]
