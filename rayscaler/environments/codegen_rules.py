"""The lines that hold a tool to the rules of its world: `require(…)` on its arguments and on the row in hand."""

from __future__ import annotations

from rayscaler.environment import Part
from rayscaler.environments.codegen_writer import Writer, repr_text
from rayscaler.environments.infer_rules_arguments import ArgumentRule, told_argument_rules


def argument_lines(writer: Writer, open_names: frozenset[str]) -> list[str]:
    """Rules on which arguments go together. open_names: optional parameters that are None if they are left out."""
    lines = []
    ignored = {b.parameter for b in writer.plan.bounds if b.part is Part.IGNORED}
    for rule in told_argument_rules(writer.plan.placed.reading.tool):
        optional = rule.names if rule.kind != "with" or rule.value is None else rule.names[:1]
        if not ignored & set(rule.names) and open_names.issuperset(optional):
            lines.append(_argument_line(writer, rule))
    return lines


def _argument_line(writer: Writer, rule: ArgumentRule) -> str:
    names = [writer.names[n] for n in rule.names]
    said = " or ".join(rule.names)
    if rule.kind == "one of":
        return (
            f'require({" or ".join(f"{n} is not None" for n in names)}, "give at least one of {", ".join(rule.names)}")'
        )
    if rule.kind == "not both":
        return f'require({" or ".join(f"{n} is None" for n in names)}, "give {said}, not both")'
    needed, other = names
    if rule.value is None:
        return f'require({other} is None or {needed} is not None, "{rule.names[0]} is needed with {rule.names[1]}")'
    told = f"{rule.names[0]} is needed where {rule.names[1]} is {rule.value}"
    return f"require({other} != {repr_text(rule.value)} or {needed} is not None, {repr_text(told)})"


def state_lines(writer: Writer) -> list[str]:
    """What the row in hand must be, by its status and its flags."""
    plan, lines = writer.plan, []
    said = f"the {' '.join(plan.table.noun)}"
    if plan.status_column is not None and (plan.states or plan.barred):
        cell = f'{writer.one}["{plan.status_column.name}"]'
        shown = cell.replace('"', "'")
        if plan.states:
            test = _among(cell, plan.states, wanted=True)
            lines.append(f'require({test}, f"{said} must be {" or ".join(plan.states)}; it is {{{shown}}}")')
        else:
            test = _among(cell, plan.barred, wanted=False)
            lines.append(f'require({test}, f"{said} must not be {" or ".join(plan.barred)}; it is {{{shown}}}")')
    for flag, wanted in plan.flags:
        cell = f'{writer.one}["{flag.name}"]'
        word = flag.name.replace("_", " ").removeprefix("is ")
        lines.append(f'require({"" if wanted else "not "}{cell}, "{said} must {"" if wanted else "not "}be {word}")')
    return lines


def _among(cell: str, states: tuple[str, ...], *, wanted: bool) -> str:
    if len(states) == 1:
        return f"{cell} {'==' if wanted else '!='} {repr_text(states[0])}"
    return f"{cell} {'in' if wanted else 'not in'} [{', '.join(map(repr_text, states))}]"
