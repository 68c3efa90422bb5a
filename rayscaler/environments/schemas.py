"""Reading JSON Schemas as an engineer does: which properties, what is one item, where is the list.

Schemas come from many formats, so every function here takes what it is given: a missing `type`, a list of types,
`allOf`, `oneOf` and booleans in place of schemas.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from rayscaler.environments.lexicon import Phrase, joined, phrase_of, singular, word_set
from rayscaler.environments.wording import shortened
from rayscaler.toolspec import JsonSchema

Kind = Literal["silent", "scalar", "empty", "item", "wrapped", "list", "operation"]


SCALARS = frozenset({"string", "integer", "number", "boolean", ""})
"""Types of values that fill one cell. Where a parameter and its column differ, the column's type is taken."""


class Shape(NamedTuple):
    """How an answer holds rows. `wrapper` is the property around the item or the list, empty if there is none.

    An operation is a promise of the row (Google's long-running operations): it is answered as done at once.
    inner: the property of a list's element that holds the row (`results: [{person: {…}}]`), empty if the element does.
    """

    kind: Kind
    wrapper: str = ""
    item: JsonSchema = {}
    inner: str = ""


def plain(schema: Any) -> JsonSchema:
    """`schema` with `allOf` merged and the first object of `oneOf`/`anyOf` taken; {} for what is no schema."""
    if not isinstance(schema, dict):
        return {}
    merged = dict(schema)
    for part in schema.get("allOf") or ():
        inner = plain(part)
        properties = {**_dict(merged.get("properties")), **_dict(inner.get("properties"))}
        required = sorted({*_names(merged.get("required")), *_names(inner.get("required"))})
        merged = {**inner, **{k: v for k, v in merged.items() if k != "allOf"}}
        if properties:
            merged |= {"properties": properties, "required": required, "type": "object"}
    for choice in ("oneOf", "anyOf"):
        options = [plain(o) for o in schema.get(choice) or () if plain(o).get("type") != "null"]
        if options and "type" not in merged and "properties" not in merged:
            merged = {**options[0], **{k: v for k, v in merged.items() if k != choice}}
    return merged


def properties(schema: Any) -> dict[str, JsonSchema]:
    """Property name -> schema, in the schema's own order."""
    found = plain(schema).get("properties")
    return {str(k): plain(v) for k, v in found.items()} if isinstance(found, dict) else {}


def required(schema: Any) -> tuple[str, ...]:
    """The names that an object must have."""
    return tuple(_names(plain(schema).get("required")))


def type_of(schema: Any) -> str:
    """One of string, integer, number, boolean, object, array; empty where the schema does not say."""
    schema = plain(schema)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "")
    if kind in ("string", "integer", "number", "boolean", "object", "array"):
        return str(kind)
    if "properties" in schema or "additionalProperties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    return "string" if "enum" in schema else ""


def enum_of(schema: Any) -> tuple[str, ...]:
    """The text values that a schema allows, or none if it is open. Protocol fillers (`…_UNSPECIFIED`) are left out."""
    schema = plain(schema)
    values = schema.get("enum")
    texts = [v for v in values if isinstance(v, str)] if isinstance(values, list) else []
    if not texts and schema.get("type", "string") == "string":
        texts = _told_values(str(schema.get("description", "")))
    real = [v for v in texts if v and not v.upper().endswith("UNSPECIFIED")]
    return tuple(dict.fromkeys(real or texts))


_TOLD = re.compile(r"(?:possible|valid|allowed|acceptable|supported|permitted) values (?:are|is|include)?:?", re.I)


def _told_values(description: str) -> list[str]:
    """Values that a description lists in quotes («Possible values are: "confirmed" - …»), if there are several."""
    found = _TOLD.search(description)
    values = re.findall(r'["`](\w[\w. -]{0,40}?)["`]', description[found.end() :]) if found else []
    return list(dict.fromkeys(values)) if len(set(values)) >= 2 else []


def matches(name: str, phrase: Phrase) -> bool:
    """Whether a property is called like the noun: `Users`, `user`, `userList` for (user,)."""
    one = "".join((*phrase[:-1], singular(phrase[-1]))) if phrase else ""
    parts = tuple(
        p for p in phrase_of(name) if p not in ("list", "summary", "summaries", "set", "detail", "details", "info")
    )
    return bool(parts) and "".join((*parts[:-1], singular(parts[-1]))) == one


def shape_of(response: JsonSchema | None, target: Phrase, *, many: bool) -> Shape:
    """How `response` holds rows of the entity `target`; `many` says that the tool's verb promises a list."""
    if response is None:
        return Shape("silent")
    schema = plain(response)
    if type_of(schema) == "array":
        return _listed("", schema, target)
    if type_of(schema) not in ("object", ""):
        return Shape("scalar", "", schema)
    found = {k: v for k, v in properties(schema).items() if not is_frame(k, v)}
    if not found:
        return Shape("empty") if "properties" in schema or not schema.get("additionalProperties") else Shape("silent")
    if {"done", "name", "response"} <= properties(schema).keys() or {"operationType", "targetId"} <= properties(
        schema
    ).keys():
        return Shape("operation", "response" if "response" in properties(schema) else "targetId")
    wrapper = _list_wrapper(found, target, many)
    if wrapper:
        return _listed(wrapper, found[wrapper], target)
    wrapper = _item_wrapper(found, target)
    if wrapper:
        return Shape("wrapped", wrapper, found[wrapper])
    return Shape("item", "", schema)


def _listed(wrapper: str, array: JsonSchema, target: Phrase) -> Shape:
    item = plain(array.get("items"))
    rows = [k for k, v in properties(item).items() if len(properties(v)) >= 2]
    inner = next((k for k in rows if matches(k, target) or len(properties(item)) == 1), "")
    return Shape("list", wrapper, properties(item)[inner] if inner else item, inner)


