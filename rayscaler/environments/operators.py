"""What one tool does, read from its own name, route, description and schemas: its verb, its noun, its operator.

    ListContactFlows                 list    contact flow
    calendar.events.move             update  event
    cancel_pending_order             transition to «cancelled» of an order that is pending
    POST /groups/{id}/members:add    relate  member, group

Nothing here looks at other tools; `infer_entities` reconciles the nouns of a domain. Where the specification itself
says whether a tool writes (`readOnlyHint`, an HTTP method that is not POST), that wins over the verb.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from rayscaler.environment import Operator
from rayscaler.environments.lexicon import Phrase, lexicon, noun, phrase_of, singular, verb_of, word_set
from rayscaler.environments.operators_route import Route, route_of
from rayscaler.toolspec import ToolSpec

_READS = {"get": Operator.GET, "list": Operator.LIST, "search": Operator.SEARCH, "check": Operator.LOOKUP}
_WRITES = {
    "create": Operator.CREATE,
    "send": Operator.CREATE,
    "update": Operator.UPDATE,
    "delete": Operator.DELETE,
    "clear": Operator.DELETE,
    "relate": Operator.RELATE,
    "unrelate": Operator.UNRELATE,
    "move": Operator.UPDATE,
    "transfer": Operator.TRANSFER,
    "watch": Operator.CREATE,
}
_METHODS = {"GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "update", "DELETE": "delete", "POST": "create"}


class Reading(NamedTuple):
    """What one tool says of itself."""

    tool: ToolSpec
    word: str
    """The verb as written (`fetch`), or empty."""
    verb: str
    """The canonical verb of the lexicon (`get`, `cancel`)."""
    operator: Operator
    target: Phrase
    """The noun that the tool is about, singular, qualifiers taken off; empty if none is named."""
    full: Phrase
    """The noun with its qualifiers."""
    tail: tuple[Phrase, ...]
    """Nouns after prepositions: the group of «add user to group»."""
    status: str
    """The status that a transition leads to, or empty."""
    states: tuple[str, ...]
    """The status that the row must have, as the name says («cancel pending order»)."""
    route: Route


_RELATIONS = {
    ("add", "to"): "relate",
    ("put", "in"): "relate",
    ("assign", "to"): "relate",
    ("invite", "to"): "relate",
    ("remove", "from"): "unrelate",
    ("delete", "from"): "unrelate",
    ("unassign", "from"): "unrelate",
}


class _Named(NamedTuple):
    word: str
    before: Phrase
    after: Phrase


def read_tool(tool: ToolSpec, *, trust_method: bool = True) -> Reading:
    """The reading of one tool. With `trust_method` false, method and hints are not looked at (to measure the words)."""
    route = route_of(tool) if trust_method else Route()
    named = _named(tool, route)
    told, about = _told_verb(tool.description)
    if not (named.word and verb_of(named.word)) and told:
        named = named._replace(word=told)
    verb = verb_of(named.word) if named.word else ""
    if about in word_set("operands") and not named.after:
        verb = "check"  # «add two numbers» writes nothing
    if not verb and trust_method and tool.method:
        verb = _METHODS.get(tool.method, "")
    full, tail = _object(named, route, tool)
    writes = _writes(tool, verb, trust_method)
    if tail and (named.word, _preposition(named)) in _RELATIONS:
        verb = _RELATIONS[named.word, _preposition(named)]
    operator = _operator(verb, writes, tool, trust_method)
    target, states = _strip(full)
    status = _status(named.word or verb, tool.description) if writes else ""
    if operator is Operator.TRANSITION and not status:
        status = participle(named.word)
    if writes and named.word in lexicon()["made_by"] and (not target or verb == "watch"):
        target = full = tuple(lexicon()["made_by"][named.word].split())
    return Reading(tool, named.word, verb, operator, target, full, tail, status, states if writes else (), route)


def _named(tool: ToolSpec, route: Route) -> _Named:
    """The verb of the name, and the words on both sides of it."""
    parts = _without_prefix(tool)
    if not parts:
        return _Named("", (), ())
    strong, weak = word_set("strong"), word_set("nouns_first")
    told = _told_verb(tool.description)[0]
    sure = parts[0] not in weak or len(parts) == 1 or not any(p in strong for p in parts[1:])
    reads = parts[0] in weak and len(parts) > 1 and verb_of(told) in _READS and verb_of(parts[0]) not in _READS
    if verb_of(parts[0]) and not reads and (sure or told == parts[0]):
        return _split(parts, 0)
    places = [i for i, p in enumerate(parts) if p in strong]
    if places:
        return _split(parts, places[-1] if places[-1] == len(parts) - 1 else places[0])
    if route.action and verb_of(route.action[0]):
        return _Named(route.action[0], (), route.action[1:])
    last = parts[-1]
    if verb_of(last) and (last not in weak or last == told):
        return _split(parts, len(parts) - 1)
    middle = [i for i, p in enumerate(parts) if verb_of(p) and p not in weak]
    if middle:
        return _split(parts, middle[0])
    return _Named("", parts, ())


def _split(parts: Phrase, i: int) -> _Named:
    word, after = parts[i], parts[i + 1 :]
    if verb_of(word) == "batch" and after and verb_of(after[0]):
        return _split(parts, i + 1)
    return _Named(word, tuple(p for p in parts[:i] if p != "batch"), after)


def _without_prefix(tool: ToolSpec) -> Phrase:
    """The words of the name without its resources: `calendar_events_insert` -> insert, `list_events` as it is."""
    parts = phrase_of(tool.name)
    api = phrase_of(tool.api)
    starts = [parts, parts[len(api) :]] if parts[: len(api)] == api else [parts]
    for start in starts:
        rest = start
        for resource in tool.resources:
            words = phrase_of(resource)
            is_verb = len(words) == 1 and words[0] in word_set("strong")
            if words and not is_verb and rest[: len(words)] == words != rest:
                rest = rest[len(words) :]
        if len(rest) < len(start) and verb_of(rest[0]):
            return rest
    own = parts[len(api) :]
    named_so = parts[: len(api)] == api and any(verb_of(p) for p in api) and any(verb_of(p) for p in own)
    return own if named_so else parts


_LEAD_IN = re.compile(
    r"^\W*(?:deprecated\W+)?(?:(?:this|the) (?:\w+ )?(?:operation|api|endpoint|method|action|function|tool|call)"
    r"(?: call)?(?: is used| can be used| allows you| lets you)?(?: to)?|(?:use|call|send a request to) (?:this|the) "
    r"(?:\w+ )?(?:api|endpoint|operation|method|action|function)(?: call)? to|allows? (?:you|users?) to)\s+",
    re.I,
)


@lru_cache(maxsize=2**12)
def _told_verb(description: str) -> tuple[str, str]:
    """The verb that a description begins with, and the head of what it is about: «Adds two numbers.» -> add, number."""
    said = _LEAD_IN.sub("", description[:200])
    parts = re.findall(r"[a-z]+", said.lower())[:8]
    if not parts:
        return "", ""
    word = parts[0]
    forms = [word, *([word[:-1]] if word.endswith("s") else []), *([word[:-2]] if word.endswith("es") else [])]
    told: dict[str, str] = lexicon()["told"]
    found = next((told.get(form, form) for form in forms if form in told or verb_of(form)), "")
    return found, next((singular(p) for p in parts[1:4] if p not in word_set("articles")), "")


def _object(named: _Named, route: Route, tool: ToolSpec) -> tuple[Phrase, tuple[Phrase, ...]]:
    """The noun phrase that the tool is about, and those after prepositions."""
    after, tail = _cut(named.after)
    by_resource = named.word and tool.resources and len(_without_prefix(tool)) < len(phrase_of(tool.name))
    if by_resource:
        return noun(phrase_of(tool.resources[-1])), (after, *tail) if after else tail
    nouns = [s.noun for s in route.steps]
    if after and (not nouns or not _spells_route(after, nouns)):
        return noun(after), tail
    if nouns:
        return nouns[-1], tail
    before, _ = _cut(named.before)
    return noun(before), tail


def _spells_route(after: Phrase, nouns: list[Phrase]) -> bool:
    """Whether a name is only its route written out (`get_users_user_id_posts`): then the route reads better."""
    flat = [singular(w) for w in after]
    return "id" in flat and len(nouns) > 1 and all(n and all(singular(w) in flat for w in n) for n in nouns)


def _cut(phrase: Phrase) -> tuple[Phrase, tuple[Phrase, ...]]:
    """A phrase cut at its prepositions: (user, to, group) -> (user,), ((group,),)."""
    parts: list[list[str]] = [[]]
    for word in phrase:
        if word in word_set("prepositions"):
            parts.append([])
        elif word not in word_set("determiners"):
            parts[-1].append(word)
    return tuple(parts[0]), tuple(noun(tuple(p)) for p in parts[1:] if p)


def _preposition(named: _Named) -> str:
    return next((w for w in named.after if w in word_set("prepositions")), "")


def _strip(full: Phrase) -> tuple[Phrase, tuple[str, ...]]:
    """The noun without qualifiers, and the states that it named."""
    states = tuple(w for w in full[:-1] if w in word_set("states"))
    rest = [w for w in full if w not in word_set("qualifiers") and w not in states and not w.isdigit()]
    if rest:
        return noun(tuple(rest)), states
    kept = tuple(w for w in full if w in word_set("keep_if_known"))
    return noun(kept), states


def _writes(tool: ToolSpec, verb: str, trust_method: bool) -> bool:
    if trust_method:
        if tool.read_only is not None:
            return not tool.read_only
        if tool.method in ("GET", "HEAD"):
            return False
        if tool.method in ("PUT", "PATCH", "DELETE"):
            return True
    if verb in _READS:
        return False
    if verb:
        return True
    return bool(trust_method and tool.method == "POST")


def _operator(verb: str, writes: bool, tool: ToolSpec, trust_method: bool) -> Operator:
    if not writes:
        return _READS.get(verb, Operator.LOOKUP if verb else Operator.GET)
    if verb in lexicon()["transitions"]:
        return Operator.TRANSITION
    if verb in _WRITES:
        return _WRITES[verb]
    return {"DELETE": Operator.DELETE, "POST": Operator.CREATE}.get(
        tool.method if trust_method else "", Operator.UPDATE
    )


_SAID = re.compile(
    r"status (?:of [\w ]+ )?(?:will be|is|gets|becomes) (?:changed|set|updated)? ?(?:to )?['\"‘“]([\w ]+)['\"’”]"
)


def _status(word: str, description: str) -> str:
    said = _SAID.search(description)
    if said:
        return said.group(1)
    return str(lexicon()["transitions"].get(word, ""))


def participle(word: str) -> str:
    """The status that a verb leads to when the lexicon has no word for it: `flag` -> flagged."""
    if not word:
        return ""
    if word in lexicon()["participles"]:
        return str(lexicon()["participles"][word])
    return word + "d" if word.endswith("e") else word[:-1] + "ied" if word.endswith("y") else word + "ed"
