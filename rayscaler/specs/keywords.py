"""One schema's own keywords, in any dialect -> JSON Schema draft 2020-12. Nothing here follows a reference.

Dialects seen: OpenAPI 3.0 and Swagger 2 (`nullable`, boolean `exclusiveMinimum`, `type: file`), Google discovery
(limits and defaults as text), function lists (`dict`, `float`, `HashMap`). What contradicts the type is left out: a
schema that comes out always passes the metaschema.
"""

from __future__ import annotations

import math
import re
import warnings
from functools import lru_cache
from typing import Any, NamedTuple

from rayscaler.specs.lexicon import type_words
from rayscaler.specs.text import plain

MAX_ENUM = 100
"""An enumeration with more values (time zones, instance types) becomes five examples."""

MAX_TEXT = 200
"""Characters of an enum value, a pattern, a default."""

_JSON_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})
_WORD = re.compile(r"[a-z0-9_-]+")


class Kind(NamedTuple):
    """What a schema says its values are. `name` is "" for anything."""

    name: str
    others: tuple[str, ...] = ()
    format: str = ""
    nullable: bool = False


def kind_of(raw: dict[str, Any]) -> Kind:
    """The type of `raw`, its spelling normalised, or inferred from the keywords beside it."""
    spelled = raw.get("type")
    found = [_type_word(w) for w in (spelled if isinstance(spelled, list) else [spelled])[:8] if isinstance(w, str)]
    names = list(dict.fromkeys(name for name, _ in found if name and name != "null"))
    nullable = raw.get("nullable") is True or raw.get("x-nullable") is True or any(n == "null" for n, _ in found)
    enum = raw.get("enum")
    if isinstance(enum, list) and None in enum:
        nullable = True
    if not names:
        inferred = "" if any(n == "" for n, _ in found) else _inferred(raw)
        return Kind(inferred, nullable=nullable)
    format_ = raw.get("format")
    text_format = format_ if isinstance(format_, str) else found[0][1]
    return Kind(names[0], tuple(names[1:]), text_format[:40], nullable)


@lru_cache(maxsize=4096)
def _type_word(word: str) -> tuple[str, str]:
    lower = word.strip().lower()
    if lower in _JSON_TYPES:
        return lower, ""
    match = _WORD.search(lower.removeprefix("<class '"))
    return type_words().get(match.group() if match else "", ("", ""))


def _inferred(raw: dict[str, Any]) -> str:
    if isinstance(raw.get("properties"), dict) or isinstance(raw.get("additionalProperties"), dict):
        return "object"
    if "items" in raw:
        return "array"
    values = raw.get("enum")
    if isinstance(values, list) and values and all(isinstance(v, str) for v in values):
        return "string"
    if any(key in raw for key in ("pattern", "minLength", "maxLength")):
        return "string"
    return "number" if any(key in raw for key in ("minimum", "maximum", "multipleOf")) else ""


def constraints(raw: dict[str, Any], kind: Kind) -> dict[str, Any]:
    """Enum, limits, pattern, default and examples of `raw` as far as they fit `kind`; format where it has one."""
    out: dict[str, Any] = {}
    if kind.format and kind.name not in ("array", "object"):
        out["format"] = kind.format
    if kind.name in ("string", "integer", "number", "boolean", ""):
        _enumeration(raw, kind, out)
    if kind.name == "string":
        _lengths(raw, out, "minLength", "maxLength")
        if usable_pattern(raw.get("pattern")):
            out["pattern"] = raw["pattern"]
    elif kind.name in ("integer", "number"):
        _limits(raw, out)
    elif kind.name == "array":
        _lengths(raw, out, "minItems", "maxItems")
        if raw.get("uniqueItems") is True:
            out["uniqueItems"] = True
    _values(raw, kind, out)
    if raw.get("deprecated") is True:
        out["deprecated"] = True
    return out


def _enumeration(raw: dict[str, Any], kind: Kind, out: dict[str, Any]) -> None:
    if "const" in raw and (value := coerced(raw["const"], kind.name)) is not None:
        out["enum"] = [value]
        return
    listed = raw.get("enum")
    if not isinstance(listed, list):
        return
    values = [v for v in (coerced(item, kind.name) for item in listed) if v is not None]
    values = list({(type(v).__name__, str(v)): v for v in values}.values())
    if 0 < len(values) <= MAX_ENUM:
        out["enum"] = values
    elif values:
        out["examples"] = values[:5]


def _lengths(raw: dict[str, Any], out: dict[str, Any], low: str, high: str) -> None:
    for key in (low, high):
        value = _number(raw.get(key))
        if isinstance(value, int) and value >= 0:
            out[key] = value
    if out.get(low, 0) > out.get(high, math.inf):
        out.pop(low), out.pop(high)


def _limits(raw: dict[str, Any], out: dict[str, Any]) -> None:
    for plain_key, strict_key in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        value, strict = _number(raw.get(plain_key)), raw.get(strict_key)
        if strict is True and value is not None:
            out[strict_key] = value
        elif value is not None:
            out[plain_key] = value
        elif (bound := _number(strict)) is not None:
            out[strict_key] = bound
    step = _number(raw.get("multipleOf"))
    if step is not None and step > 0:
        out["multipleOf"] = step
    if out.get("minimum", -math.inf) > out.get("maximum", math.inf):
        out.pop("minimum"), out.pop("maximum")


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) <= 40:
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    if isinstance(value, float):
        return (int(value) if value.is_integer() and abs(value) < 1e15 else value) if math.isfinite(value) else None
    return value if isinstance(value, int) else None


def _values(raw: dict[str, Any], kind: Kind, out: dict[str, Any]) -> None:
    default = coerced(raw.get("default"), kind.name)
    if default is not None and ("enum" not in out or default in out["enum"]):
        out["default"] = default
    if "examples" in out or "enum" in out or kind.name in ("array", "object", "", "boolean"):
        return
    listed = raw.get("examples")
    example = coerced(raw.get("example", listed[0] if isinstance(listed, list) and listed else None), kind.name)
    if example not in (None, ""):
        out["examples"] = [example]


def coerced(value: Any, kind: str) -> Any:
    """`value` as a JSON value of type `kind` ("" takes scalars as they are), or None where it is none or too long."""
    if kind == "boolean":
        return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())
    if kind in ("integer", "number"):
        number = _number(value)
        return None if number is None or (kind == "integer" and not isinstance(number, int)) else number
    if kind == "array":
        items = [coerced(v, "") for v in value] if isinstance(value, list) and len(value) <= 20 else [None]
        return None if None in items else items
    if kind == "object" or isinstance(value, (dict, list)) or value is None:
        return {} if kind == "object" and value == {} else None
    if kind == "string" and not isinstance(value, str):
        value = str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return None if isinstance(value, str) and len(value) > MAX_TEXT else value


@lru_cache(maxsize=65_536)
def _compiles(pattern: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def usable_pattern(pattern: Any) -> bool:
    """Whether Python can match it: Java's `\\p{L}` and the like are left out, since a validator would stumble there."""
    return isinstance(pattern, str) and 0 < len(pattern) <= MAX_TEXT and _compiles(pattern)


def description_of(raw: dict[str, Any], limit: int) -> str:
    """The description, or what stands in for it: a summary, Power Platform's `x-ms-summary`, a longer title."""
    for key in ("description", "desc", "x-ms-summary", "summary"):
        text = plain(raw.get(key), limit)
        if text:
            return text
    title = plain(raw.get("title"), limit)
    return title if title.count(" ") >= 2 else ""
