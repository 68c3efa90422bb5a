"""What an environment is to the rest of rayscaler: its stored specification, and the protocol of a live session.

The specification is data: it is a row of `environments`, it is compiled from API specifications (paper section 2.1:
each tool is a read or write operator on the domain's database) and it is all that a worker needs to host the
environment. Sessions are live: one in-memory SQLite database each.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from rayscaler.changes import Changes, Difference, Identity

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class Semantic(StrEnum):
    """What a column holds, as a person would say it. Decides how it is filled and how it is put into words."""

    ID = "id"
    REFERENCE = "reference"
    PERSON = "person"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    USERNAME = "username"
    EMAIL = "email"
    PHONE = "phone"
    STREET = "street"
    CITY = "city"
    STATE = "state"
    POSTCODE = "postcode"
    COUNTRY = "country"
    COMPANY = "company"
    TITLE = "title"
    TEXT = "text"
    WORD = "word"
    CODE = "code"
    URL = "url"
    STATUS = "status"
    ENUM = "enum"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    QUANTITY = "quantity"
    MONEY = "money"
    CURRENCY = "currency"
    PERCENT = "percent"
    DATE = "date"
    TIME = "time"
    DATETIME = "datetime"
    MILLISECONDS = "milliseconds"
    """A moment as milliseconds since 1970, in an integer or, as Google's APIs spell it, in text."""
    TIMEZONE = "timezone"
    LANGUAGE = "language"
    LATITUDE = "latitude"
    LONGITUDE = "longitude"
    COLOR = "color"
    """A colour as `#rrggbb`."""
    BASE64 = "base64"
    """Bytes in text: nothing that a person says."""
    JSON = "json"


class Column(BaseModel):
    """One column of an entity's table. Booleans are stored as 0 and 1, JSON values as canonical text."""

    model_config = _FROZEN

    name: str
    type: str = Field(description="SQLite STRICT type: TEXT, INTEGER or REAL.")
    semantic: Semantic
    description: str = ""
    nullable: bool = True
    unique: bool = False
    enum: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    references: str | None = Field(None, description="Name of the entity whose key this column holds.")
    on_delete: str = Field("restrict", description="When the referenced row goes: restrict, cascade or set_null.")
    generated: bool = Field(False, description="Filled by the environment (ids, creation times), never by the caller.")
    volatile: bool = Field(False, description="Left out of every comparison of states (`updated_at`).")
    json_schema: dict[str, Any] | None = Field(None, description="Shape of the value where semantic is JSON.")


class Entity(BaseModel):
    """One table. `name` is a plural noun, `key` its primary key, `label` the column by which a person names a row."""

    model_config = _FROZEN

    name: str
    singular: str
    key: str
    label: str | None = None
    description: str = ""
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError if there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name}.{name}: no such column; there are {', '.join(c.name for c in self.columns)}")


class Operator(StrEnum):
    """What a tool does to the database of its domain."""

    GET = "get"
    LIST = "list"
    SEARCH = "search"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    TRANSITION = "transition"
    RELATE = "relate"
    UNRELATE = "unrelate"
    TRANSFER = "transfer"
    LOOKUP = "lookup"

    @property
    def writes(self) -> bool:
        """Whether a successful call changes the database."""
        return self not in (Operator.GET, Operator.LIST, Operator.SEARCH, Operator.LOOKUP)


class Part(StrEnum):
    """What an argument does in its tool."""

    KEY = "key"
    """Names the row that the tool reads or writes."""
    REFERENCE = "reference"
    """Names a row of another entity, which must exist."""
    FILTER = "filter"
    """Keeps the rows whose column equals it."""
    QUERY = "query"
    """Free text that rows must contain."""
    VALUE = "value"
    """Is written to a column."""
    AMOUNT = "amount"
    """A quantity that is moved."""
    LIMIT = "limit"
    """How many rows to return at most."""
    IGNORED = "ignored"
    """Accepted, without effect on the database: pagination tokens, formats, client tokens."""


class Binding(BaseModel):
    """What one parameter of a tool stands for in the database."""

    model_config = _FROZEN

    parameter: str = Field(description="The name in the tool's JSON Schema.")
    argument: str = Field(description="The name in the tool's Python function.")
    part: Part
    entity: str | None = None
    column: str | None = None
    required: bool = False


