"""Directed links inside a domain: which value of one tool's answer can be an argument of another (section 2.1).

Rules, best first. Each link carries the name of its rule; a language model may later give its own verdict.

    same_entity   list_orders items[].id         -> get_order(order_id)         the producer is about the entity
    reference     get_order customerId           -> get_customer(customer_id)   the producer refers to the entity
    assumed       find_order (no schema)         -> get_order(order_id)         the producer's name promises it
    part          get_order items[].itemId       -> exchange(new_item_id)       the parameter names the part it plays
    head_noun     list_orders id                 -> ship(pending_order_id)      the nouns end alike
    echo          get_order id                   -> cancel_order(order_id)      the producer had to be given it itself
    same_name     get_customer address.postcode  -> find_shops(postcode)        no identifier, but a telling name
    other_key     list_contacts contactArn       -> get_contact(contact_id)     another identifier, where nothing fits
    whole         get_trip passengers[]          -> book_trip(passengers)       a list of objects of one name
    told          get_user (no schema)           -> get_order(order_id)         the producer's description names it
    shared        get_order (no schema)          -> return_item(item_id)        other tools use the two together

What is not covered: values that are computed from others, links across domains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from rayscaler.graph.expected import Basis, expected_of, is_silent, promises_key
from rayscaler.graph.nouns import Effect, effect, lexicon
from rayscaler.graph.values import ASSUMED, WHOLE, Value, head_entity, inputs_of, outputs_of, without_part
from rayscaler.recipes import LinkRecipe
from rayscaler.toolspec import ToolSpec, words

SCORES = {
    "same_entity": 1.0, "reference": 0.8, "assumed": 0.75, "part": 0.65, "head_noun": 0.65, "echo": 0.6,
    "same_name": 0.55, "other_key": 0.5, "whole": 0.55, "told": 0.7, "shared": 0.7,
}

DEPTH_COST = 0.02
"""Taken off per level of nesting: a value near the top of an answer is the one that is meant."""

CHANGE_COST = 0.05
"""Taken off where the producer changes a row that the caller named: its answer repeats much of what was known."""

UNSURE_CHANGE_COST = 0.2
"""Taken off instead where nothing declares that it answers with the row: it may as well say that all went well."""

ECHO_CHANGE_COST = 0.1
"""Taken off instead where it echoes the id of that row: it still names the row, and is known."""

OVER_COST = 0.3
"""Taken off a row that the producer has ended or that the tool wants in another state: what was cancelled is not
cancelled again, what is done with pending orders is not done with delivered ones."""

CONTENT_COST = 0.2
"""Taken off an equal name of a number (an amount is decided, not looked up), one that everything has («status»), and
one that the producer was given and is not known to answer with."""

PLAYED_PART_COST = 0.25
"""Taken off a value that is only expected, and would play a part that no tool says it has: `new_item_id`."""

OTHER_API_COST = 0.3
"""Taken off across APIs of one vendor: their ids may have the same name, they are seldom the same ids."""

OTHER_VENDOR_COST = 0.55
"""Taken off across vendors: no id of one is an id of the other, so by default no such link is kept."""

INNER_COST = 0.1
"""Taken off where the value goes inside an object parameter."""

MIRROR_COST = 0.25
"""Taken off beside it where the producer is about something else: a body that has the shape of the producer's row, with
everything that the row refers to, is not made by copying that row."""

WORLDLY_COST = 0.1
"""Taken off across APIs where the value means the same to everyone: an email address, a postcode."""

NUMBERS = ("integer", "number")

LINKED_TYPES = {"", "string", "integer", "number", "array"}


class Producer(NamedTuple):
    """A value in the answer of a tool."""

    tool: ToolSpec
    about: str
    changes: bool
    ends: bool
    silent: bool
    takes: frozenset[tuple[str, str]]
    """What the tool must be given itself: entity and attribute, or nothing and the words of a value without entity."""
    value: Value
    basis: Basis = Basis.DECLARED


class Taker(NamedTuple):
    """A parameter of a tool, and what the tool is about."""

    tool: ToolSpec
    about: str
    wanted: Value


Source = tuple[float, str, Producer]
"""Score, rule and producer of one possible link."""


class Candidate(NamedTuple):
    """A link that the rules would write: does `field` of src's answer (empty: the answer) feed dst's `parameter`?"""

    src: ToolSpec
    field: str
    dst: ToolSpec
    parameter: str
    score: float
    rule: str


Verdict = Callable[[Candidate], float]
"""How sure a judge is of a candidate, 0 to 1. The rules' own score by default; a language model can take its place."""


def by_rule(candidate: Candidate) -> float:
    """The score of the rule that found the link."""
    return candidate.score


