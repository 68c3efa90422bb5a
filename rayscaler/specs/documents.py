"""The values that references point to: inside the document, or in a file beside it where those can be read."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from rayscaler.errors import SpecError
from rayscaler.specs.decode import decode
from rayscaler.specs.schemas import references

Beside = Callable[[str], bytes | None]
"""Path relative to the specification file -> the bytes there, or None."""


class Document:
    """A document and the files that it refers to, each of them read at most once."""

    def __init__(self, root: Any, beside: Beside | None = None) -> None:
        self.root = root
        self._beside = beside
        self._files: dict[str, Any] = {"": root}

    def locate(self, ref: str) -> Any:
        """The value at `ref` (`#/components/schemas/Pet`, `../models/pet.yml#/Pet`), or None."""
        name, _, pointer = ref.partition("#")
        return at_pointer(self._file(name), pointer)

    def resolved(self, value: Any) -> Any:
        """`value`, or what its chain of references ends in; None where that is nothing or goes round in a circle."""
        for _ in range(20):
            if not isinstance(value, dict) or not isinstance(value.get("$ref"), str):
                return value
            value = self.locate(value["$ref"])
        return None

    def _file(self, name: str) -> Any:
        if name not in self._files:
            self._files[name] = self._load(name)
        return self._files[name]

    def _load(self, name: str) -> Any:
        if self._beside is None or "://" in name or name.startswith("/"):
            return None
        data = self._beside(unquote(name))
        if data is None:
            return None
        try:
            value = decode(data, name)
        except SpecError:
            return None
        for item in references(value):
            # A reference is relative to the file that it stands in; all others here are relative to the root document.
            file, _, pointer = item["$ref"].partition("#")
            if "://" not in file:
                item["$ref"] = posixpath.normpath(posixpath.join(posixpath.dirname(name), file)) + f"#{pointer}"
            if not file:
                item["$ref"] = f"{name}#{pointer}"
        return value


def at_pointer(value: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901, percent-encoding undone), or None."""
    if pointer in ("", "/"):
        return value
    for token in pointer.lstrip("/").split("/"):
        key = unquote(token).replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and len(key) < 9 and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def pointer(*tokens: str | int) -> str:
    """The JSON pointer through `tokens`."""
    return "".join("/" + str(token).replace("~", "~0").replace("/", "~1") for token in tokens)
