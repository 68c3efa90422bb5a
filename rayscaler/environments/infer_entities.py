"""Which nouns of a domain are tables, and which table each tool is about.

A noun is *strong* if the domain treats it as a thing of its own: a parameter names its rows (`caseRuleId`), a route
does (`/rules/{id}`), tools create and read it, or a list of objects with an id comes back. Every other noun is a part
of a strong one: `case audit events` of a case, `direct flights` are flights, `order address` a facet of an order.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from rayscaler.environment import Operator
from rayscaler.environments.lexicon import Phrase, is_boilerplate, key_noun, norm, noun, phrase_of, singular, word_set
from rayscaler.environments.operators import Reading
from rayscaler.environments.schemas import Shape, matches, properties, required, shape_of, type_of

SIMILAR = 0.8
"""Share of common properties from which two nouns' items are one thing. Ours: Google's `Event` under three nouns."""


class Placed(NamedTuple):
    """A reading with the table's noun, how the answer holds rows, and whether the tool is about a part of the row."""

    reading: Reading
    noun: Phrase
    shape: Shape
    facet: bool


def is_tagging(reading: Reading) -> bool:
    """Whether a tool reads or writes the free tags of any row (`TagResource`, `ListTagsForResource`)."""
    parts = phrase_of(reading.tool.name)
    return "tag" in {singular(p) for p in parts} | {"tag" for p in parts if p == "untag"} and "resource" in parts


def place(readings: list[Reading]) -> list[Placed | None]:
    """The noun of each tool, in the order of `readings`; None where no table could be meant."""
    strong = _strong_nouns(readings)
    nouns = [() if is_tagging(r) else _resolve(r, strong) for r in readings]
    nouns = [_pair(r, n, strong) for r, n in zip(readings, nouns, strict=True)]
    nouns = _adopt_weak(readings, nouns, strong)
    nouns = _join_links(readings, nouns)
    merged = _merge_similar(readings, nouns)
    placed: list[Placed | None] = []
    for reading, found in zip(readings, nouns, strict=True):
        if not found or is_batch(reading):
            placed.append(None)
            continue
        final = merged.get(found, found)
        facet = final == found and final not in (reading.full, reading.target) and _is_prefix(final, reading.full)
        placed.append(Placed(reading, final, item_shape(reading, final), facet))
    return placed


def item_shape(reading: Reading, target: Phrase) -> Shape:
    """How the tool's answer holds rows of `target`."""
    many = reading.operator in (Operator.LIST, Operator.SEARCH) or _reads_collection(reading)
    named = shape_of(reading.tool.response, reading.full or target, many=many)
    plain_target = shape_of(reading.tool.response, target, many=many)
    return (
        named if named.wrapper and not (plain_target.inner and plain_target.wrapper == named.wrapper) else plain_target
    )


def _reads_collection(reading: Reading) -> bool:
    if reading.operator.writes:
        return False
    last = (phrase_of(reading.tool.name) or ("",))[-1]
    listed = [n for n, s in properties(reading.tool.response).items() if type_of(s) == "array"]
    if singular(last) != last and any(matches(n, reading.full) for n in listed):
        return True
    return bool(reading.route.steps) and not reading.route.steps[-1].parameter


def _strong_nouns(readings: list[Reading]) -> frozenset[Phrase]:
    keyed = Counter(n for r in readings for n in _keyed_nouns(r))
    routed = Counter(s.noun for r in readings for s in r.route.steps if s.parameter)
    joined = {"".join(n) for n in keyed}
    tools: dict[Phrase, list[Reading]] = {}
    for reading in readings:
        for phrase in dict.fromkeys((reading.full, reading.target)):
            if phrase and (" ".join(phrase) not in word_set("not_entities") or _is_made(phrase, readings)):
                tools.setdefault(phrase, []).append(reading)
    return frozenset(p for p, about in tools.items() if "".join(p) in joined or p in routed or _is_thing(p, about))


def _is_made(phrase: Phrase, readings: list[Reading]) -> bool:
    """Whether a word that is seldom a thing («resource», «page») is one here: made and removed, or read by its id."""
    about = [r for r in readings if phrase in (r.full, r.target) and not is_tagging(r)]
    kinds = {r.operator for r in about}
    named = any(phrase in _keyed_nouns(r) for r in about)
    return {Operator.CREATE, Operator.DELETE} <= kinds or (named and Operator.GET in kinds)


