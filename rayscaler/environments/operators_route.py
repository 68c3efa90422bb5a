"""What a route says: the nouns of its collections, the parameters that name their rows, and a trailing action.

/calendars/{calendarId}/events/{eventId}/move  ->  calendar/calendarId, event/eventId, action (move,)
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from rayscaler.environments.lexicon import Phrase, norm, noun, phrase_of, verb_of, word_set
from rayscaler.toolspec import ToolSpec

_SKIPPED = re.compile(r"^(v\d+\w*|api|apis|rest|me|@me|\d{4}-\d\d-\d\d|-|\.well-known)$", re.I)


class Step(NamedTuple):
    """One collection of a route; `parameter` names a row of it, or is empty. `own` is false for fixed scopes."""

    noun: Phrase
    parameter: str


class Route(NamedTuple):
    """The collections of a route, outermost first, and the action after them, if there is one."""

    steps: tuple[Step, ...] = ()
    action: Phrase = ()

    @property
    def parents(self) -> tuple[Step, ...]:
        """The steps above the last that name a row."""
        return tuple(s for s in self.steps[:-1] if s.parameter)


def route_of(tool: ToolSpec) -> Route:
    """The route of `tool`; empty where the path says nothing (`/`, RPC endpoints)."""
    path = tool.path.split("?")[0].split("#")[0]
    path, _, action = path.rpartition(":") if re.search(r":\w+$", path) else (path, "", "")
    given = {norm(p): p for p in tool.parameters.get("properties", {})}
    steps: list[Step] = []
    missing = 0
    for segment in (s for s in path.split("/") if s and not _SKIPPED.match(s)):
        names = re.findall(r"\{\+?([^}=*]+)", segment)
        if not names:
            steps.append(Step(noun(phrase_of(segment)), ""))
            continue
        parameter = given.get(norm(names[-1]), "")
        missing += not parameter
        if steps and not steps[-1].parameter:
            steps[-1] = steps[-1]._replace(parameter=parameter or "?")
        elif parameter:
            whole = path.rstrip("/").endswith(segment)
            steps.append(Step(_noun_of(parameter) if steps else _whole_name(tool, parameter, whole), parameter))
    steps = [s for s in steps if s.noun]
    action_words = phrase_of(action)
    if not action_words and steps and _is_action(steps[-1], len(steps), tool.method):
        action_words = phrase_of(_last_segment(path))
        steps.pop()
    if missing:
        steps = _resource_names(tool, steps)
    return Route(tuple(steps), action_words)


def _whole_name(tool: ToolSpec, parameter: str, last: bool) -> Phrase:
    """The noun of a parameter that is a whole resource name (`/v1/{parent}/connectors`): one of the resources."""
    nouns = [noun(phrase_of(r)) for r in tool.resources]
    if norm(parameter) not in ("name", "parent", "resource", "resourcename") or not nouns:
        return _noun_of(parameter)
    return nouns[-1] if last or len(nouns) == 1 else nouns[-2]


def _last_segment(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _noun_of(parameter: str) -> Phrase:
    parts = phrase_of(parameter)
    return noun(parts[:-1] if len(parts) > 1 and parts[-1] in word_set("key_suffixes") else parts)


@cache
def _starts_with_verb(phrase: Phrase) -> bool:
    return bool(phrase) and bool(verb_of(phrase[0]))


def _is_action(step: Step, depth: int, method: str) -> bool:
    """A last segment that begins with a verb is an action, unless a GET reads it (`/orders/{id}/comment`s)."""
    if step.parameter or not _starts_with_verb(step.noun) or method in ("", "DELETE"):
        return False
    if method == "GET":
        return len(step.noun) > 1 or step.noun[0] in ("search", "list", "query", "find", "get", "all")
    return depth > 1 or len(step.noun) > 1


def _resource_names(tool: ToolSpec, steps: list[Step]) -> list[Step]:
    """Routes whose parameters are no arguments (`projects/{projectsId}`): one path argument holds the whole name."""
    paths = [p for p, place in tool.locations.items() if place == "path"]
    whole = paths[0] if len(paths) == 1 else ""
    last = max((i for i, s in enumerate(steps) if s.parameter == "?"), default=-1)
    return [s._replace(parameter=whole if i == last else "") if s.parameter == "?" else s for i, s in enumerate(steps)]
