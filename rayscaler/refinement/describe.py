"""Describing a tool with explicit inputs and outputs (paper section 2.1): what it does, takes and answers with.

Names come from the specification and only from there: every parameter is described once, and no field is added. Numbers
and identifiers that nothing in the specification says are refused.
"""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import Field

from rayscaler.refinement.problems import Kind, Problem, invented, same_names, text_problems
from rayscaler.refinement.step import Answer, Question, Step
from rayscaler.toolspec import JsonSchema, ToolSpec, words

MAX_SUMMARY, MAX_FIELD = 300, 200
"""Characters."""

MAX_INPUTS, MAX_OUTPUTS = 40, 24
"""Parameters and fields that are asked about, the first of the specification, required ones before; others stay."""

SAID_OUTPUTS = 6
"""Outputs that the description itself lists."""


class FieldText(Answer):
    """One parameter or field."""

    name: str
    description: str


class Description(Answer):
    """A tool in plain words."""

    summary: str = Field(description="What the tool does, in one or two sentences.")
    inputs: list[FieldText] = Field(description="Every parameter of the data, once.")
    outputs: list[FieldText] = Field(description="Every field of the answer in the data, once.")


DESCRIBE = Step("describe", Description)


def describe_question(tool: ToolSpec) -> Question[Description]:
    """Ask what `tool` does, takes and answers with."""
    inputs, outputs = inputs_of(tool), outputs_of(tool)
    data = {
        "name": tool.name, "api": tool.api_title or tool.api, "method": tool.method, "path": tool.path,
        "description": tool.description[:2000],
        "inputs": {name: _brief(schema) for name, schema in inputs.items()},
        "required": [name for name in tool.parameters.get("required", ()) if name in inputs],
        "outputs": {name: _brief(schema) for name, schema in outputs.items()},
    }
    source = json.dumps(data, ensure_ascii=False)

    def problems(answer: Description) -> list[Problem]:
        found = same_names("input", [f.name for f in answer.inputs], inputs)
        found += same_names("output", [f.name for f in answer.outputs], outputs)
        texts = {"the summary": (answer.summary, MAX_SUMMARY)}
        texts |= {f"{f.name:.60}": (f.description, MAX_FIELD) for f in (*answer.inputs, *answer.outputs)}
        for what, (text, longest) in texts.items():
            found += text_problems(what, text, longest=longest, source=source) or invented(what, text, source)
        if not _content(answer.summary) & _content(f"{tool.name} {tool.description} {' '.join(tool.resources)}"):
            found.append(Problem(Kind.LOSES, "the summary has no word of the tool's name or description"))
        return found

    return Question(DESCRIBE, tool.tool_id, data, tool.description, problems)


def described(tool: ToolSpec, answer: Description) -> ToolSpec:
    """`tool` in the words of a checked answer. Only descriptions change."""
    listed = ", ".join(field.name for field in answer.outputs[:SAID_OUTPUTS])
    summary = answer.summary.strip()
    description = f"{summary}{'' if summary[-1] in '.!?' else '.'}{f' Returns {listed}.' if listed else ''}"
    parameters = _with_texts(tool.parameters, answer.inputs)
    changed: dict[str, Any] = {"description": description, "parameters": parameters}
    if tool.response is not None and answer.outputs:
        changed["response"] = _with_texts(tool.response, answer.outputs)
    return tool.model_copy(update=changed)


def inputs_of(tool: ToolSpec) -> dict[str, JsonSchema]:
    """The parameters that are asked about."""
    properties: dict[str, JsonSchema] = tool.parameters.get("properties", {})
    needed = set(tool.parameters.get("required", ()))
    names = sorted(properties, key=lambda name: name not in needed)[:MAX_INPUTS]
    return {name: properties[name] for name in properties if name in names}


def outputs_of(tool: ToolSpec) -> dict[str, JsonSchema]:
    """The fields of the answer that are asked about: of an object, or of the objects of a list."""
    schema = tool.response or {}
    if isinstance(schema.get("items"), dict):
        schema = schema["items"]
    properties: dict[str, JsonSchema] = schema.get("properties") or {}
    return {name: properties[name] for name in list(properties)[:MAX_OUTPUTS]}


def _with_texts(schema: JsonSchema, fields: list[FieldText]) -> JsonSchema:
    """The schema with descriptions of its own properties, or of its items' where it is a list."""
    if "properties" not in schema and isinstance(schema.get("items"), dict):
        return {**schema, "items": _with_texts(schema["items"], fields)}
    texts = {field.name: field.description for field in fields}
    properties = {name: {**inner, "description": texts[name]} if name in texts else inner
                  for name, inner in schema.get("properties", {}).items()}
    return {**schema, "properties": properties}


def _brief(schema: JsonSchema) -> dict[str, Any]:
    kept = {key: schema[key] for key in ("type", "format", "enum", "default", "minimum", "maximum") if key in schema}
    return kept | {"description": str(schema.get("description", ""))[:400]}


def _content(text: str) -> set[str]:
    """Stems of the words that carry meaning: the first five letters of those with four or more."""
    return {word[:5] for part in re.findall(r"\w+", text) for word in words(part) if len(word) > 3}
