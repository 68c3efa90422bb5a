"""What is known of one API operation after intake: the row of `tools`, and the input of every later stage.

`parameters` is a JSON Schema object whose top-level properties are the tool's arguments (path, query and header
parameters and the members of a request body side by side, as AgentScaler's tools have them). `response` is the JSON
Schema of a successful answer; where the specification is silent, intake infers it and sets `response_inferred`.
"""

from __future__ import annotations

import json
import keyword
import re
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

JsonSchema = dict[str, Any]


class ToolSpec(BaseModel):
    """One operation of one API."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool_id: str = Field(description="Unique in the pool, readable, stable: `amazonaws/connect/2017-08-08/CreateUser`.")
    name: str = Field(description="A valid function name: `create_user`. Unique inside an API, not across APIs.")
    vendor: str = Field(description="Who offers the API: `amazonaws`, `googleapis`, a host name's main label.")
    api: str = Field(description="The API: `connect`, `calendar`.")
    api_title: str = ""
    version: str = ""
    description: str = ""
    method: str = Field("", description="HTTP method in upper case, or empty where the format has none.")
    path: str = Field("", description="Route template (`/calendars/{calendarId}/events`), or empty.")
    resources: tuple[str, ...] = Field((), description="Resource nouns of the route or method id, outermost first.")
    read_only: bool | None = Field(None, description="What the specification itself says (`readOnlyHint`), if it does.")
    parameters: JsonSchema = Field(description="JSON Schema object of the arguments, `$ref` resolved.")
    locations: dict[str, str] = Field({}, description="Argument -> path, query, header, body or empty.")
    response: JsonSchema | None = Field(None, description="JSON Schema of a successful answer, or None.")
    response_inferred: bool = Field(False, description="Whether `response` is ours, by rule, and not the file's own.")
    deprecated: bool = False
    format: str = Field(description="Which adapter read it: `aws`, `google`, `openapi3`, `swagger2`, `functions` …")
    source: str = Field("", description="The configured source it came from.")
    file: str = Field("", description="The file inside that source.")
    pointer: str = Field("", description="JSON pointer of the operation inside the file.")
    license: str = ""

    def to_row(self) -> dict[str, Any]:
        """The row of `tools`. Schemas become JSON text with their keys as written: arguments keep their order."""
        row = self.model_dump()
        row["resources"] = list(self.resources)
        row["parameters"] = _text(self.parameters)
        row["locations"] = _text(self.locations)
        row["response"] = None if self.response is None else _text(self.response)
        return row

    @staticmethod
    def from_row(row: dict[str, Any]) -> ToolSpec:
        """The inverse of `to_row`."""
        values = dict(row)
        values["parameters"] = json.loads(row["parameters"])
        values["locations"] = json.loads(row["locations"])
        values["response"] = None if row["response"] is None else json.loads(row["response"])
        values["resources"] = tuple(row["resources"])
        return ToolSpec.model_validate(values)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def words(name: str) -> list[str]:
    """The lower-case words of an identifier in any style: `listHTTPRoutes_v2` -> list, http, routes, v, 2."""
    return list(_words(name))


@lru_cache(maxsize=1 << 16)
def _words(name: str) -> tuple[str, ...]:
    return tuple(w.lower() for w in _WORD.findall(name))


def snake(name: str) -> str:
    """A valid lower-case Python identifier: `calendar.events.insert` -> `calendar_events_insert`."""
    text = "_".join(words(name)) or "unnamed"
    if text[0].isdigit():
        text = f"n_{text}"
    return f"{text}_" if keyword.iskeyword(text) else text
