"""Row changes in colours: what a call inserted (+), deleted (-) and updated (~)."""

from __future__ import annotations

from rich.text import Text

from rayscaler.canonical import dumps
from rayscaler.changes import Changes, Row, RowChange, Scalar

_STYLES = {"insert": ("+", "green"), "delete": ("-", "red"), "update": ("~", "yellow")}


def changes_text(changes: Changes) -> Text:
    """One line per changed row; an update shows `column: before -> after` of the changed columns only."""
    if not changes:
        return Text("no row changed", style="dim")
    return Text("\n").join(_line(change) for change in changes)


def _line(change: RowChange) -> Text:
    sign, style = _STYLES[change.op]
    key = ", ".join(str(value) for value in change.key.values())
    line = Text.assemble((f"{sign} {change.table} {key}", style))
    if change.op == "update":
        before, after = change.before or {}, change.after or {}
        for column in after:
            line.append(f"  {column}: ", style="dim")
            line.append(_spell(before.get(column)), style="red")
            line.append(" -> ", style="dim")
            line.append(_spell(after[column]), style="green")
        return line
    row: Row = change.after or change.before or {}
    for column, value in row.items():
        if column not in change.key and value is not None:
            line.append(f"  {column}: ", style="dim").append(_spell(value), style=style)
    return line


def _spell(value: Scalar) -> str:
    text = "null" if value is None else dumps(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
