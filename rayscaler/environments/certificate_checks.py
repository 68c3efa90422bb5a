"""What is asked of one tool: that it runs on valid arguments as its operator says, and refuses bad ones cleanly."""

from __future__ import annotations

from typing import Any, NamedTuple

import jsonschema_rs

from rayscaler.canonical import dumps
from rayscaler.changes import Identity, RowChange
from rayscaler.environment import (
    CallResult,
    CompiledTool,
    Environment,
    EnvironmentSpec,
    Operator,
    Part,
    Session,
    ToolErrorKind,
)
from rayscaler.environments.certificate_rules import Tried, try_rules
from rayscaler.environments.sampling import moving, sample_arguments
from rayscaler.environments.session import SqliteSession
from rayscaler.seeds import rng

_ABSENT = "no-such-thing-0000"
_KEYED = (
    Operator.GET,
    Operator.LOOKUP,
    Operator.UPDATE,
    Operator.DELETE,
    Operator.TRANSITION,
    Operator.TRANSFER,
    Operator.UNRELATE,
)
_INVALID = ToolErrorKind.INVALID_ARGUMENT
ROUNDING = 1e-5
"""How far two sums of rounded numbers may be apart."""
_REFUSALS = (ToolErrorKind.NOT_FOUND, ToolErrorKind.PRECONDITION_FAILED)


class Failure(NamedTuple):
    """The first thing that a tool did otherwise than asked."""

    check: str
    expected: str
    found: str


class Checked(NamedTuple):
    """What was proved of one tool. `shapes`: answers that conform to its response schema, of those looked at."""

    checks: dict[str, int]
    failure: Failure | None
    shapes: tuple[int, int]
    rules: tuple[Tried, ...] = ()


def check_tool_runs(
    environment: Environment, tool: CompiledTool, sessions: list[SqliteSession], *, seed: int
) -> Checked:
    """Run `tool` on one sample of arguments per session, then on bad arguments. Sessions come and go at their start."""
    counts: dict[str, int] = {}
    shapes = [0, 0]
    validator = _validator(tool)
    first: dict[str, Any] | None = None
    for i, session in enumerate(sessions):
        draw = rng(seed, "sample", environment.spec.environment_id, tool.name, i)
        arguments = sample_arguments(environment.spec, tool, session, draw, full=i == 1)
        if arguments is None:
            failure = Failure("arguments", "a row that fits the tool's required arguments", f"none in seeded state {i}")
            return Checked(counts, failure, (0, 0))
        result, failed = _run_twice(environment.spec, tool, session, arguments)
        if failed:
            return Checked(counts, failed, (0, 0))
        counts["valid"] = counts.get("valid", 0) + 1
        first = first or arguments
        if validator is not None:
            shapes[0] += validator.is_valid(result.value)
            shapes[1] += 1
    if first is None:
        return Checked(counts, Failure("arguments", "at least one sample", "none was asked for"), (0, 0))
    failed = _check_bad(environment.spec, tool, sessions[0], first, counts)
    failed = failed or check_transfer(environment.spec, tool, sessions[0], first, counts)
    if failed is not None:
        return Checked(counts, failed, (shapes[0], shapes[1]))
    rules = tuple(try_rules(environment.spec, tool, sessions[0], first))
    wrong = next((t for t in rules if t.found), None)
    failed = None if wrong is None else Failure("rule", f"{wrong.rule.refusal}: {wrong.rule.said}", wrong.found)
    return Checked(counts, failed, (shapes[0], shapes[1]), rules)


def _run_twice(
    spec: EnvironmentSpec, tool: CompiledTool, session: Session, arguments: dict[str, Any]
) -> tuple[CallResult, Failure | None]:
    said = dumps(arguments)[:200]
    result = session.call(tool.name, arguments)
    if result.error is not None:
        found = f"{result.error.kind}: {result.error.message[:160]} on {said}"
        return result, Failure("valid", "success on valid arguments", found)
    changed = [c for c in session.changes() if _matters(c, spec.identity)]
    if tool.operator.writes and not changed:
        return result, Failure("writes", "a changed row", f"no change on {said}")
    if not tool.operator.writes and changed:
        return result, Failure("reads", "no change", f"{len(changed)} changed rows on {said}")
    if tool.operator.writes:
        session.reset()
    again = session.call(tool.name, arguments)
    same = dumps(again.to_json()) == dumps(result.to_json()) and again.changes == result.changes
    if tool.operator.writes:
        session.reset()
    return result, None if same else Failure("replay", "the same answer and changes twice", f"another answer on {said}")


def _matters(change: RowChange, identity: Identity) -> bool:
    """Whether a change is more than that of a volatile column."""
    volatile = identity.volatile.get(change.table, ())
    return change.op != "update" or any(column not in volatile for column in change.after or ())


