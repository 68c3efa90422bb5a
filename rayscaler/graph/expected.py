"""What the answer of a tool is expected to hold where its specification does not say: read off the rest of its API.

    search_flights, beside book_seat(flight_number)                           assumed: an answer has its thing's keys
    get_user_details   «Get the details of a user, including their orders.»   told: the ids of orders
    pay(user_id, card_id)   card_id: «can be looked up from the user»         told: a user's answer has ids of cards
    modify_order_items(order_id, item_ids)                                    shared: an order's answer has item ids
    modify_user_address(user_id, city)                                        shared: a user's answer has a city

The last two say: what the tools about a thing take, the thing has. Answers are expected of tools about a thing, whether
they read or change it, but not of a tool whose name promises a single key (`find_user_id_by_email`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

from rayscaler.graph.nouns import Effect, effect, lexicon, noun_words, phrase
from rayscaler.graph.values import ASSUMED, Value, head_entity, inputs_of, without_part
from rayscaler.toolspec import ToolSpec


class Basis(StrEnum):
    """Why a value is thought to be in an answer."""

    DECLARED = ""
    OWN = "assumed"
    TOLD = "told"
    SHARED = "shared"


class Known(NamedTuple):
    """A tool with what it takes and the entities that it is about, the one that owns the others first."""

    tool: ToolSpec
    takes: tuple[Value, ...]
    about: tuple[str, ...]


def expected_of(tools: Sequence[ToolSpec]) -> dict[str, list[tuple[Basis, Value]]]:
    """Tool id -> values that its answer is expected to hold, for tools whose own API's file does not declare it."""
    found: dict[str, list[tuple[Basis, Value]]] = {}
    apis: dict[tuple[str, str], list[ToolSpec]] = {}
    for tool in tools:
        apis.setdefault((tool.vendor, tool.api), []).append(tool)
    for members in apis.values():
        if any(is_silent(tool) for tool in members):
            found |= _of_api(members)
    return found


def is_silent(tool: ToolSpec) -> bool:
    """Whether the file says nothing of the answer."""
    return tool.response is None or tool.response_inferred


def _of_api(tools: list[ToolSpec]) -> dict[str, list[tuple[Basis, Value]]]:
    taken = {tool.tool_id: tuple(inputs_of(tool)) for tool in tools}
    entities = {without_part(v.entity) for values in taken.values() for v in values if v.attribute and v.entity}
    known = [Known(tool, taken[tool.tool_id], _about(tool, entities)) for tool in tools]
    held = {entity: list(dict.fromkeys(_held(entity, known))) for entity in sorted(entities)}
    keys = list(dict.fromkeys(_as_key(v) for k in known for v in k.takes if _is_key(v)))
    found: dict[str, list[tuple[Basis, Value]]] = {}
    for one in known:
        if not is_silent(one.tool) or effect(one.tool) is Effect.DELETES or promises_key(one.tool):
            continue
        told = [(Basis.TOLD, value) for value in keys if one.about and _tells(one.tool, value)]
        told += [(Basis.TOLD, _as_key(v)) for k in known for v in k.takes if _is_key(v) and _refers(k.tool, v, one)]
        uses = [(Basis.SHARED, value) for entity in one.about for value in held[entity]]
        own = [(Basis.OWN, value) for value in keys if value.entity in one.about]
        found[one.tool.tool_id] = list(dict.fromkeys(own + told + uses))
    return found


def _about(tool: ToolSpec, entities: set[str]) -> tuple[str, ...]:
    """The entities in the tool's noun: «pending order item» is about the order, and about the item that it owns.

    What is made is also named by the verb: `book_flight` makes a booking.
    """
    noun, verb = f" {head_entity(tool)} ", next(iter(noun_words(tool.name)), "")
    made = {f"{verb}ing", f"{verb.removesuffix('e')}ing"} & entities if effect(tool) is Effect.CREATES else set()
    inside = sorted((e for e in entities if f" {e} " in noun), key=lambda e: (noun.index(f" {e} "), -len(e)))
    return (*sorted(made), *inside)


def _held(entity: str, known: list[Known]) -> Iterator[Value]:
    """What a thing has: what the tools take that are about it first of all."""
    for one in known:
        for value in one.takes if entity in one.about[:1] else ():
            if _is_key(value):
                yield _as_key(value)
            elif not value.attribute and value.text not in lexicon().generic_values:
                yield value._replace(place=ASSUMED, entity=entity, depth=0)


def _is_key(value: Value) -> bool:
    return bool(value.attribute and value.entity)


def _as_key(value: Value) -> Value:
    entity = without_part(value.entity)
    return Value(ASSUMED, entity, value.attribute, f"{entity} {value.attribute}", value.type)


def promises_key(tool: ToolSpec) -> bool:
    """Whether the name says that the answer is one key: `find_user_id_by_email`, `get_latest_message_id`."""
    spoken, lists = noun_words(tool.name), lexicon()
    cut = next((i for i, word in enumerate(spoken) if i and word in lists.prepositions), len(spoken))
    return cut > 1 and spoken[cut - 1] in lists.interchangeable_keys


def _tells(tool: ToolSpec, value: Value) -> bool:
    """Whether the tool's description names the value, or the thing where that is not what the tool itself is about."""
    said, entity = _said(tool.description), f" {value.entity} "
    return f" {value.text} " in said or (entity in said and entity not in f" {head_entity(tool)} ")


def _refers(user: ToolSpec, value: Value, source: Known) -> bool:
    """Whether a parameter's description says that it is found in an answer about what `source` is about."""
    told = user.parameters["properties"].get(re.split(r"[.\[]", value.place)[0], {}).get("description", "")
    for sentence in re.split(r"[.;]\s", str(told)):
        said = _said(sentence)
        if set(said.split()) & lexicon().lookup_words and any(f" {entity} " in said for entity in source.about):
            return True
    return False


def _said(text: str) -> str:
    return f" {phrase(re.sub(r'[^A-Za-z0-9]+', ' ', text))} "
