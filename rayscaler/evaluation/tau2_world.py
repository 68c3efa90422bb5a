"""One world of tau2-bench: the tools of a domain on its database, answered as upstream answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from pydantic import BaseModel

from rayscaler.evaluation.benchmark import Answer, Caller
from rayscaler.evaluation.database import Database, Tables
from rayscaler.evaluation.shapes import Shapes
from rayscaler.evaluation.toolbox import Refused, Tool, invoke
from rayscaler.messages import ToolCall


class State:
    """What tools see: the database and the types of its records."""

    def __init__(self, shapes: Shapes, tables: Tables) -> None:
        self.shapes, self.db = shapes, Database(tables)

    def record(self, table: str, key: str, otherwise: str) -> Any:
        """A record, to read or to change. Refused with `otherwise` if there is none."""
        if not self.db.has(table, key):
            raise Refused(otherwise)
        return self.db.take(table, key)


class Tau2World:
    """Agent's tools on one state."""

    def __init__(self, state: State, tools: Mapping[str, Tool]) -> None:
        self.state, self.tools = state, tools

    def call(self, call: ToolCall, by: Caller) -> Answer:
        """Run one call. Users of these domains have no tools."""
        text, failed = self.run(call.name, call.arguments) if by == "agent" else (_missing(call.name), True)
        return Answer(text, error="refused" if failed else "")

    def run(self, name: str, arguments: Mapping[str, Any]) -> tuple[str, bool]:
        """What the agent reads, and whether it is an error."""
        if name not in self.tools:
            return _missing(name), True
        try:
            return as_text(invoke(self.tools, self.state, name, arguments)), False
        except Exception as error:  # the boundary to tools, as upstream has it: any failure is an answer
            return f"Error: {error}", True


def _missing(name: str) -> str:
    return f"Error: Tool '{name}' not found."


def as_text(value: Any) -> str:
    """A tool's result as the agent reads it."""
    return value if isinstance(value, str) else json.dumps(_plain(value), default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def spelt(record: BaseModel) -> str:
    """A record as `data_hash` sees it."""
    return json.dumps(record.model_dump(), sort_keys=True, default=str)


def data_hash(tables: Mapping[str, Mapping[str, BaseModel]]) -> str:
    """Upstream's hash of a whole database."""
    plain = {name: {key: record.model_dump() for key, record in rows.items()} for name, rows in tables.items()}
    return sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()
