"""Schemas of a file, references and all -> self-contained JSON Schema of bounded depth and size.

References are followed at most `ref_depth` deep, and less deep where the result would pass `max_bytes`, so what is cut
is always the innermost. A cycle, a reference too deep and a reference to nothing become open objects. `allOf`, and
alternatives that are all objects, are merged into one object.

    {"$ref": "#/components/schemas/Pet"}  ->  {"type": "object", "properties": {"name": {"type": "string"}}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, NamedTuple

from rayscaler.specs.keywords import Kind, constraints, description_of, kind_of
from rayscaler.toolspec import JsonSchema

Side = Literal["request", "response"]
Locate = Callable[[str], Any]
"""Reference text -> the schema there, or None where there is nothing."""

MAX_LEVELS = 32
"""Nesting of a schema without references, after which it becomes open."""

MAX_PARTS = 60
"""Members of one `allOf` or `oneOf` that are looked at."""

_DESCRIPTION = {"request": 300, "response": 120}
_NO_CUT = 1 << 30


class _TooLarge(Exception):
    """The schema passes `max_bytes` at this depth; the next smaller one is tried."""


class _Node(NamedTuple):
    schema: JsonSchema
    size: int


class _Walk(NamedTuple):
    """Where the walk stands: the references it is inside of, how many more it may follow, nesting."""

    side: Side
    refs_left: int
    trail: tuple[str, ...] = ()
    level: int = 0

    def inner(self) -> _Walk:
        return _Walk(self.side, self.refs_left, self.trail, self.level + 1)

    def into(self, refs: tuple[str, ...]) -> _Walk:
        return _Walk(self.side, max(self.refs_left - 1, -1), self.trail + refs, self.level + 1) if refs else self


class SchemaReader:
    """Reads the schemas of one file; what a reference expands to is worked out once per depth and side."""

    def __init__(self, locate: Locate, *, ref_depth: int, max_bytes: int, levels: int = MAX_LEVELS) -> None:
        self._locate = locate
        self._levels = levels
        self._ref_depth = ref_depth
        self._max_bytes = max_bytes
        self._cache: dict[tuple[str, int, Side], _Node | None] = {}
        self._shallowest_cut = _NO_CUT

    def read(self, raw: Any, side: Side) -> JsonSchema | None:
        """`raw` as self-contained JSON Schema, or None where its outermost level alone is larger than the bound.

        Tried in this order: fewer references, then none and fewer levels.
        """
        for refs_left in range(self._ref_depth, -1, -1):
            self._shallowest_cut = _NO_CUT
            try:
                return self._node(raw, _Walk(side, refs_left)).schema
            except _TooLarge:
                continue
        if self._levels <= 1:
            return None
        levels = 6 if self._levels > 6 else self._levels // 2
        return SchemaReader(self._locate, ref_depth=0, max_bytes=self._max_bytes, levels=levels).read(raw, side)

    def merged(self, raw: Any) -> dict[str, Any]:
        """`raw` with its own reference, `allOf` and object alternatives folded in; its members stay as they are."""
        return self._merged(raw, (), [])

    def _node(self, raw: Any, walk: _Walk) -> _Node:
        if not isinstance(raw, dict) or walk.level > self._levels:
            return _Node({}, 2)
        ref = raw.get("$ref")
        if isinstance(ref, str):
            return self._described(self._reference(ref, walk), raw, walk)
        if any(isinstance(raw.get(key), list) for key in ("allOf", "oneOf", "anyOf")):
            refs: list[str] = []
            raw = self._merged(raw, walk.trail, refs)
            walk = walk.into(tuple(refs))
        return self._plain(raw, walk)

    def _described(self, node: _Node, raw: dict[str, Any], walk: _Walk) -> _Node:
        """What stands beside a `$ref` describes this use of it: its text wins over the target's."""
        text = description_of(raw, _DESCRIPTION[walk.side]) if len(raw) > 1 else ""
        if not text or text == node.schema.get("description"):
            return node
        added = len(text) + 18 - len(node.schema.get("description", ""))
        return _Node({**node.schema, "description": text}, node.size + added)

    def _reference(self, ref: str, walk: _Walk) -> _Node:
        key = (ref, walk.refs_left, walk.side)
        if key in self._cache:
            node = self._cache[key]
            if node is None:
                raise _TooLarge
            return node
        if ref in walk.trail:
            self._shallowest_cut = min(self._shallowest_cut, walk.trail.index(ref))
            return _open("array" if kind_of(self._target(ref)).name == "array" else "object")
        target = self._target(ref)
        if not target:
            return _open("object", comment=f"unresolved reference {ref[:200]}")
        return self._expanded(key, target, walk)

    def _expanded(self, key: tuple[str, int, Side], target: dict[str, Any], walk: _Walk) -> _Node:
        """Expand and remember, unless the result depends on where the walk came from (a cycle that was cut outside)."""
        outer, self._shallowest_cut = self._shallowest_cut, _NO_CUT
        node = None
        try:
            node = self._node(target, walk.into((key[0],)))
            return node
        finally:
            if self._shallowest_cut >= len(walk.trail):
                self._cache[key] = node
                self._shallowest_cut = _NO_CUT
            self._shallowest_cut = min(outer, self._shallowest_cut)

    def _target(self, ref: str) -> dict[str, Any]:
        found = self._locate(ref)
        return found if isinstance(found, dict) else {}

    def _plain(self, raw: dict[str, Any], walk: _Walk) -> _Node:
        kind = kind_of(raw)
        out: JsonSchema = {}
        size = 2
        if kind.name:
            out["type"] = kind.name if not kind.others else [kind.name, *kind.others]
        text = description_of(raw, _DESCRIPTION[walk.side])
        if text:
            out["description"] = text
        out.update(constraints(raw, kind))
        size += sum(len(key) + 6 + _length(value) for key, value in out.items())
        if "object" in (kind.name, *kind.others):
            size += self._object(raw, out, walk)
        if "array" in (kind.name, *kind.others):
            items = self._items(raw.get("items"), walk)
            out["items"] = items.schema
            size += items.size + 9
        if isinstance(raw.get("anyOf"), list) and not kind.name:
            size += self._alternatives(raw["anyOf"], out, walk)
        if kind.nullable and walk.side == "response":
            size += _allow_null(out, kind)
        if size > self._max_bytes:
            raise _TooLarge
        return _Node(out, size)

    def _object(self, raw: dict[str, Any], out: JsonSchema, walk: _Walk) -> int:
        """Add properties, required and additionalProperties; gives their size in bytes."""
        if walk.refs_left < 0 or walk.level >= self._levels:
            return 0
        size = 0
        properties, required = raw.get("properties"), []
        if isinstance(properties, dict):
            out["properties"] = {}
            listed = frozenset(_texts(raw.get("required")))
            for name, member in properties.items():
                if _hidden(member, walk.side):
                    continue
                node = self._node(member, walk.inner())
                out["properties"][name] = node.schema
                size += node.size + len(name) + 4
                if name in listed or (isinstance(member, dict) and member.get("required") is True):
                    required.append(name)
                if size > self._max_bytes:
                    raise _TooLarge
        if required:
            out["required"] = required
            size += 14 + sum(len(name) + 3 for name in required)
        extra = raw.get("additionalProperties")
        if isinstance(extra, dict) and extra:
            node = self._node(extra, walk.inner())
            out["additionalProperties"] = node.schema
            size += node.size + 24
        elif extra is False and out.get("properties"):
            out["additionalProperties"] = False
            size += 29
        return size

    def _items(self, items: Any, walk: _Walk) -> _Node:
        if isinstance(items, str):
            items = {"type": items}
        if isinstance(items, list):
            items = items[0] if items else {}
        return self._node(items, walk.inner())

    def _alternatives(self, parts: list[Any], out: JsonSchema, walk: _Walk) -> int:
        nodes = [self._node(part, walk.inner()) for part in parts[:MAX_PARTS]]
        distinct = {repr(node.schema): node for node in nodes}
        if len(distinct) == 1:
            only = nodes[0]
            out.update({k: v for k, v in only.schema.items() if k not in out})
            return only.size
        out["anyOf"] = [node.schema for node in distinct.values()]
        return sum(node.size + 2 for node in distinct.values())

    def _merged(self, raw: Any, trail: tuple[str, ...], refs: list[str], level: int = 0) -> dict[str, Any]:
        """One schema for `raw`. References followed go to `refs`; one in `trail` or `refs` is not followed again."""
        if not isinstance(raw, dict) or level > MAX_LEVELS:
            return {}
        out = {key: value for key, value in raw.items() if key not in ("$ref", "allOf", "oneOf", "anyOf")}
        ref = raw.get("$ref")
        if isinstance(ref, str):
            if ref in trail:
                self._shallowest_cut = min(self._shallowest_cut, trail.index(ref))
            elif ref not in refs:
                refs.append(ref)
                _fold(out, self._merged(self._target(ref), trail, refs, level + 1))
        for part in _parts(raw.get("allOf")):
            _fold(out, self._merged(part, trail, refs, level + 1))
        alternatives = _parts(raw.get("oneOf")) or _parts(raw.get("anyOf"))
        if alternatives:
            self._fold_alternatives(out, alternatives, trail, refs, level)
        return out

    def _fold_alternatives(
        self, out: dict[str, Any], parts: list[Any], trail: tuple[str, ...], refs: list[str], level: int
    ) -> None:
        real = [part for part in parts if not _is_null(part)]
        if len(real) < len(parts):
            out["nullable"] = True
        if len(real) == 1:
            _fold(out, self._merged(real[0], trail, refs, level + 1))
            return
        before = list(refs)
        merged = [self._merged(part, trail, refs, level + 1) for part in real]
        if merged and all(kind_of(part).name == "object" for part in merged if part):
            common = [set(_texts(part.get("required"))) for part in merged]
            for part in merged:
                shared = [name for name in _texts(part.get("required")) if all(name in names for names in common)]
                _fold(out, {**part, "required": shared}, either=True)
            return
        refs[:] = before
        out["anyOf"] = real


