"""Redrafting an environment: other code for a tool, or a schema that says better what its columns hold (paper 2.1).

What decides is the certificate: `try_tool` and `try_schema` are parameters, which certify the environment with the
draft in it. Before that a draft must name what is there, and its texts must not speak to a model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import Field

from rayscaler.environment import Column, CompiledTool, EnvironmentSpec, Semantic
from rayscaler.refinement.problems import Kind, Problem, speaks_to_models
from rayscaler.refinement.step import Answer, Question, Step

MAX_CODE = 8_000
"""Longest draft of a tool, in characters. The compiler's longest is half of it."""

KEPT = frozenset({Semantic.ID, Semantic.REFERENCE, Semantic.JSON})
"""What a column holds for the database's own sake: nothing to redraft."""

OF_TYPE: dict[str, frozenset[Semantic]] = {
    "INTEGER": frozenset({Semantic.INTEGER, Semantic.NUMBER, Semantic.QUANTITY, Semantic.BOOLEAN, Semantic.PERCENT,
                          Semantic.MONEY, Semantic.MILLISECONDS}),
    "REAL": frozenset({Semantic.NUMBER, Semantic.QUANTITY, Semantic.MONEY, Semantic.PERCENT, Semantic.LATITUDE,
                       Semantic.LONGITUDE}),
}
"""SQLite's type -> what such a column may hold; text may hold what is in neither, and what `OF_TEXT` says."""

OF_TEXT = frozenset(Semantic) - KEPT - OF_TYPE["INTEGER"] - OF_TYPE["REAL"] | {Semantic.MILLISECONDS}


_VALUE = re.compile(r"(?=.{1,40}\Z)[^\W_][\w .:/+-]*")
"""What a status or a kind is called: nothing that a database or a model could take for more than a name."""


class ToolDraft(Answer):
    """Another source of a tool."""

    code: str = Field(description="The whole function in the tool language.")


class ColumnDraft(Answer):
    """What one column holds."""

    table: str
    column: str
    semantic: Literal[tuple(sorted(s.value for s in Semantic if s not in KEPT))]  # type: ignore[valid-type]
    values: list[str] = Field(description="Every value that the column may hold, for a status or an enumeration; empty "
                              "leaves those that it has.")


class SchemaDraft(Answer):
    """What columns hold, where that is known better than it stands; none if it stands well."""

    columns: list[ColumnDraft]


REDRAFT_TOOL = Step("redraft_tool", ToolDraft)
REDRAFT_SCHEMA = Step("redraft_schema", SchemaDraft)


def tool_question(
    spec: EnvironmentSpec, tool: CompiledTool, weaknesses: Sequence[str], schema_sql: str,
    try_tool: Callable[[str], list[Problem]],
) -> Question[ToolDraft]:
    """Ask for better code of `tool`. weaknesses: what the certificate found. try_tool: what speaks against a source."""
    data = {"tool": tool.name, "description": tool.description, "operator": tool.operator.value,
            "parameters": tool.parameters, "answer": tool.response, "tables": schema_sql, "code": tool.code,
            "found": list(weaknesses)}

    def problems(answer: ToolDraft) -> list[Problem]:
        if answer.code.strip() == tool.code.strip():
            return []
        if len(answer.code) > MAX_CODE:
            return [Problem(Kind.CODE_REFUSED, f"{len(answer.code)} characters of code, at most {MAX_CODE} are taken")]
        return speaks_to_models("the code", answer.code, tool.code) or try_tool(answer.code)

    return Question(REDRAFT_TOOL, f"{spec.environment_id}/{tool.name}", data, tool.code, problems)