class CompiledTool(BaseModel):
    """One tool of an environment: what the agent sees, and the function that runs."""

    model_config = _FROZEN

    name: str = Field(description="Function name, unique in the environment.")
    tool_id: str = Field(description="The row of `tools` it was compiled from.")
    description: str
    parameters: dict[str, Any] = Field(description="JSON Schema object that arguments are validated against.")
    response: dict[str, Any] | None = Field(None, description="JSON Schema of the answer, where one is known.")
    operator: Operator
    entity: str = Field(description="The table that the tool is about.")
    bindings: tuple[Binding, ...] = ()
    left_out: tuple[str, ...] = Field((), description="Optional parameters of the specification that would have no "
                                      "effect here (pagination tokens, formats, columns not kept): not offered.")
    code: str = Field(description="Source in the tool language: `def name(db, argument: type, …): …`.")

    def to_openai(self) -> dict[str, Any]:
        """The tool as OpenAI's API and chat templates take it."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    def binding(self, parameter: str) -> Binding | None:
        """What `parameter` stands for, or None if the tool has no such parameter."""
        return next((b for b in self.bindings if b.parameter == parameter), None)


class EnvironmentSpec(BaseModel):
    """Everything that makes an environment: schema, tools, rules in words, frozen clock."""

    model_config = _FROZEN

    environment_id: str
    title: str
    description: str = ""
    entities: tuple[Entity, ...]
    tools: tuple[CompiledTool, ...]
    policy: str = Field("", description="The rules of this world in words, shown to the agent as its system prompt.")
    now: str = Field("2026-01-15T09:00:00Z", description="What `db.now()` returns, in every session.")
    rows: int = Field(12, ge=1, description="Rows per table in a seeded state.")

    def entity(self, name: str) -> Entity:
        """The entity called `name`; KeyError if there is none."""
        for entity in self.entities:
            if entity.name == name:
                return entity
        names = ", ".join(e.name for e in self.entities)
        raise KeyError(f"{self.environment_id}: no entity {name!r}; there are {names}")

    def tool(self, name: str) -> CompiledTool:
        """The tool called `name`; KeyError if there is none."""
        for tool in self.tools:
            if tool.name == name:
                return tool
        names = ", ".join(t.name for t in self.tools)
        raise KeyError(f"{self.environment_id}: no tool {name!r}; there are {names}")

    @cached_property
    def offered(self) -> list[dict[str, Any]]:
        """The tools in OpenAI's form. The same list each time, so that whoever spells it out may keep the text."""
        return [tool.to_openai() for tool in self.tools]

    @property
    def identity(self) -> Identity:
        """Which columns carry no meaning of their own when states are compared."""
        return identity_of(self.entities)


def identity_of(entities: Iterable[Entity]) -> Identity:
    """Which columns of `entities` carry no meaning of their own when states are compared."""
    identity: dict[str, dict[str, Any]] = {"generated": {}, "references": {}, "volatile": {}}
    for entity in entities:
        for name, found in (
            ("generated", tuple(c.name for c in entity.columns if c.generated)),
            ("references", {c.name: c.references for c in entity.columns if c.references}),
            ("volatile", tuple(c.name for c in entity.columns if c.volatile)),
        ):
            if found:
                identity[name][entity.name] = found
    return Identity(**identity)


class ToolErrorKind(StrEnum):
    """Why a call failed, as an agent can act on it."""

    UNKNOWN_TOOL = "unknown_tool"
    INVALID_ARGUMENT = "invalid_argument"
    NOT_FOUND = "not_found"
    PRECONDITION_FAILED = "precondition_failed"
    CONFLICT = "conflict"
    BUDGET_EXCEEDED = "budget_exceeded"
    INTERNAL = "internal"


class ToolError(BaseModel):
    """The structured error that an agent sees. `field` names the argument to mend, where there is one."""

    model_config = _FROZEN

    kind: ToolErrorKind
    message: str
    field: str = ""


class CallResult(NamedTuple):
    """The answer to one call: a JSON value and what it changed, or an error that changed nothing."""

    value: Any
    error: ToolError | None
    changes: Changes

    @property
    def ok(self) -> bool:
        """Whether the call succeeded."""
        return self.error is None

    def to_json(self) -> Any:
        """What the agent reads: the value, or `{"error": {...}}`."""
        if self.error is None:
            return self.value
        return {"error": self.error.model_dump(mode="json", exclude_defaults=True)}


class Session(Protocol):
    """One live copy of an environment's database. Not thread-safe; calls are atomic: an error changes nothing."""

    def call(self, name: str, arguments: dict[str, Any]) -> CallResult:
        """Run one tool. Never raises for anything that an agent can send."""
        ...

    def changes(self) -> Changes:
        """Net row changes since the seeded start."""
        ...

    def rows(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table, by primary key. For task makers and tests; agents have tools."""
        ...

    def diff(self, other: Any) -> list[Difference]:
        """In what `other`, a session from the same start, differs; empty exactly when the states mean the same."""
        ...

    def digest(self) -> str:
        """SHA-256 of the whole state, volatile columns left out."""
        ...

    def snapshot(self) -> bytes:
        """The state as bytes that `restore` takes."""
        ...

    def restore(self, state: bytes) -> None:
        """Go back to a state made by `snapshot` of the same environment."""
        ...

    def fork(self) -> Session:
        """An independent copy of the current state, with the same seeded start."""
        ...

    def reset(self, seed: int | None = None) -> None:
        """Back to the seeded start; with `seed`, to that one's."""
        ...

    def close(self) -> None:
        """Free the database."""
        ...


class Environment(Protocol):
    """A hosted environment: starts sessions. One object serves thousands of them."""

    spec: EnvironmentSpec

    def start(self, seed: int) -> Session:
        """A fresh session on the state that `seed` makes."""
        ...
