"""Worlds of tau2-bench: the tools of agent and user on a domain's state, answered as upstream answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel

from rayscaler.evaluation.benchmark import Answer, Caller
from rayscaler.evaluation.database import Database, Tables
from rayscaler.evaluation.shapes import Shapes
from rayscaler.evaluation.toolbox import Refused, Tool, invoke
from rayscaler.messages import ToolCall


class State:
    """What tools see of a large database whose user has none: records are copied when they are taken."""

    def __init__(self, shapes: Shapes, tables: Tables) -> None:
        self.shapes, self.db = shapes, Database(tables)

    def record(self, table: str, key: str, otherwise: str) -> Any:
        """A record, to read or to change. Refused with `otherwise` if there is none."""
        if not self.db.has(table, key):
            raise Refused(otherwise)
        return self.db.take(table, key)

    def differences(self, other: State) -> list[str]:
        """`table key` of each record that differs from that of another conversation's state."""
        return self.db.differences(other.db, spelt)


class TwoSides:
    """What tools see where the user has a database too. Both are small and are copied whole."""

    def __init__(self, shapes: dict[str, Shapes], records: dict[str, Any]) -> None:
        """records: the database of `agent` and that of `user`, as JSON."""
        self.shapes = shapes
        self.agent: Any = shapes["agent"].database.model_validate(records["agent"])
        self.user: Any = shapes["user"].database.model_validate(records["user"])

    def differences(self, other: TwoSides) -> list[str]:
        """`side table` of each table that differs."""
        return [f"{side} {name}" for side in ("agent", "user")
                for name in type(getattr(self, side)).model_fields
                if spelt(getattr(self, side), name) != spelt(getattr(other, side), name)]


class AnyState(Protocol):
    """The state of a domain, whichever it has."""

    def differences(self, other: Any, /) -> list[str]:
        """What differs between two states of one domain, by name."""
        ...


def _nothing(_: Any) -> None:
    return None


class Toolset(NamedTuple):
    """What can be called in a domain. functions: what initial states and assertions call besides the tools. agree: what
    a call makes both sides' databases agree on."""

    agent: Mapping[str, Tool]
    user: Mapping[str, Tool] = {}
    agent_functions: Mapping[str, Tool] = {}
    user_functions: Mapping[str, Tool] = {}
    agree: Callable[[Any], None] = _nothing

    def function(self, side: Caller, name: str) -> Tool:
        """Anything that a task may call. KeyError if there is no such function."""
        own = (self.agent, self.agent_functions) if side == "agent" else (self.user, self.user_functions)
        return {**own[0], **own[1]}[name]


class Tau2World:
    """Both sides' tools on one state."""

    def __init__(self, state: AnyState, tools: Toolset) -> None:
        self.state, self.tools = state, tools

    def call(self, call: ToolCall, by: Caller) -> Answer:
        """Run one call."""
        text, failed = self.run(call.name, call.arguments, by)
        return Answer(text, error="refused" if failed else "")

    def run(
        self, name: str, arguments: Mapping[str, Any], by: Caller = "agent", *, agree: bool = True
    ) -> tuple[str, bool]:
        """What the caller reads, and whether it is an error. agree: as a conversation does, and gold does not."""
        tools = self.tools.agent if by == "agent" else self.tools.user
        if name not in tools:
            return f"Error: Tool '{name}' not found.", True
        try:
            found = invoke(tools, self.state, name, arguments)
            if agree:
                self.tools.agree(self.state)
            return as_text(found), False
        except Exception as error:  # the boundary to tools, as upstream has it: any failure is an answer
            return f"Error: {error}", True

    def prepare(self, name: str, arguments: Mapping[str, Any], side: Caller) -> Any:
        """Run what a task prescribes. KeyError for a function that there is not; raises what it raises."""
        found = self.tools.function(side, name)(self.state, **arguments)
        self.tools.agree(self.state)
        return found


def as_text(value: Any) -> str:
    """A tool's result as the agent reads it."""
    return value if isinstance(value, str) else json.dumps(_plain(value), default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def spelt(record: BaseModel, field: str | None = None) -> str:
    """A record, or one field of it, as `data_hash` sees it."""
    return json.dumps(record.model_dump(include={field} if field else None), sort_keys=True, default=str)


def data_hash(tables: Mapping[str, Mapping[str, BaseModel]]) -> str:
    """Upstream's hash of a whole database of tables by key."""
    plain = {name: {key: record.model_dump() for key, record in rows.items()} for name, rows in tables.items()}
    return sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()