def _fold(out: dict[str, Any], part: dict[str, Any], *, either: bool = False) -> None:
    """Add to `out` what `part` says; where both say something, `out` wins, properties and required are united.

    With `either`, `part` is an alternative to `out`: a property that both enumerate takes the values of both.
    """
    for key, value in part.items():
        if key == "properties" and isinstance(value, dict) and isinstance(out.get(key), dict):
            out[key] = _united(out[key], value, either)
        elif key == "required" and isinstance(value, list):
            have = _texts(out.get(key))
            out[key] = have + [name for name in _texts(value) if name not in have]
        elif key not in out:
            out[key] = value


def _united(ours: dict[str, Any], theirs: dict[str, Any], either: bool) -> dict[str, Any]:
    both = {**theirs, **{name: member for name, member in ours.items() if member or name not in theirs}}
    for name in ours.keys() & theirs.keys() if either else ():
        values = [_enumerated(ours[name]), _enumerated(theirs[name])]
        if all(values):
            both[name] = {**{k: v for k, v in ours[name].items() if k != "const"}, "enum": values[0] + values[1]}
    return both


def _enumerated(member: Any) -> list[Any]:
    if not isinstance(member, dict):
        return []
    listed = member.get("enum")
    return listed if isinstance(listed, list) else [member["const"]] if "const" in member else []


