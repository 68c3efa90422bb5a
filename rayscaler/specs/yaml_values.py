"""YAML text -> the values that JSON knows, with bounds that no file can get around.

Built on libyaml's event stream, not on a YAML loader, for three reasons: aliases are counted as if written out (a
"billion laughs" file is refused after a few lines), nesting is bounded before any recursion starts, and scalars follow
YAML 1.2's core schema as OpenAPI asks (`no` is a country, `2020-01-01` a text). Keys are always text, as they stand in
the file: `200:` is "200".
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from rayscaler.errors import SpecError
from rayscaler.reasons import Reason

MAX_NODES = 3_000_000
"""Nodes of a document, aliases written out. The largest real specification seen has about 400,000."""

MAX_DEPTH = 100
"""Nesting of a document. The deepest real specification seen has 31."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]{1,4000}|0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,4000}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")


def load(text: str) -> Any:
    """The document in `text`; several documents give a list of them.

    Raises SpecError: MALFORMED for what is no YAML (an alias inside its own anchor included), TOO_LARGE beyond a bound.
    """
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.YAMLError as error:
        raise SpecError(Reason.MALFORMED, f"no YAML: {_first_line(error)}") from None
    documents = builder.documents
    return documents[0] if len(documents) == 1 else documents


class _Frame:
    """A collection that is being filled. `key` is the pending key of a mapping."""

    __slots__ = ("anchor", "key", "merges", "nodes", "value")

    def __init__(self, value: Any, anchor: str | None) -> None:
        self.value = value
        self.anchor = anchor
        self.key: str | None = None
        self.merges: list[Any] = []
        self.nodes = 1


class _Builder:
    def __init__(self) -> None:
        self.documents: list[Any] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.MappingStartEvent):
            self._open({}, event.anchor)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._open([], event.anchor)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close()
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors = {}

    def _scalar(self, event: Any) -> None:
        expects_key = self._stack and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None
        if expects_key:
            value: Any = event.value
            if value == "<<" and event.implicit[0]:
                value = "\0<<"
        else:
            value = _resolve(event.value) if event.implicit[0] else event.value
        if event.anchor:
            self._anchors[event.anchor] = (value, 1)
        self._add(value, 1)

    def _open(self, value: Any, anchor: str | None) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise SpecError(Reason.TOO_LARGE, f"nested deeper than {MAX_DEPTH} levels")
        if self._stack and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None:
            raise SpecError(Reason.MALFORMED, "a mapping key is a collection; keys must be text")
        self._stack.append(_Frame(value, anchor))

    def _close(self) -> None:
        frame = self._stack.pop()
        for merged in frame.merges:
            frame.value.update({k: v for k, v in merged.items() if k not in frame.value})
        if frame.anchor:
            self._anchors[frame.anchor] = (frame.value, frame.nodes)
        self._add(frame.value, frame.nodes)

    def _alias(self, anchor: Any) -> None:
        if anchor not in self._anchors:
            raise SpecError(Reason.MALFORMED, f"alias *{anchor[:40]} has no anchor before it, or stands inside it")
        value, nodes = self._anchors[anchor]
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise SpecError(Reason.TOO_LARGE, f"aliases expand to more than {MAX_NODES} nodes")
        self._add(value, nodes)

    def _add(self, value: Any, nodes: int) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise SpecError(Reason.TOO_LARGE, f"more than {MAX_NODES} nodes")
        if not self._stack:
            self.documents.append(value)
            return
        frame = self._stack[-1]
        frame.nodes += nodes
        if isinstance(frame.value, list):
            frame.value.append(value)
        elif frame.key is None:
            frame.key = value if isinstance(value, str) else str(value)
        else:
            if frame.key == "\0<<":
                candidates = value if isinstance(value, list) else [value]
                frame.merges.extend(c for c in candidates if isinstance(c, dict))
            else:
                frame.value[frame.key] = value
            frame.key = None


def _resolve(text: str) -> Any:
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] in "0123456789+-.":
        if _INT.fullmatch(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


def _first_line(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f" at line {mark.line + 1}" if mark is not None else ""
    problem = getattr(error, "problem", None) or str(error)
    return f"{str(problem)[:160]}{where}"
