"""Environments in a terminal: the list of a run, and one of them with its tables, tools and rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from rayscaler.environment import Column, CompiledTool, Entity, EnvironmentSpec


def environments_table(rows: Sequence[dict[str, Any]]) -> Table:
    """One line per environment of a run."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("environment", no_wrap=True, style="bold")
    table.add_column("title", ratio=1)
    for name in ("tools", "reads", "writes", "tables"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        numbers = (str(row[name]) for name in ("n_tools", "n_reads", "n_writes", "n_entities"))
        table.add_row(Text(row["environment_id"]), Text(row["title"]), *numbers)
    return table


def describe(spec: EnvironmentSpec) -> RenderableType:
    """An environment as its user would want to know it: what it is about, its tables, its tools, its rules."""
    writes = sum(tool.operator.writes for tool in spec.tools)
    head = Text.assemble(
        (spec.title, "bold"), f"  {spec.environment_id}\n", spec.description + "\n" if spec.description else "",
        (f"{len(spec.tools)} tools, {writes} of them write; {len(spec.entities)} tables; its clock stands at ", "dim"),
        (spec.now, "dim"),
    )  # fmt: skip
    parts: list[RenderableType] = [head, _section("Tables"), *(_entity(entity) for entity in spec.entities)]
    parts += [_section("Tools"), tools_table(spec.tools)]
    if spec.policy:
        parts += [_section("Rules"), Padding(Markdown(spec.policy), (0, 2))]
    return Group(*parts)


def tools_table(tools: Sequence[CompiledTool]) -> Table:
    """Name with arguments (optional ones in brackets), operator, description of each tool; what it does not offer."""
    table = Table(box=None, pad_edge=True, show_header=False)
    table.add_column("operator", no_wrap=True)
    table.add_column("tool", ratio=2, overflow="fold")
    table.add_column("description", ratio=3)
    for tool in tools:
        style = "yellow" if tool.operator.writes else "cyan"
        about = Text(_first_sentence(tool.description))
        if tool.left_out:
            about.append(f"\nnot offered: {_listed(tool.left_out)}", style="dim")
        table.add_row(Text(tool.operator, style=style), signature(tool), about)
    return table


def tool_details(tool: CompiledTool) -> RenderableType:
    """One tool with its arguments and its code."""
    head = Text.assemble(signature(tool), f"\n{tool.description}\n", (f"from {tool.tool_id}", "dim"))
    arguments = Table(box=None, show_header=False)
    required = tool.parameters.get("required", [])
    for name, schema in tool.parameters.get("properties", {}).items():
        need = Text("required", style="bold") if name in required else Text("optional", style="dim")
        arguments.add_row(Text(name, style="bold"), _type(schema), need, Text(str(schema.get("description", ""))))
    return Group(head, arguments, Padding(Syntax(tool.code.strip(), "python", background_color="default"), (1, 2)))


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def signature(tool: CompiledTool) -> Text:
    """`cancel_order(order_id, reason, [note])`."""
    required = tool.parameters.get("required", [])
    names = tool.parameters.get("properties", {})
    spelled = [name for name in names if name in required] + [f"[{name}]" for name in names if name not in required]
    return Text.assemble((tool.name, "bold"), f"({', '.join(spelled)})")


def _section(title: str) -> Text:
    return Text(f"\n{title}", style="bold underline")


def _entity(entity: Entity) -> RenderableType:
    head = Text.assemble((entity.name, "bold"), f"  {entity.description}")
    columns = Text(", ").join(_column(column, is_key=column.name == entity.key) for column in entity.columns)
    return Padding(Group(head, Padding(columns, (0, 0, 0, 2))), (0, 2))


def _column(column: Column, *, is_key: bool) -> Text:
    text = Text(column.name, style="bold" if is_key else "")
    if column.references:
        return text.append(f" -> {column.references}", style="cyan")
    if column.enum:
        return text.append(f" {'|'.join(column.enum[:6])}{'|…' if len(column.enum) > 6 else ''}", style="dim")
    plain = is_key or column.semantic in column.name.lower()
    return text.append("" if plain else f" {column.semantic}", style="dim")


def _type(schema: dict[str, Any]) -> Text:
    kind = schema.get("type", "any")
    text = "/".join(kind) if isinstance(kind, list) else str(kind)
    values = schema.get("enum")
    return Text(f"{text} of {', '.join(map(str, values[:8]))}" if values else text, style="dim")


def _first_sentence(text: str) -> str:
    first = text.split(". ", maxsplit=1)[0].strip()
    return first if len(first) <= 160 else f"{first[:159]}…"
