"""Playing in an environment by hand: one line in, what it did out.

    cancel_order {"order_id": "ord-0007"}
    cancel_order order_id=ord-0007 reason="no longer needed"
    :changes
"""

from __future__ import annotations

import difflib
import json
import shlex
from typing import Any, NamedTuple

from rich.console import Group, RenderableType
from rich.json import JSON
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from rayscaler.canonical import dumps
from rayscaler.display.changes import changes_text
from rayscaler.display.environment import tool_details, tools_table
from rayscaler.environment import CallResult, EnvironmentSpec, Session

HELP = """\
tool {"argument": "value"}   call a tool, arguments as JSON
tool argument=value          the same; quote a value with spaces
:tools [NAME]                all tools, or one with its arguments and code
:tables                      the tables and how many rows they have
:rows TABLE [N]              the first N rows of a table (10)
:changes                     net row changes since the start
:reset [SEED]                back to the start, or to the start of another seed
:quit                        leave"""

MAX_LINES = 60
"""Lines of an answer that are shown."""


class Call(NamedTuple):
    """A tool call as it was typed."""

    name: str
    arguments: dict[str, Any]


class Quit(Exception):
    """The player wants to leave."""


def parse_call(line: str, spec: EnvironmentSpec) -> Call:
    """A typed line as a call. `key=value` values take the type that the tool's schema gives them.

    Raises ValueError that says what is wrong with the line.
    """
    name, _, rest = line.strip().partition(" ")
    rest = rest.strip()
    if rest.startswith("{"):
        try:
            arguments = json.loads(rest)
        except json.JSONDecodeError as error:
            raise ValueError(f"the arguments are not JSON: {error}") from error
        return Call(name, arguments)
    found = next((tool for tool in spec.tools if tool.name == name), None)
    properties: dict[str, Any] = found.parameters.get("properties", {}) if found else {}
    arguments = {}
    for word in shlex.split(rest):
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"{word!r}: expected argument=value or a JSON object")
        arguments[key] = _typed(value, properties.get(key, {}))
    return Call(name, arguments)


def play_line(line: str, session: Session, spec: EnvironmentSpec) -> RenderableType:
    """Do what one typed line asks for, and show it. Raises Quit on `:quit`."""
    words = line.split()
    try:
        if not words:
            return Text("")
        if words[0].startswith(":"):
            return _command(words[0][1:], words[1:], session, spec)
        name, arguments = parse_call(line, spec)
    except ValueError as error:
        return Text(str(error), style="red")
    if name not in {tool.name for tool in spec.tools}:
        return Text(_no_tool(name, spec), style="red")
    return result_text(session.call(name, arguments))


def result_text(result: CallResult) -> RenderableType:
    """The answer as the agent reads it, then the rows that changed."""
    if result.error is not None:
        field = f" ({result.error.field})" if result.error.field else ""
        return Text.assemble((f"{result.error.kind}{field}: ", "bold red"), result.error.message)
    return Group(*_answer(result.value), changes_text(result.changes))


def _answer(value: Any) -> list[RenderableType]:
    """The first lines of a long answer: a list of a hundred rows would push everything else off the screen."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    lines = text.splitlines()
    if len(lines) <= MAX_LINES:
        return [JSON(text)]
    rest = Text(f"… {len(lines) - MAX_LINES} more lines; an agent reads all of them", style="dim")
    return [Text("\n".join(lines[:MAX_LINES])), rest]


def _command(name: str, rest: list[str], session: Session, spec: EnvironmentSpec) -> RenderableType:
    if name in ("quit", "q", "exit"):
        raise Quit
    if name == "tools":
        return tool_details(spec.tool(rest[0])) if rest and _known_tool(rest[0], spec) else tools_table(spec.tools)
    if name == "tables":
        return Text("\n").join(Text(f"{e.name}  {len(session.rows(e.name))} rows") for e in spec.entities)
    if name == "rows":
        return _rows(rest, session, spec)
    if name == "changes":
        return changes_text(session.changes())
    if name == "reset":
        session.reset(int(rest[0]) if rest else None)
        return Text("back at the start", style="dim")
    return Text(HELP)


def _rows(rest: list[str], session: Session, spec: EnvironmentSpec) -> RenderableType:
    names = [entity.name for entity in spec.entities]
    if not rest or rest[0] not in names:
        raise ValueError(f":rows TABLE: expected one of {', '.join(names)}")
    rows = session.rows(rest[0])[: int(rest[1]) if len(rest) > 1 else 10]
    table = Table(box=None)
    for column in spec.entity(rest[0]).columns:
        table.add_column(column.name, overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(Text("-" if v is None else v if isinstance(v, str) else dumps(v)) for v in row.values()))
    return Padding(table, (0, 1))


def _known_tool(name: str, spec: EnvironmentSpec) -> bool:
    if any(tool.name == name for tool in spec.tools):
        return True
    raise ValueError(_no_tool(name, spec))


def _no_tool(name: str, spec: EnvironmentSpec) -> str:
    near = difflib.get_close_matches(name, [tool.name for tool in spec.tools], n=3)
    return f"no tool {name!r}; {'did you mean ' + ', '.join(near) + '?' if near else ':tools lists them'}"


def _typed(value: str, schema: dict[str, Any]) -> Any:
    """`value` as the schema wants it: text stays text, anything else is read as JSON where it is JSON."""
    kind = schema.get("type")
    if kind == "string" or (isinstance(kind, list) and "string" in kind):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
