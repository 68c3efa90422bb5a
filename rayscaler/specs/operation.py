"""What every adapter gives: an API, and its operations with their schemas still as the file has them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from rayscaler.reasons import Reason
from rayscaler.recipes import IngestRecipe
from rayscaler.specs.documents import Beside
from rayscaler.specs.schemas import Locate, SchemaReader


class Origin(NamedTuple):
    """Where a document came from and how it is to be read."""

    source: str
    file: str
    recipe: IngestRecipe
    beside: Beside | None = None

    def reader(self, locate: Locate) -> SchemaReader:
        """A reader of the file's schemas, bounded as the recipe says."""
        return SchemaReader(locate, ref_depth=self.recipe.max_ref_depth, max_bytes=self.recipe.max_schema_kb * 1024)


class Arguments:
    """The arguments of one operation: parameters and body members side by side, in order of precedence.

    A name that two places declare (a path's `id` and a body's `id`) is one argument: the first declaration stands.
    """

    def __init__(self) -> None:
        self.properties: dict[str, Any] = {}
        self.required: list[str] = []
        self.locations: dict[str, str] = {}
        self.left_out: list[str] = []

    def add(self, name: Any, schema: Any, location: str, *, required: bool) -> None:
        """Declare one argument; a name that is no text, or that is taken, adds nothing."""
        if not isinstance(name, str) or not name or name in self.properties:
            return
        self.properties[name] = schema
        self.locations[name] = location
        if required:
            self.required.append(name)

    def add_body(self, reader: SchemaReader, body: Any, *, name: str = "body", required: bool = True) -> None:
        """Declare the members of an object body one by one, any other body as one argument called `name`."""
        merged = reader.merged(body)
        members = merged.get("properties")
        if not isinstance(members, dict) or not members:
            self.add(name, body, "body", required=required)
            return
        listed = merged.get("required")
        for member, schema in members.items():
            flagged = isinstance(schema, dict) and schema.get("required") is True
            self.add(member, schema, "body", required=flagged or (isinstance(listed, list) and member in listed))

    def schema(self) -> dict[str, Any]:
        """The arguments as one object schema, references still in it."""
        return {"type": "object", "properties": self.properties, "required": self.required}


class Operation(NamedTuple):
    """One operation as an adapter found it. `spelled` is the file's own name for it, empty if it has none.

    `answers_nothing`: where no answer is declared, there is none; the file says so, or the format always declares one.
    """

    spelled: str
    name: str
    pointer: str
    arguments: Arguments
    description: str = ""
    response: Any = None
    method: str = ""
    path: str = ""
    resources: tuple[str, ...] = ()
    read_only: bool | None = None
    deprecated: bool = False
    answers_nothing: bool = False


class Refused(NamedTuple):
    """One entry of a file that is no usable operation."""

    pointer: str
    reason: Reason
    detail: str


class Specification(NamedTuple):
    """One API of a file. `operations` is read once, lazily."""

    vendor: str
    api: str
    reader: SchemaReader
    operations: Iterable[Operation | Refused]
    title: str = ""
    version: str = ""
    license: str = ""


class Format(NamedTuple):
    """One format: how its documents are recognised, and what reads them (None: recognised by name only)."""

    name: str
    recognise: Callable[[Any], bool]
    read: Callable[[Any, Origin], list[Specification]] | None