def links_of(
    domain_id: str, tools: list[ToolSpec], recipe: LinkRecipe, verdict: Verdict = by_rule
) -> list[dict[str, Any]]:
    """The links of one domain as rows of LINKS: by dst, its parameters in their own order, best source first.

    No tool feeds itself; tools that delete feed nothing; boilerplate parameters take nothing. A parameter keeps its
    `recipe.max_sources` best sources, each with its best field, and takes an id from another API only where its own
    API gives none. `verdict` scores what the rules found; below `recipe.min_score` it is dropped.
    """
    producers = _index(tools)
    rows: list[dict[str, Any]] = []
    for tool in sorted(tools, key=lambda t: t.tool_id):
        about = head_entity(tool)
        for wanted in inputs_of(tool):
            for score, rule, producer in _sources(Taker(tool, about, wanted), producers, recipe):
                candidate = Candidate(producer.tool, producer.value.place, tool, wanted.place, score, rule)
                score = verdict(candidate)  # noqa: PLW2901 (the judge's word replaces the rule's)
                rows += [_row(domain_id, candidate, score)] if score >= recipe.min_score else []
    return rows


def _index(tools: list[ToolSpec]) -> dict[str, list[Producer]]:
    """Producers by the last word of what they give: the only ones that a parameter ending in it can match."""
    index: dict[str, list[Producer]] = {}
    expected = expected_of(tools)
    for tool in tools:
        if effect(tool) is Effect.DELETES:
            continue
        about, changes = head_entity(tool), effect(tool) is Effect.CHANGES
        ends = bool(set(words(tool.name)[:1]) & lexicon().ending_verbs)
        takes = frozenset((v.entity, v.attribute) if v.attribute else ("", v.text) for v in inputs_of(tool))
        gives = [(Basis.DECLARED, value) for value in declared_by(tool)] + expected.get(tool.tool_id, [])
        for basis, value in gives:
            if value.type in LINKED_TYPES and value.text:
                producer = Producer(tool, about, changes, ends, is_silent(tool), takes, value, basis)
                index.setdefault(_last_word(value), []).append(producer)
    return index


def declared_by(tool: ToolSpec) -> list[Value]:
    """The values that the answer's schema declares; of an inferred one of a tool that promises a key, that key."""
    bare = tool.response_inferred and promises_key(tool)
    return outputs_of(tool.model_copy(update={"response": None}) if bare else tool)


def _last_word(value: Value) -> str:
    if value.attribute == WHOLE:
        return f"{WHOLE} {value.entity.split()[-1]}"
    return value.attribute or value.text.split()[-1]


def _sources(taker: Taker, producers: dict[str, list[Producer]], recipe: LinkRecipe) -> list[Source]:
    """The best producers for one parameter: one value per tool, at most `max_sources` tools."""
    attribute, keys = taker.wanted.attribute, lexicon().interchangeable_keys
    found = _best(taker, producers.get(_last_word(taker.wanted), ()), recipe)
    if not found and attribute in keys:
        others = [p for key in sorted(keys - {attribute}) for p in producers.get(key, ())]
        found = _best(taker, others, recipe)
    return found


def _best(taker: Taker, producers: Iterable[Producer], recipe: LinkRecipe) -> list[Source]:
    best: dict[str, Source] = {}
    for found in _scored(taker, producers):
        tool_id = found[2].tool.tool_id
        if found[0] >= recipe.min_score and (tool_id not in best or _rank(found) < _rank(best[tool_id])):
            best[tool_id] = found
    ranked = sorted(best.values(), key=_rank)
    if any(_distance(p, taker) == 0 for _, _, p in ranked):
        ranked = [s for s in ranked if _distance(s[2], taker) <= WORLDLY_COST]
    return ranked[: recipe.max_sources]


def _rank(found: Source) -> tuple[float, str, int, str]:
    score, _, producer = found
    return -score, producer.tool.tool_id, producer.value.depth, producer.value.place


def _scored(taker: Taker, producers: Iterable[Producer]) -> Iterator[Source]:
    wanted = taker.wanted
    for producer in producers:
        if producer.tool.tool_id == taker.tool.tool_id or not _types_agree(producer.value.type, wanted.type):
            continue
        rule = _rule(wanted, producer)
        if rule:
            cost = DEPTH_COST * max(0, producer.value.depth - 1) + _change_cost(rule, producer, taker)
            cost += _distance(producer, taker)
            if "." in wanted.place:
                cost += INNER_COST + MIRROR_COST * (rule != "same_entity")
            cost += CONTENT_COST * (rule == "same_name" and _is_weak(wanted, producer))
            cost += PLAYED_PART_COST * (bool(producer.basis) and producer.value.entity != wanted.entity != "")
            yield max(0.0, round(SCORES[rule] - cost, 4)), rule, producer


