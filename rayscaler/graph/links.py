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

What is not covered: values that are computed from others, links across domains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from rayscaler.graph.nouns import Effect, effect, head_noun, lexicon
from rayscaler.graph.values import ASSUMED, Value, bare_noun, inputs_of, outputs_of
from rayscaler.recipes import LinkRecipe
from rayscaler.toolspec import ToolSpec

SCORES = {
    "same_entity": 1.0, "reference": 0.8, "assumed": 0.75, "part": 0.7, "head_noun": 0.65, "echo": 0.6,
    "same_name": 0.5, "other_key": 0.5,
}

DEPTH_COST = 0.02
"""Taken off per level of nesting: a value near the top of an answer is the one that is meant."""

CHANGE_COST = 0.35
"""Taken off where the producer changes a row that the caller named: its answer repeats what was known."""

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

CONTENT_COST = 0.1
"""Taken off an equal name without identifier where it is written: there it is content, which the user chooses."""

LINKED_TYPES = {"", "string", "integer", "number"}


class Producer(NamedTuple):
    """A value in the answer of a tool."""

    tool: ToolSpec
    about: str
    changes: bool
    takes: frozenset[tuple[str, str]]
    """Entities and attributes that the tool must be given itself."""
    value: Value


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
        for wanted in inputs_of(tool):
            for score, rule, producer in _sources(tool, wanted, producers, recipe):
                candidate = Candidate(producer.tool, producer.value.place, tool, wanted.place, score, rule)
                score = verdict(candidate)  # noqa: PLW2901 (the judge's word replaces the rule's)
                rows += [_row(domain_id, candidate, score)] if score >= recipe.min_score else []
    return rows


def _index(tools: Iterable[ToolSpec]) -> dict[str, list[Producer]]:
    """Producers by the last word of what they give: the only ones that a parameter ending in it can match."""
    index: dict[str, list[Producer]] = {}
    for tool in tools:
        if effect(tool) is Effect.DELETES:
            continue
        about, changes = bare_noun(head_noun(tool)), effect(tool) is Effect.CHANGES
        takes = frozenset((v.entity, v.attribute) for v in inputs_of(tool) if v.attribute)
        for value in outputs_of(tool):
            if value.type in LINKED_TYPES and value.text:
                last = value.attribute or value.text.split()[-1]
                index.setdefault(last, []).append(Producer(tool, about, changes, takes, value))
    return index


def _sources(
    tool: ToolSpec, wanted: Value, producers: dict[str, list[Producer]], recipe: LinkRecipe
) -> list[Source]:
    """The best producers for one parameter: one value per tool, at most `max_sources` tools."""
    last = wanted.attribute or wanted.text.split()[-1]
    found = _best(tool, wanted, _scored(tool, wanted, producers.get(last, ())), recipe)
    keys = lexicon().interchangeable_keys
    if not found and wanted.attribute in keys:
        others = [p for key in sorted(keys - {wanted.attribute}) for p in producers.get(key, ())]
        found = _best(tool, wanted, _scored(tool, wanted, others), recipe)
    return found


def _best(tool: ToolSpec, wanted: Value, scored: Iterable[Source], recipe: LinkRecipe) -> list[Source]:
    best: dict[str, Source] = {}
    for found in scored:
        tool_id = found[2].tool.tool_id
        if found[0] >= recipe.min_score and (tool_id not in best or _rank(found) < _rank(best[tool_id])):
            best[tool_id] = found
    ranked = sorted(best.values(), key=_rank)
    if any(_distance(p.tool, tool, wanted) == 0 for _, _, p in ranked):
        ranked = [s for s in ranked if _distance(s[2].tool, tool, wanted) <= WORLDLY_COST]
    return ranked[: recipe.max_sources]


def _rank(found: Source) -> tuple[float, str, int, str]:
    score, _, producer = found
    return -score, producer.tool.tool_id, producer.value.depth, producer.value.place


def _scored(tool: ToolSpec, wanted: Value, producers: Iterable[Producer]) -> Iterator[Source]:
    for producer in producers:
        if producer.tool.tool_id == tool.tool_id or not _types_agree(producer.value.type, wanted.type):
            continue
        rule = _rule(wanted, producer)
        if rule:
            cost = DEPTH_COST * max(0, producer.value.depth - 1) + CHANGE_COST * producer.changes
            cost += _distance(producer.tool, tool, wanted)
            if "." in wanted.place:
                cost += INNER_COST + MIRROR_COST * (rule != "same_entity")
            cost += CONTENT_COST * (rule == "same_name" and effect(tool) is not Effect.READS)
            yield max(0.0, round(SCORES[rule] - cost, 4)), rule, producer


def _distance(src: ToolSpec, dst: ToolSpec, wanted: Value) -> float:
    """What a link loses because its ends are of two APIs; 0 inside one."""
    if (src.vendor, src.api) == (dst.vendor, dst.api):
        return 0.0
    if not wanted.attribute or wanted.attribute in lexicon().worldly_keys:
        return WORLDLY_COST
    return OTHER_API_COST if src.vendor == dst.vendor else OTHER_VENDOR_COST


def _rule(wanted: Value, producer: Producer) -> str:
    """The name of the rule by which `producer` feeds `wanted`, or empty."""
    value = producer.value
    if not wanted.attribute:
        telling = wanted.text == value.text and wanted.text not in lexicon().generic_values
        return "same_name" if telling and not value.attribute else ""
    if not wanted.entity or not value.entity or not value.attribute:
        return ""
    if not _same(value.entity, wanted.entity):
        if value.place == ASSUMED or value.attribute != wanted.attribute:
            return ""
        if _same(value.entity, _without_part(wanted.entity)):
            return "part"
        return "head_noun" if _ends_alike(value.entity, wanted.entity) and _same(value.entity, producer.about) else ""
    if value.attribute != wanted.attribute:
        return "other_key" if _same(value.entity, producer.about) else ""
    if any(attribute == value.attribute and _same(entity, value.entity) for entity, attribute in producer.takes):
        return "echo"
    if value.place == ASSUMED:
        return "assumed"
    return "same_entity" if _same(value.entity, producer.about) else "reference"


def _same(a: str, b: str) -> bool:
    """Whether two noun phrases are one however they are cut into words: «key pair» and «keypair»."""
    return a == b or a.replace(" ", "") == b.replace(" ", "")


def _without_part(entity: str) -> str:
    """«new item» -> «item», «parent folder» -> «folder»."""
    first, _, rest = entity.partition(" ")
    return rest if rest and first in lexicon().part_words else entity


def _ends_alike(a: str, b: str) -> bool:
    """Whether one noun phrase is the end of the other: «pending order» and «order»."""
    return f" {a}".endswith(f" {b}") or f" {b}".endswith(f" {a}")


def _types_agree(a: str, b: str) -> bool:
    numbers = ("integer", "number")
    return not a or not b or a == b or (a in numbers and b in numbers)


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
