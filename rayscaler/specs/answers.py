"""Answers of operations whose specification is silent, by rule: from the verb, the noun and the siblings.

    delete_order                  -> an empty object
    get_order, beside list_orders -> the item that list_orders returns
    list_orders, beside get_order -> an array of what get_order returns
    list_orders, alone            -> an array of {id, name} and list_orders' own arguments
    calculate_area                -> {"area": number}
    cancel_order                  -> the order, if a sibling shows it, else {"status": string}

A sibling is a tool of the same API in the same file. An answer that is inferred is marked as such, and never overrides
one that the file gives.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from rayscaler.specs.lexicon import words_of
from rayscaler.toolspec import JsonSchema, ToolSpec, words

EMPTY: JsonSchema = {"type": "object", "properties": {}}
"""The schema of an answer that says only that it worked."""

_SCALARS = frozenset({"string", "integer", "number", "boolean"})
_KEPT = frozenset({"type", "format", "enum", "minimum", "maximum"})


class Verb(Enum):
    """What an operation does, as far as its answer depends on it. The value is the lexicon's section."""

    REMOVE = "removing"
    MAKE = "making"
    CHANGE = "changing"
    LIST = "listing"
    GET = "getting"
    MEASURE = "measuring"
    TEST = "testing"
    ACT = ""


class Reading(NamedTuple):
    """A tool as verb and noun: `list_orders` -> LIST, `order`."""

    verb: Verb
    noun: str


def with_answers(tools: list[ToolSpec]) -> list[ToolSpec]:
    """`tools` of one file, each with an answer; those that were inferred are marked."""
    readings = [_reading(tool) for tool in tools]
    items = _items(tools, readings)
    out = []
    for tool, reading in zip(tools, readings, strict=True):
        if tool.response is None:
            item = items.get((tool.api, reading.noun))
            inferred = {"response": _answer(tool, reading, item), "response_inferred": True}
            out.append(tool.model_copy(update=inferred))
        else:
            out.append(tool)
    return out


def _reading(tool: ToolSpec) -> Reading:
    spoken = words(tool.name)
    found = next(((verb, at) for at in (0, -1, 1, 2, 3) for verb in _verbs(spoken, at)), None)
    nouns = [noun for noun in tool.resources if not _verbs(words(noun), 0)] if tool.method else list(tool.resources)
    noun = nouns[-1] if nouns else "_".join(_rest(spoken, found[1] if found else None))
    verb = found[0] if found else _unnamed(tool)
    if tool.method == "DELETE" or (tool.method == "GET" and verb in (Verb.MAKE, Verb.CHANGE, Verb.REMOVE)):
        verb = _METHODS[tool.method]
    if verb is Verb.GET and noun and _plural(noun) and not tool.path.rstrip("/").endswith("}"):
        verb = Verb.LIST
    return Reading(verb, singular(noun))


def _verbs(spoken: list[str], at: int) -> list[Verb]:
    """The class of the word at `at`, if it is a verb of the lexicon; a verb that is also a noun only where it leads."""
    if not -len(spoken) <= at < len(spoken) or (at and spoken[at] in words_of("also_nouns")):
        return []
    return [verb for verb in Verb if verb.value and spoken[at] in words_of(verb.value)][:1]


def _rest(spoken: list[str], verb_at: int | None) -> list[str]:
    """The noun in a name: what stands around the verb, up to a preposition."""
    rest = [word for at, word in enumerate(spoken) if verb_at is None or at != verb_at % len(spoken)]
    for at, word in enumerate(rest):
        if at and word in ("by", "for", "with", "from", "in", "of", "to", "on", "using"):
            return rest[:at]
    return rest


_METHODS = {"DELETE": Verb.REMOVE, "PUT": Verb.CHANGE, "PATCH": Verb.CHANGE, "GET": Verb.GET, "HEAD": Verb.GET}