def schema_question(
    spec: EnvironmentSpec, try_schema: Callable[[EnvironmentSpec], list[Problem]]
) -> Question[SchemaDraft]:
    """Ask what the columns of an environment hold. try_schema: what speaks against the environment with the answer."""

    def problems(answer: SchemaDraft) -> list[Problem]:
        found = [problem for draft in answer.columns for problem in _column_problems(spec, draft)]
        named = [(draft.table, draft.column) for draft in answer.columns]
        found += [Problem(Kind.UNFIT, f"{t}.{c} is there more than once") for t, c in dict.fromkeys(named)
                  if named.count((t, c)) > 1]
        redrafted = with_columns(spec, answer) if not found else spec
        return found or ([] if redrafted == spec else try_schema(redrafted))

    return Question(REDRAFT_SCHEMA, spec.environment_id, _schema_data(spec), schema_text(spec), problems)


def with_columns(spec: EnvironmentSpec, answer: SchemaDraft) -> EnvironmentSpec:
    """`spec` with columns as the answer says. Names that are not there are passed over."""
    drafts = {(draft.table, draft.column): draft for draft in answer.columns}
    entities = tuple(
        entity.model_copy(update={"columns": tuple(
            _redrafted(column, drafts.get((entity.name, column.name))) for column in entity.columns)})
        for entity in spec.entities
    )
    return spec.model_copy(update={"entities": entities})


def schema_text(spec: EnvironmentSpec) -> str:
    """What the columns hold, one line per column that may be redrafted."""
    return "\n".join(f"{entity.name}.{column.name}: {column.semantic.value}{_listed(column)}"
                     for entity in spec.entities for column in entity.columns if _is_open(entity.key, column))


def _redrafted(column: Column, draft: ColumnDraft | None) -> Column:
    if draft is None:
        return column
    return column.model_copy(update={"semantic": Semantic(draft.semantic),
                                     "enum": tuple(draft.values) or column.enum})


def _listed(column: Column) -> str:
    return f" {json.dumps(list(column.enum), ensure_ascii=False)}" if column.enum else ""


def _is_open(key: str, column: Column) -> bool:
    kept = column.semantic in KEPT or column.references is not None or column.name == key
    return not (kept or column.generated)


def _schema_data(spec: EnvironmentSpec) -> dict[str, Any]:
    tables = {
        entity.name: [
            {"column": c.name, "type": c.type, "semantic": c.semantic.value, "values": list(c.enum),
             "description": c.description}
            for c in entity.columns if _is_open(entity.key, c)
        ]
        for entity in spec.entities
    }
    return {"domain": spec.title, "tables": tables, "tools": [tool.name for tool in spec.tools]}


def _column_problems(spec: EnvironmentSpec, draft: ColumnDraft) -> list[Problem]:
    place = f"{draft.table:.60}.{draft.column:.60}"
    entity = next((e for e in spec.entities if e.name == draft.table), None)
    column = next((c for c in entity.columns if c.name == draft.column), None) if entity else None
    if entity is None or column is None:
        return [Problem(Kind.INVENTS, f"there is no column {place}")]
    if not _is_open(entity.key, column):
        return [Problem(Kind.UNFIT, f"{place} is the database's own and cannot be redrafted")]
    found = []
    if Semantic(draft.semantic) not in OF_TYPE.get(column.type, OF_TEXT):
        found.append(f"{place}: a column of type {column.type} holds no {draft.semantic}")
    if draft.values and (column.type != "TEXT" or draft.semantic not in (Semantic.STATUS, Semantic.ENUM)):
        found.append(f"{place}: only a text that is a status or an enum has a list of values")
    if len(set(draft.values)) != len(draft.values) or len(draft.values) > 40:
        found.append(f"{place}: expected up to 40 different values")
    if not all(_VALUE.fullmatch(value) for value in draft.values if value not in column.enum):
        found.append(f"{place}: a value is up to 40 letters, digits, blanks and one of _.:/+-")
    lost = [value for value in column.enum if draft.values and value not in draft.values]
    texts = speaks_to_models(place, " ".join(draft.values), " ".join(column.enum))
    return [*(Problem(Kind.UNFIT, text) for text in found), *texts,
            *(Problem(Kind.LOSES, f"{place}: the value {value!r} is left out") for value in lost)]