def is_frame(name: str, schema: JsonSchema) -> bool:
    """Whether a property belongs to the answer's frame and not to a row: pagination, protocol, failures."""
    text = joined(name)
    if text in word_set("dropped") or text.split(" ")[0] in word_set("failures"):
        return True
    return type_of(schema) not in ("array", "object") and text in word_set("boilerplate") - word_set("item_wrappers")


def _list_wrapper(found: dict[str, JsonSchema], target: Phrase, many: bool) -> str:
    arrays = [k for k, v in found.items() if type_of(v) == "array"]
    named = [k for k in arrays if matches(k, target)]
    last = [k for k in arrays if target and singular(phrase_of(k)[-1] if phrase_of(k) else "") == target[-1]]
    if not many:
        alone = len(found) == 1 and arrays and type_of(found[arrays[0]].get("items")) == "object"
        return arrays[0] if alone else ""
    wrappers = [k for k in arrays if joined(k) in word_set("item_wrappers")]
    of_objects = [k for k in arrays if type_of(found[k].get("items")) == "object"]
    of_texts = [k for k in arrays if type_of(found[k].get("items")) == "string"]
    listed = [k for k in [*named, *wrappers] if k in of_objects or k in of_texts]
    return next(iter([*listed, *[k for k in last if k in of_objects], *of_objects, *of_texts]), "")


def _item_wrapper(found: dict[str, JsonSchema], target: Phrase) -> str:
    objects = [k for k, v in found.items() if len(properties(v)) >= 2]
    last = {k: singular(phrase_of(k)[-1]) for k in objects if phrase_of(k)}
    named = [k for k in objects if matches(k, target) or (target and last.get(k) == target[-1])]
    if named and len(found) <= 3:
        return named[0]
    wrappers = [k for k in objects if joined(k) in word_set("item_wrappers") or _is_whole_metadata(k, found[k])]
    if wrappers and len(found) <= 4:
        return wrappers[0]
    return objects[0] if len(found) == 1 and objects else ""


def _is_whole_metadata(name: str, schema: JsonSchema) -> bool:
    """Whether `Metadata` is the row itself: it has the row's id."""
    return joined(name) == "metadata" and "id" in {joined(n) for n in properties(schema)}


def bounded(
    schema: Any, *, depth: int = 3, width: int = 24, said: int = 0, said_inside: int = 0, writable: bool = False
) -> JsonSchema:
    """`schema` cut to `depth` levels and `width` properties per object, without examples and vendor extensions.

    said: most characters of its description, said_inside: of those of its properties and items; 0 leaves them out.
    writable: properties that the specification calls read-only are left out. Required properties come first.
    """
    schema = plain(schema)
    out = {k: schema[k] for k in _KEPT if k in schema}
    kind = type_of(schema)
    if kind:
        out["type"] = kind
    if said and schema.get("description"):
        told = str(schema["description"])
        out["description"] = shortened(_VALUES.split(told)[0] if enum_of(schema) else told, said)
    out = _checked(out)
    if kind in ("integer", "number", "boolean"):
        out.pop("format", None)
    inner: dict[str, Any] = {
        "depth": depth - 1, "width": width, "said": said_inside, "said_inside": 0, "writable": writable,
    }  # fmt: skip
    if kind == "object" and properties(schema) and depth > 0:
        kept = _first_properties(schema, width, writable=writable)
        out["properties"] = {k: bounded(v, **inner) for k, v in kept.items()}
        names = [n for n in required(schema) if n in out["properties"]]
        if names:
            out["required"] = names
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict) and depth > 0:
        out["additionalProperties"] = bounded(schema["additionalProperties"], **inner)
    if kind == "array" and depth > 0:
        out["items"] = bounded(schema.get("items") or {}, **inner)
    return out


def _first_properties(schema: JsonSchema, width: int, *, writable: bool) -> dict[str, JsonSchema]:
    """The first `width` properties in the schema's order, the required ones before all others."""
    held = {k: v for k, v in properties(schema).items() if not (writable and is_read_only(v))}
    names = [*(n for n in required(schema) if n in held), *(n for n in held if n not in required(schema))][:width]
    return {n: v for n, v in held.items() if n in names}


def is_read_only(schema: JsonSchema) -> bool:
    """Whether the specification says that only the service writes the property."""
    return bool(schema.get("readOnly")) or str(schema.get("description", ""))[:40].lower().startswith(
        ("output only", "[output only]", "read-only", "read only", "@outputonly")
    )


_VALUES = re.compile(
    r"(?:The )?(?:possible|valid|allowed|acceptable|supported|permitted) values (?:are|is|include)\b", re.I
)
"""Where a description goes on to list values: an enumeration has them already."""

_KEPT = ("format", "enum", "minimum", "maximum")
"""Lengths and patterns are the vendor's; values that are made up here need not have them."""


def _checked(schema: JsonSchema) -> JsonSchema:
    """`schema` without keywords that a validator would choke on: bounds as text, an empty enumeration."""
    out = dict(schema)
    for key in ("minimum", "maximum"):
        if key in out and (isinstance(out[key], bool) or not isinstance(out[key], int | float)):
            number = _number(out.pop(key))
            if number is not None:
                out[key] = number
    if enum_of(schema) and "enum" in out:
        out["enum"] = list(enum_of(schema))
    if "enum" in out and not (isinstance(out["enum"], list) and out["enum"]):
        out.pop("enum")
    if not isinstance(out.get("format", ""), str):
        out.pop("format")
    return out


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> list[str]:
    return [v for v in value if isinstance(v, str)] if isinstance(value, list | tuple) else []