def _unnamed(tool: ToolSpec) -> Verb:
    """The verb of a tool whose name has none: of its HTTP method, else the first word of its description."""
    if tool.method in _METHODS:
        return _METHODS[tool.method]
    told = [singular(word) for word in words(tool.description[:40])[:1]]
    creates = tool.method == "POST" and tool.path.count("/") and not tool.path.endswith("}")
    return next(iter(_verbs(told, 0)), Verb.MAKE if creates else Verb.ACT)


def _plural(noun: str) -> bool:
    return singular(noun) != noun


def singular(noun: str) -> str:
    """`noun` with its last word in the singular, by the regular rules: `categories` -> `category`."""
    if len(noun) < 4 or noun.endswith(("ss", "us", "is", "news", "series")):
        return noun
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    return noun[:-2] if noun.endswith(("sses", "xes", "ches", "shes")) else noun.removesuffix("s")


_TRUST = {Verb.GET: 0, Verb.LIST: 1, Verb.MAKE: 2, Verb.CHANGE: 3}


def _items(tools: list[ToolSpec], readings: list[Reading]) -> dict[tuple[str, str], JsonSchema]:
    """(API, noun) -> the schema of one such thing: as a sibling returns it, else as one that makes it takes it."""
    found: dict[tuple[str, str], tuple[int, JsonSchema]] = {}
    for tool, (verb, noun) in zip(tools, readings, strict=True):
        if not noun or verb not in _TRUST:
            continue
        shown = None if tool.response is None else _item_of(tool.response, noun, many=verb is Verb.LIST)
        trust = _TRUST[verb]
        if shown is None and verb is Verb.MAKE:
            shown, trust = _drafted(tool, "id"), 9
        key = (tool.api, noun)
        if shown is not None and len(shown["properties"]) > 1 and (key not in found or trust < found[key][0]):
            found[key] = (trust, shown)
    return {key: schema for key, (_, schema) in found.items()}


def _item_of(response: JsonSchema, noun: str, *, many: bool) -> JsonSchema | None:
    """One `noun` inside an answer: the answer itself, its items, or the member that holds it."""
    if response.get("type") == "array":
        return _object(response.get("items"))
    members: dict[str, Any] = response.get("properties") or {}
    if many:
        lists = [_object(m.get("items")) for m in members.values() if isinstance(m, dict) and m.get("type") == "array"]
        shown = [item for item in lists if item]
        return shown[0] if len(shown) == 1 else None
    wrapped = next((m for name, m in members.items() if singular("_".join(words(name))) == noun), None)
    return _object(wrapped) or _object(response)


def _object(schema: Any) -> JsonSchema | None:
    return schema if isinstance(schema, dict) and schema.get("type") == "object" and schema.get("properties") else None


def _answer(tool: ToolSpec, reading: Reading, item: JsonSchema | None) -> JsonSchema:
    verb, noun = reading
    if verb is Verb.REMOVE:
        return EMPTY
    if verb is Verb.TEST:
        return {"type": "object", "properties": {"result": {"type": "boolean"}}}
    if verb is Verb.MEASURE:
        return {"type": "object", "properties": {noun or "result": {"type": "number"}}}
    if verb is Verb.LIST:
        return {"type": "array", "items": item or _drafted(tool, "id", "name")}
    if verb is Verb.ACT:
        return item or {"type": "object", "properties": {"status": {"type": "string"}}}
    if item is None and verb is Verb.GET:
        return _drafted(tool, noun or "result")
    return item or _drafted(tool, "id")


def _drafted(tool: ToolSpec, *more: str) -> JsonSchema:
    """A thing as the tool's own arguments describe it, and `more` texts."""
    steering = words_of("steering")
    properties: dict[str, Any] = {name: {"type": "string"} for name in more}
    for name, schema in tool.parameters.get("properties", {}).items():
        spoken = "_".join(words(name))
        if schema.get("type") in _SCALARS and spoken not in steering and tool.locations.get(name) != "header":
            properties.setdefault(name, {key: value for key, value in schema.items() if key in _KEPT})
    return {"type": "object", "properties": properties}