def _hidden(member: Any, side: Side) -> bool:
    """What the server sets is no argument, and what only goes to the server is in no answer."""
    if not isinstance(member, dict):
        return False
    if side == "response":
        return member.get("writeOnly") is True
    if member.get("readOnly") is True:
        return True
    text = member.get("description")
    return isinstance(text, str) and text[:15].lower().lstrip("[*_ ").startswith("output only")


def _allow_null(out: JsonSchema, kind: Kind) -> int:
    if kind.name:
        out["type"] = [kind.name, *kind.others, "null"]
        if "enum" in out:
            out["enum"] = [*out["enum"], None]
        return 16
    return 0


def _open(kind: str, comment: str = "") -> _Node:
    schema: JsonSchema = {"type": kind} | ({"$comment": comment} if comment else {})
    return _Node(schema, 20 + len(comment))


def _length(value: Any) -> int:
    return len(value) if isinstance(value, str) else len(str(value))


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _parts(value: Any) -> list[Any]:
    return value[:MAX_PARTS] if isinstance(value, list) else []


def _is_null(part: Any) -> bool:
    return isinstance(part, dict) and (part.get("type") == "null" or part.get("enum") == [None])


def references(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside `value` that has a `$ref`."""
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            if isinstance(item.get("$ref"), str):
                yield item
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
