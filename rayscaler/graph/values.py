"""What a tool gives and takes, as values with a meaning: the two ends of a link.

    GET /calendars/{calendarId}/events  ->  items[].id is the «id» of an «event»; nextPageToken is left out
    PATCH /orders/{id}                  <-  id is the «id» of an «order»
    chat.spaces.messages.list           <-  parent is the «name» of a «space»

A value is identifying if it names a row (order id, role ARN); others only carry content (postcode).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from rayscaler.graph.nouns import Effect, effect, head_noun, is_boilerplate, lexicon, noun_words, nouns_of, phrase
from rayscaler.toolspec import JsonSchema, ToolSpec, words

MAX_DEPTH = 5
"""Nesting of an answer's schema below which values are not looked at."""

MAX_INNER_DEPTH = 1
"""Nesting below a parameter that is still looked at: `flights[].segment.number`."""

ASSUMED = ""
"""Place of a value in an answer whose schema the specification does not give."""

WHOLE = "whole"
"""Stands for the attribute of a list of objects as such: `passengers`, whatever is in them."""

COMPLETE_FORMATS = ("aws", "google")


class Value(NamedTuple):
    """One scalar (or list) in an answer or among the parameters.

    place: `items[].id`, or the parameter's name; entity: whose value it is, a noun phrase, or empty; attribute: the
    identifying word (`id`, `arn`, `name`), WHOLE for a list of objects, or empty; text: all of its words; type: JSON
    type of the scalar, `array` for a list of objects, or empty.
    """

    place: str
    entity: str
    attribute: str
    text: str
    type: str
    depth: int = 0


def outputs_of(tool: ToolSpec) -> list[Value]:
    """The values in a successful answer, outermost first.

    Without a schema, or with that of a bare value: the id that the name promises, where the format has no HTTP methods
    or the method is GET; other operations without one answer with nothing, as do those of formats that always declare
    their answers.
    """
    if tool.response is None:
        silent = tool.method in ("", "GET") and tool.format not in COMPLETE_FORMATS
        return _assumed(tool) if silent and effect(tool) is not Effect.CHANGES else []
    if _scalar(tool.response) in ("string", "integer"):
        return _assumed(tool) if effect(tool) is not Effect.CHANGES else []
    found = _walk(tool.response, "", bare_noun(head_noun(tool)), 0)
    return list(dict.fromkeys(value for value in found if value.attribute or not is_boilerplate(value.text)))


def head_entity(tool: ToolSpec) -> str:
    """The noun of what the tool is about, without what only wraps it."""
    return bare_noun(head_noun(tool))


def without_part(entity: str) -> str:
    """«new item» -> «item», «parent folder» -> «folder»."""
    first, _, rest = entity.partition(" ")
    return rest if rest and first in lexicon().part_words else entity


def inputs_of(tool: ToolSpec) -> list[Value]:
    """The parameters that hold a scalar or a list of scalars, and those inside objects.

    Boilerplate is left out, and so are names without words (`名`, `_`): they are equal to nothing.
    """
    found = []
    for name, schema in tool.parameters.get("properties", {}).items():
        if is_boilerplate(phrase(name)):
            continue
        type_ = _scalar(schema)
        found += [_input(tool, name, type_)] if type_ is not None else _inner_inputs(tool, name, schema)
    routed = {(v.entity, v.attribute) for v in found if tool.locations.get(v.place) == "path"}
    return [v for v in found if v.text and not _is_own_id(tool, v, routed)]


def _inner_inputs(tool: ToolSpec, name: str, schema: Any) -> list[Value]:
    """What is asked for inside an object or a list of objects: `flights[].flight_number`. A body as a whole has none:
    what it repeats of its own row is no input.
    """
    own = bare_noun(head_noun(tool))
    found = [v._replace(depth=0) for v in _walk(schema, name, _owner(name, own), MAX_DEPTH - MAX_INNER_DEPTH)]
    found = [v._replace(place=name) if v.place == f"{name}[]" else v for v in found]
    found = [v for v in found if v.attribute != WHOLE or v.place == name]
    return [v for v in found if (v.attribute or not is_boilerplate(v.text)) and not (v.entity == own and v.attribute)]


def _is_own_id(tool: ToolSpec, value: Value, routed: set[tuple[str, str]]) -> bool:
    """Whether a parameter outside the route only repeats the id of the row that the call is about, or names a new one.

    A body has the shape of the whole row, its `id` included: of an update it is in the route, of a new row it is new.
    """
    if tool.locations.get(value.place) == "path" or not value.attribute:
        return False
    own = value.entity == bare_noun(head_noun(tool))
    return (value.entity, value.attribute) in routed or (own and effect(tool) is Effect.CREATES)