def _is_weak(wanted: Value, producer: Producer) -> bool:
    """Whether an equal name says little: of a number, of something that everything has, of what was given anyway."""
    given = producer.silent and ("", wanted.text) in producer.takes
    return wanted.type in NUMBERS or wanted.text in lexicon().generic_values or given


def _change_cost(rule: str, producer: Producer, taker: Taker) -> float:
    """What a link loses because of what its ends do to the row."""
    cost = 0.0
    if producer.changes:
        unsure = UNSURE_CHANGE_COST if producer.silent else CHANGE_COST
        cost = ECHO_CHANGE_COST if rule == "echo" else unsure
    entity = without_part(taker.wanted.entity)
    over = (rule == "echo" and producer.ends) or _in_other_state(producer.about, taker.about, entity)
    return cost + OVER_COST * over


def _in_other_state(a: str, b: str, entity: str) -> bool:
    """Whether two nouns name the state of the same thing, not the same state, and the entity is that thing or in it:
    the items of «pending order item» are not those of «delivered order item».
    """
    if not entity or f" {entity} " not in f" {a} {b} ":
        return False
    states_b = _states(b)
    return any(states_b.get(noun, state) != state for noun, state in _states(a).items())


@lru_cache(maxsize=2**12)
def _states(about: str) -> dict[str, str]:
    """Noun -> the state that stands before it in a noun phrase."""
    known = lexicon().state_words
    return {noun: word for word, noun in pairwise(about.split()) if word in known or word.endswith(("ed", "ing"))}


def _distance(producer: Producer, taker: Taker) -> float:
    """What a link loses because its ends are of two APIs; 0 inside one."""
    src, dst, attribute = producer.tool, taker.tool, taker.wanted.attribute
    if (src.vendor, src.api) == (dst.vendor, dst.api):
        return 0.0
    if not attribute or attribute in lexicon().worldly_keys:
        return WORLDLY_COST
    return OTHER_API_COST if src.vendor == dst.vendor else OTHER_VENDOR_COST


def _rule(wanted: Value, producer: Producer) -> str:
    """The name of the rule by which `producer` feeds `wanted`, or empty."""
    value = producer.value
    if producer.basis:
        return _expected_rule(wanted, producer)
    if not wanted.attribute:
        return "same_name" if wanted.text == value.text and not value.attribute else ""
    if not wanted.entity or not value.entity or not value.attribute:
        return ""
    if wanted.attribute == WHOLE:
        return "whole" if _same(value.entity, wanted.entity) or _ends_alike(value.entity, wanted.entity) else ""
    if not _same(value.entity, wanted.entity):
        if value.place == ASSUMED or value.attribute != wanted.attribute:
            return ""
        if _same(value.entity, without_part(wanted.entity)):
            return "part"
        return "head_noun" if _ends_alike(value.entity, wanted.entity) and _same(value.entity, producer.about) else ""
    if value.attribute != wanted.attribute:
        return "other_key" if _same(value.entity, producer.about) else ""
    if _takes(producer, value):
        return "echo"
    if value.place == ASSUMED:
        return "assumed"
    return "same_entity" if _same(value.entity, producer.about) else "reference"


def _expected_rule(wanted: Value, producer: Producer) -> str:
    """The rule of a value that the producer's answer is only expected to hold."""
    value = producer.value
    if not wanted.attribute:
        return "same_name" if wanted.text == value.text and not value.attribute else ""
    if value.attribute != wanted.attribute or not _same(value.entity, without_part(wanted.entity)):
        return ""
    return "echo" if _same(value.entity, wanted.entity) and _takes(producer, value) else str(producer.basis)


def _takes(producer: Producer, value: Value) -> bool:
    """Whether the producer had to be given the value itself."""
    return any(attribute == value.attribute and _same(entity, value.entity) for entity, attribute in producer.takes)


def _same(a: str, b: str) -> bool:
    """Whether two noun phrases are one however they are cut into words: «key pair» and «keypair»."""
    return a == b or a.replace(" ", "") == b.replace(" ", "")


def _ends_alike(a: str, b: str) -> bool:
    """Whether one noun phrase is the end of the other: «pending order» and «order»."""
    return f" {a}".endswith(f" {b}") or f" {b}".endswith(f" {a}")


def _types_agree(a: str, b: str) -> bool:
    return not a or not b or a == b or (a in NUMBERS and b in NUMBERS)


def _row(domain_id: str, found: Candidate, score: float) -> dict[str, Any]:
    return {
        "domain_id": domain_id,
        "src": found.src.tool_id,
        "field": found.field,
        "dst": found.dst.tool_id,
        "parameter": found.parameter,
        "score": score,
        "rule": found.rule,
    }