def _keyed_nouns(reading: Reading) -> set[Phrase]:
    """Nouns that the tool's parameters name by an id."""
    names = [n for n in reading.tool.parameters.get("properties", {}) if not is_boilerplate(n)]
    paths = {s.parameter for s in reading.route.steps}
    found = {
        key_noun(n)[0] for n in names if key_noun(n)[1] in ("id", "identifier", "arn", "uuid", "key", "name", "number")
    }
    return {n for n in found if n} | {noun(phrase_of(p)) for p in paths if p}


def _is_thing(phrase: Phrase, about: list[Reading]) -> bool:
    named = [r for r in about if phrase in (r.full, r.target)]
    kinds = {r.operator for r in named}
    if Operator.CREATE in kinds and kinds & {Operator.GET, Operator.LIST, Operator.DELETE, Operator.SEARCH}:
        return True
    return any(_lists_things(r, phrase) for r in named)


def _lists_things(reading: Reading, phrase: Phrase) -> bool:
    shape = item_shape(reading, phrase)
    if shape.kind != "list":
        return False
    names = {norm(n) for n in properties(shape.item)}
    keys = {
        "id",
        "arn",
        "name",
        "key",
        "uuid",
        *(f"{''.join(phrase[i:])}{k}" for i in range(len(phrase)) for k in ("id", "arn", "name")),
    }
    return len(names) >= 2 and bool(names & keys)


def _resolve(reading: Reading, strong: frozenset[Phrase]) -> Phrase:
    """The strong noun that a reading is about, or () if there is none."""
    for phrase in (reading.full, reading.target):
        if phrase in strong:
            return phrase
    if reading.verb == "watch":
        return ()
    full = reading.full
    by_route = [s.noun for s in reading.route.steps if s.parameter and s.noun in strong]
    for length in range(len(full) - 1, 0, -1):
        for part in (full[-length:], noun(full[:length])):
            if part in strong and (part == full[-length:] or _can_reach(reading, part)):
                return part
    inner = [noun(full[i:j]) for i in range(len(full)) for j in range(len(full), i, -1)]
    found = next((p for p in inner if p in strong and _can_reach(reading, p)), ())
    if found or not by_route:
        return found
    return by_route[-1] if reading.route.steps[-1].parameter or _is_narrow(reading) else ()


def _can_reach(reading: Reading, part: Phrase) -> bool:
    """Whether a tool about a facet (`order address`) says whose: it names a row of that noun, or lists them."""
    many = reading.operator in (Operator.LIST, Operator.SEARCH)
    keyed = _keyed_nouns(reading)
    if any(part[-len(n) :] == n for n in keyed):  # `VersionId` names a document version
        return True
    return many or any(s.noun == part and s.parameter for s in reading.route.steps)


def is_batch(reading: Reading) -> bool:
    """Whether a tool writes many rows in one call."""
    parts, given = set(phrase_of(reading.tool.name)), properties(reading.tool.parameters)
    several = not given or any(type_of(s) in ("array", "object") for s in given.values())
    return bool(parts & {"batch", "bulk"}) and several and reading.operator.writes


def _is_narrow(reading: Reading) -> bool:
    """Whether a sub-route is a facet of its parent (`/users/{id}/settings`) rather than a collection."""
    shape = shape_of(reading.tool.response, reading.full, many=True)
    return shape.kind not in ("list",)


def _adopt_weak(readings: list[Reading], nouns: list[Phrase], strong: frozenset[Phrase]) -> list[Phrase]:
    """Nouns for tools that no strong noun fits: their own, shared by all that have the same head word."""
    left = [r for r, n in zip(readings, nouns, strict=True) if not n and r.target]
    weak = frozenset(r.target for r in left if _is_substantial(r) and _has_schema(r))
    whole = Counter(r.target for r in left)
    heads = Counter(t[-1] for t in whole if t not in weak)
    facets = {Operator.UPDATE, Operator.TRANSITION, Operator.LOOKUP}
    only_facets = {t for t in whole if all(r.operator in facets for r in left if r.target == t)}
    found: list[Phrase] = []
    for reading, known in zip(readings, nouns, strict=True):
        target = reading.target
        if known or is_tagging(reading):
            found.append(known)
        elif not target or " ".join(target) in word_set("not_entities"):
            found.append(_owner(reading, strong) if reading.operator in facets and reading.operator.writes else ())
        elif target in only_facets and _owner(reading, strong):
            found.append(_owner(reading, strong))
        elif reading.target not in weak and _resolve(reading, weak):
            found.append(_resolve(reading, weak))
        elif not _is_substantial(reading):
            found.append(())
        else:
            alone = len(target) > 1 and whole[target] == 1 and heads[target[-1]] > 1
            found.append(target[-1:] if alone and target not in weak else target)
    return found