def _check_bad(
    spec: EnvironmentSpec, tool: CompiledTool, session: Session, good: dict[str, Any], counts: dict[str, int]
) -> Failure | None:
    for name, arguments, allowed in bad_arguments(spec, tool, good):
        result = session.call(tool.name, arguments)
        if result.error is None or result.error.kind not in allowed:
            found = "success" if result.error is None else f"{result.error.kind}: {result.error.message[:120]}"
            if result.error is None and tool.operator.writes:
                session.reset()
            return Failure(name, " or ".join(allowed), f"{found} on {dumps(arguments)[:160]}")
        if session.changes():
            return Failure(name, "no change after an error", f"{len(session.changes())} changed rows")
        counts[name] = counts.get(name, 0) + 1
    return None


def check_transfer(
    spec: EnvironmentSpec, tool: CompiledTool, session: Session, good: dict[str, Any], counts: dict[str, int]
) -> Failure | None:
    """What one side loses the other gets and nothing else moves; no more than there is can be moved, nor to oneself.

    None for a tool that is no transfer.
    """
    moved = moving(tool)
    if moved is None:
        return None
    key = spec.entity(moved.table).key
    before = {row[key]: row[moved.quantity] or 0 for row in session.rows(moved.table)}
    session.call(tool.name, good)
    after = {row[key]: row[moved.quantity] or 0 for row in session.rows(moved.table)}
    session.reset()
    wanted = {good[moved.source]: -good[moved.amount], good[moved.target]: good[moved.amount]}
    found = {k: after[k] - before[k] for k in after if abs(after[k] - before[k]) > ROUNDING}
    if found.keys() != wanted.keys() or any(abs(found[k] - wanted[k]) > ROUNDING for k in wanted):
        return Failure("conserves", f"the {moved.quantity} to change by {dumps(wanted)}", dumps(found)[:160])
    counts["conserves"] = 1
    beyond = {moved.amount: int(before[good[moved.source]]) + 1_000_000}
    for name, other in (("overdraft", beyond), ("same_side", {moved.target: good[moved.source]})):
        result = session.call(tool.name, {**good, **other})
        if result.error is None or result.error.kind not in (ToolErrorKind.PRECONDITION_FAILED, _INVALID):
            session.reset()
            return Failure(name, "precondition_failed", "success" if result.error is None else str(result.error.kind))
        counts[name] = 1
    return None


def bad_arguments(
    spec: EnvironmentSpec, tool: CompiledTool, good: dict[str, Any]
) -> list[tuple[str, dict[str, Any], tuple[ToolErrorKind, ...]]]:
    """Calls that must fail: (which check, arguments, error kinds that are right)."""
    bad: list[tuple[str, dict[str, Any], tuple[ToolErrorKind, ...]]] = []
    invalid = (ToolErrorKind.INVALID_ARGUMENT,)
    for name in tool.parameters.get("required", ())[:1]:
        bad.append(("missing", {k: v for k, v in good.items() if k != name}, invalid))
    typed = next((n for n, s in tool.parameters["properties"].items() if s.get("type") in _WRONG), "")
    if typed:
        bad.append(("wrong_type", {**good, typed: _WRONG[tool.parameters["properties"][typed]["type"]]}, invalid))
    bad.append(("unknown_argument", {**good, "no_such_argument": 1}, invalid))
    for binding in tool.bindings:
        schema = tool.parameters["properties"].get(binding.parameter, {})
        absent = {"string": _ABSENT, "integer": 987654321}.get(schema.get("type", ""))
        makes = tool.operator is Operator.UPDATE and "db.insert(" in tool.code
        names_row = binding.part is Part.KEY and tool.operator in _KEYED and not makes
        if absent is None or "enum" in schema or not binding.column or not binding.entity:
            continue
        column = spec.entity(binding.entity).column(binding.column)
        if names_row or (binding.part is Part.REFERENCE and column.references):
            if "maximum" in schema and isinstance(absent, int) and absent > schema["maximum"]:
                continue
            bad.append(("unknown_key", {**good, binding.parameter: absent}, _REFUSALS))
    return bad


_WRONG: dict[str, Any] = {
    "string": {"not": "text"},
    "integer": "not a number",
    "number": "not a number",
    "boolean": "not a boolean",
    "array": "not a list",
    "object": "not an object",
}


def _validator(tool: CompiledTool) -> jsonschema_rs.Draft202012Validator | None:
    if tool.response is None:
        return None
    try:
        return jsonschema_rs.Draft202012Validator(tool.response)
    except (jsonschema_rs.ValidationError, ValueError):
        return None
