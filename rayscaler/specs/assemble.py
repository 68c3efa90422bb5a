"""Operations as adapters found them -> rows of `tools`, and a reject for each one that does not become a row."""

from __future__ import annotations

from collections.abc import Container
from fnmatch import fnmatchcase
from typing import NamedTuple

from rayscaler.canonical import digest
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs.answers import EMPTY, with_answers
from rayscaler.specs.files import SpecFile
from rayscaler.specs.naming import MAX_NAME, slug
from rayscaler.specs.operation import Operation, Refused, Specification
from rayscaler.specs.text import plain
from rayscaler.toolspec import JsonSchema, ToolSpec

DESCRIPTION = 1_000
"""Characters of an operation's description."""


class Parsed(NamedTuple):
    """What became of one file."""

    tools: list[ToolSpec]
    rejects: list[Rejected]


def key_of(file: SpecFile, pointer: str = "") -> str:
    """How rejects name a file, or a place in it."""
    return f"{file.source}:{file.name}" + (f"#{pointer}" if pointer else "")


class Assembly:
    """Collects the tools and rejects of one file; names are unique inside an API, tool ids inside the file."""

    def __init__(self, file: SpecFile, source: Source, recipe: IngestRecipe, format_name: str) -> None:
        self._file = file
        self._source = source
        self._recipe = recipe
        self._format = format_name
        self._names: dict[str, set[str]] = {}
        self._contents: dict[str, str] = {}
        self._filtered: list[str] = []
        self.tools: list[ToolSpec] = []
        self.rejects: list[Rejected] = []
        self.found = 0

    def take(self, specification: Specification) -> None:
        """Add one API, operation by operation."""
        for operation in specification.operations:
            self.found += 1
            if isinstance(operation, Refused):
                self._reject(*operation)
            elif not self._wanted(specification, operation):
                self._filtered.append(operation.spelled or operation.name)
            elif operation.deprecated and not self._recipe.deprecated:
                self._reject(operation.pointer, Reason.FILTERED, "deprecated; the recipe leaves these out")
            else:
                self._assemble(specification, operation)

    def parsed(self) -> Parsed:
        """Everything so far; the operations that the source's globs left out are one reject with their count."""
        rejects = list(self.rejects)
        if self._filtered:
            sample = ", ".join(self._filtered[:3]) + (" …" if len(self._filtered) > 3 else "")
            detail = f"{len(self._filtered)} operations match none of the source's globs: {sample[:200]}"
            rejects.append(Rejected(key_of(self._file), Reason.FILTERED, detail))
        if not self.found:
            detail = f"a {self._format} file without operations"
            rejects.append(Rejected(key_of(self._file), Reason.NO_OPERATIONS, detail))
        return Parsed(with_answers(self.tools), rejects)

    def _reject(self, pointer: str, reason: Reason, detail: str) -> None:
        self.rejects.append(Rejected(key_of(self._file, pointer), reason, detail))

    def _wanted(self, specification: Specification, operation: Operation) -> bool:
        source = self._source
        if source.path is not None and not _matches(source.apis, specification.api, specification.vendor):
            return False
        within = operation.spelled.removeprefix(f"{specification.api}.")
        return _matches(source.operations, operation.spelled, operation.name, within)

    def _assemble(self, specification: Specification, operation: Operation) -> None:
        parameters = specification.reader.read(operation.arguments.schema(), "request")
        if parameters is None:
            limit = self._recipe.max_schema_kb
            self._reject(operation.pointer, Reason.TOO_LARGE, f"arguments beyond {limit} KiB even without references")
            return
        response = None if operation.response is None else specification.reader.read(operation.response, "response")
        response = _told(response) or (EMPTY if operation.answers_nothing else None)
        if operation.arguments.left_out:
            names = ", ".join(operation.arguments.left_out)
            parameters = {**parameters, "$comment": f"left out, nothing to resolve: {names}"[:300]}
        content = digest([operation.spelled, operation.method, operation.path, operation.description, parameters])
        tool_id = self._tool_id(specification, operation)
        if tool_id in self._contents:
            if self._contents[tool_id] == content:
                self._reject(operation.pointer, Reason.DUPLICATE, f"the same operation as {tool_id}")
                return
            tool_id = _free(tool_id, self._contents)
        self._contents[tool_id] = content
        self.tools.append(self._tool(specification, operation, tool_id, parameters, response))

    def _tool_id(self, specification: Specification, operation: Operation) -> str:
        spelled = slug(operation.spelled)
        parts = (specification.vendor, specification.api, slug(specification.version), spelled or operation.name)
        return "/".join(part for part in parts if part)

    def _tool(
        self,
        specification: Specification,
        operation: Operation,
        tool_id: str,
        parameters: JsonSchema,
        response: JsonSchema | None,
    ) -> ToolSpec:
        taken = self._names.setdefault(specification.api, set())
        name = _free(operation.name, taken) if operation.name in taken else operation.name
        taken.add(name)
        arguments = parameters.get("properties", {})
        return ToolSpec(
            tool_id=tool_id,
            name=name,
            vendor=specification.vendor,
            api=specification.api,
            api_title=plain(specification.title, 200),
            version=specification.version[:40],
            description=plain(operation.description, DESCRIPTION),
            method=operation.method,
            path=operation.path,
            resources=operation.resources,
            read_only=operation.read_only,
            parameters={**parameters, "properties": arguments, "required": parameters.get("required", [])},
            locations={name: place for name, place in operation.arguments.locations.items() if name in arguments},
            response=response,
            deprecated=operation.deprecated,
            format=self._format,
            source=self._file.source,
            file=self._file.name,
            pointer=operation.pointer,
            license=plain(specification.license, 80) or self._file.license,
        )


def _matches(patterns: tuple[str, ...], *names: str) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _free(name: str, taken: Container[str]) -> str:
    """`name` with the first number that is not taken: deterministic, since files are read in order."""
    number = 2
    while (numbered := f"{name[: MAX_NAME - 5] if '/' not in name else name}_{number}") in taken:
        number += 1
    return numbered


def _told(response: JsonSchema | None) -> JsonSchema | None:
    """An answer that says nothing of itself (an empty object) is no answer schema."""
    if response is None or not (response.keys() - {"description", "$comment"}):
        return None
    empty = response.get("type") == "object" and not response.get("properties")
    return None if empty and "additionalProperties" not in response and "$comment" not in response else response