def _owner(reading: Reading, strong: frozenset[Phrase]) -> Phrase:
    """The strong noun whose row a tool must be given: `reset_password(user_id, password)` is about a user."""
    needed = required(reading.tool.parameters)
    named = [key_noun(n)[0] for n in properties(reading.tool.parameters) if n in needed and key_noun(n)[0] in strong]
    by_route = [s.noun for s in reading.route.steps if s.parameter and s.noun in strong]
    return (named or by_route or [()])[-1]


def _pair(reading: Reading, own: Phrase, strong: frozenset[Phrase]) -> Phrase:
    """The link noun of a relation between two tables: `add user to group` writes group users."""
    if reading.operator not in (Operator.RELATE, Operator.UNRELATE) or own not in strong:
        return own
    keyed = _keyed_nouns(reading)
    other = next((t for t in reading.tail if t in strong and t != own), ())
    return (*other, *own) if other and {own, other} <= keyed else own


def _join_links(readings: list[Reading], nouns: list[Phrase]) -> list[Phrase]:
    """Link nouns and the lists that show them become one: `add member to group` and `list group members`."""
    kinds: dict[Phrase, set[Operator]] = {}
    for reading, phrase in zip(readings, nouns, strict=True):
        if phrase:
            kinds.setdefault(phrase, set()).add(reading.operator)
    pairs = {Operator.RELATE, Operator.UNRELATE}
    reads = {Operator.LIST, Operator.SEARCH, Operator.GET}
    renamed: dict[Phrase, Phrase] = {}
    for link in sorted(p for p, found in kinds.items() if found <= pairs):
        wider = sorted(
            p for p, found in kinds.items() if p != link and p[-len(link) :] == link and found <= reads | pairs
        )
        if wider:
            renamed[link] = wider[0]
    links = {p for p, found in kinds.items() if Operator.RELATE in found and found <= pairs}
    shown = {p for p, found in kinds.items() if found <= reads}
    return [
        r.full if n in shown and r.full in links else renamed.get(n, n) for r, n in zip(readings, nouns, strict=True)
    ]


def _has_schema(reading: Reading) -> bool:
    return bool(reading.tool.response and properties(reading.tool.response))


def _is_substantial(reading: Reading) -> bool:
    """Whether a tool alone gives a table something to hold."""
    names = [n for n in reading.tool.parameters.get("properties", {}) if not is_boilerplate(n)]
    if reading.operator is Operator.LOOKUP:
        return False
    if reading.operator in (Operator.CREATE, Operator.UPDATE):
        return bool(names)
    if reading.operator in (Operator.LIST, Operator.SEARCH, Operator.GET):
        return True
    return bool(names) or _has_schema(reading)


def _is_prefix(part: Phrase, whole: Phrase) -> bool:
    return len(part) < len(whole) and noun(whole[: len(part)]) == part


def _merge_similar(readings: list[Reading], nouns: list[Phrase]) -> dict[Phrase, Phrase]:
    """Nouns whose items have the same properties, unless each is created and read on its own: later -> earlier."""
    items: dict[Phrase, set[str]] = {}
    kinds: dict[Phrase, set[Operator]] = {}
    for reading, phrase in zip(readings, nouns, strict=True):
        if phrase:
            kinds.setdefault(phrase, set()).add(reading.operator)
            items.setdefault(phrase, set()).update(_item_names(reading, phrase))
    merged: dict[Phrase, Phrase] = {}
    order = sorted(items, key=lambda p: (-len(kinds[p]), -len(items[p]), p))
    for i, one in enumerate(order):
        if one in merged:
            continue
        for other in order[i + 1 :]:
            if other not in merged and _same_thing(items[one], items[other], kinds[one], kinds[other]):
                merged[other] = one
    return merged


def _item_names(reading: Reading, phrase: Phrase) -> set[str]:
    shape = item_shape(reading, phrase)
    return {norm(n) for n in properties(shape.item)} if type_of(shape.item) == "object" else set()


def _same_thing(a: set[str], b: set[str], a_kinds: set[Operator], b_kinds: set[Operator]) -> bool:
    if min(len(a), len(b)) < 4 or len(a & b) / len(a | b) < SIMILAR:
        return False
    whole = {Operator.CREATE, Operator.GET}
    return not (whole <= a_kinds and whole <= b_kinds)