def _input(tool: ToolSpec, name: str, type_: str) -> Value:
    entity, attribute = _meaning(name)
    in_path = tool.locations.get(name) == "path"
    if name == "parent" and in_path:
        outer = nouns_of(tool)[-2:-1]   # Google's resource names: the collection's owner
        return Value(name, outer[0] if outer else "", "name", name, type_)
    if not attribute and in_path:
        entity, attribute = phrase(name), "id"
    if attribute and not entity and (in_path or attribute != "name"):
        entity = _before(tool.path, name) or head_noun(tool)
    return Value(name, bare_noun(entity), attribute, phrase(name), type_)


def bare_noun(text: str) -> str:
    """A noun phrase without the words that only wrap it: «contact flow summary list» -> «contact flow»."""
    found = text.split()
    while len(found) > 1 and found[-1] in lexicon().wrapper_endings:
        found = found[:-1]
    return " ".join(found)


def _walk(schema: Any, place: str, entity: str, depth: int) -> Iterator[Value]:
    """All values of a schema; those without an entity of their own belong to `entity`."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return
    items = schema.get("items")
    if isinstance(items, dict):
        if entity and properties_of(items):
            yield Value(f"{place}[]", entity, WHOLE, entity, "array", depth)
        yield from _walk(items, f"{place}[]", entity, depth)
        return
    for name, inner in properties_of(schema).items():
        if lexicon().failures & set(noun_words(name)):
            continue
        at = f"{place}.{name}" if place else name
        type_ = _scalar(inner)
        if type_ is not None:
            own, attribute, shown = _output(name, at, inner)
            yield Value(shown, own or entity, attribute, phrase(name), type_, depth)
        else:
            yield from _walk(inner, at, _owner(name, entity), depth + 1)


def _output(name: str, at: str, schema: JsonSchema) -> tuple[str, str, str]:
    """Own entity (or empty), identifying attribute and place of a property."""
    own, attribute = _meaning(name)
    if not _is_list(schema):
        return bare_noun(own), attribute, at
    if not attribute and phrase(name) != " ".join(words(name)):
        own, attribute = phrase(name), "id"   # `orders: [string]` lists the orders by what identifies them
    return bare_noun(own), attribute, f"{at}[]"


def properties_of(schema: JsonSchema) -> dict[str, Any]:
    """The properties of an object schema and of its `allOf`, `anyOf` and `oneOf`; of equal names the first one."""
    found: dict[str, Any] = {}
    own = schema.get("properties")
    parts = [own] if isinstance(own, dict) else []
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword) or ():
            parts += [properties_of(part)] if isinstance(part, dict) else []
    for part in parts:
        for name, inner in part.items():
            found.setdefault(name, inner)
    return found


def _owner(name: str, entity: str) -> str:
    """Whose values are inside the property `name`: its own noun, or `entity` if the name only wraps."""
    noun = bare_noun(phrase(name))
    return entity if not noun or noun in lexicon().containers else noun


def _meaning(name: str) -> tuple[str, str]:
    """Entity and identifying attribute of a name: `contactFlowId` -> contact flow, id; `city` -> nothing, nothing."""
    found = noun_words(name)
    content = len(found) > 1 and " ".join(found) in lexicon().generic_values   # a display name identifies nothing
    if found and found[-1] in lexicon().key_words and not content:
        return " ".join(found[:-1]), found[-1]
    return "", ""


def _scalar(schema: Any) -> str | None:
    """The JSON type of a scalar or of a list's scalars; empty where it is not told; None for anything else."""
    if not isinstance(schema, dict):
        return None
    items = schema.get("items")
    if isinstance(items, dict):
        return None if "items" in items else _scalar(items)
    if properties_of(schema):
        return None
    if len(schema.get("enum") or ()) in (1, 2):
        return "boolean"   # round trip or one way is a choice like yes or no
    type_ = schema.get("type", "")
    if isinstance(type_, list):
        type_ = next((t for t in type_ if t != "null"), "")
    return None if type_ in ("object", "array", "null") else str(type_)


def _is_list(schema: JsonSchema) -> bool:
    return isinstance(schema.get("items"), dict)


def _before(path: str, name: str) -> str:
    """The noun of the fixed path segment before `{name}`: in `/orders/{id}/items` that of `id` is order."""
    segments = [s for s in path.split("/") if s]
    for before, segment in pairwise(segments):
        if name in segment and "{" in segment and "{" not in before:
            return phrase(before)
    return ""


def _assumed(tool: ToolSpec) -> list[Value]:
    """What a tool of unknown answer gives by its name: `find_user_id_by_email` an id of a user, `get_order` an order's.

    The name is all there is, so nothing but identifiers can be told.
    """
    noun = bare_noun(head_noun(tool))
    return [Value(ASSUMED, noun, "id", f"{noun} id", "")] if noun else []
