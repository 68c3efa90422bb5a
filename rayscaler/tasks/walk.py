"""Directed walks over the link graph of an environment's tools (paper section 2.2).

A link goes from a tool to a tool whose parameter its answer can feed. Links come from the `links` table and from the
bindings: an answer that holds rows of an entity feeds every parameter that names a row of it. A walk is a list of tool
names; the reads that find the first arguments are put before it when it is bound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.random import Generator

from rayscaler.environment import CompiledTool, EnvironmentSpec, Operator, Part
from rayscaler.tasks.columns import knowable, known_key, named_entity
from rayscaler.tasks.lexicon import load
from rayscaler.toolspec import words

IMPLIED = 0.6
"""Score of a link that only the bindings imply."""


class Link(NamedTuple):
    """The answer of `src` can feed a parameter of `dst`."""

    src: str
    dst: str
    score: float


@dataclass(frozen=True)
class ToolGraph:
    """The tools of an environment and what feeds what.

    needs: tool -> entities of which it must be given a row. shows: read tool -> entities whose rows its answer may
    hold. findable: entities of which an agent can find a row that is there (or that a person names by its key).
    """

    spec: EnvironmentSpec
    links: dict[str, tuple[Link, ...]]
    needs: dict[str, tuple[str, ...]]
    shows: dict[str, tuple[str, ...]]
    findable: frozenset[str]


def tool_graph(spec: EnvironmentSpec, links: list[dict[str, Any]]) -> ToolGraph:
    """The link graph of `spec`: rows of `links` that name its tools, and the links that its bindings imply."""
    names: dict[str, list[str]] = {}
    for tool in spec.tools:
        names.setdefault(tool.tool_id, []).append(tool.name)
    needs = {t.name: _needs(spec, t) for t in spec.tools}
    shows = {t.name: _shows(spec, t) for t in spec.tools}
    scores: dict[tuple[str, str], float] = {}
    for row in links:
        for src in names.get(row["src"], []):
            for dst in names.get(row["dst"], []):
                scores[src, dst] = max(scores.get((src, dst), 0.0), float(row["score"]))
    for src_tool in spec.tools:
        for dst_tool in spec.tools:
            if set(_feeds(src_tool, shows)) & set(_takes(spec, dst_tool)):
                key = (src_tool.name, dst_tool.name)
                scores[key] = max(scores.get(key, 0.0), IMPLIED)
    out: dict[str, tuple[Link, ...]] = {}
    for (src, dst), score in sorted(scores.items()):
        if src != dst:
            out[src] = (*out.get(src, ()), Link(src, dst, score))
    return ToolGraph(spec, out, needs, shows, _findable(spec, needs, shows))


def sample_walk(
    graph: ToolGraph, *, start: str, steps: int, write: bool, rng: Generator, after: Sequence[str] = ()
) -> list[str]:
    """A walk of at most `steps` tools from `start` along the links; empty if there is none.

    It stops at the step limit, or at a sink from which no tool before it leads on. With `write` its last tool writes;
    without, none does. A tool that needs a row that can neither be found nor is created on the way gets the tool that
    creates such rows put before it, where there is one. `after` are tools of earlier walks of the same task, which are
    not walked again.
    """
    before = len(after)
    walk = _reach(graph, start, list(after), write)
    while walk and len(walk) - before < steps:
        options = next((found for found in _onward(graph, walk, write) if found), [])
        if not options:
            break
        weights = [_weight(graph, link, walk, write) for link in options]
        total = sum(weights)
        chosen = options[int(rng.choice(len(options), p=[w / total for w in weights]))]
        walk = _reach(graph, chosen.dst, walk, write)
    while write and walk and not graph.spec.tool(walk[-1]).operator.writes:
        walk = walk[:-1]
    return walk[before:]


def for_machines(tool: CompiledTool) -> bool:
    """Whether programs call the tool rather than people ask for what it does: it watches, exports, hands out tokens."""
    return bool(set(words(tool.name)) & set(load("lexicon")["machine_tools"]))


def leads_on(graph: ToolGraph, start: str, *, write: bool) -> bool:
    """Whether a walk may begin with `start`; with `write`, whether one then comes to a tool that writes."""
    walk = _reach(graph, start, [], write)
    if not walk or not write or graph.spec.tool(start).operator.writes:
        return bool(walk)
    seen, queue = {start}, [start]
    while queue:
        for link in graph.links.get(queue.pop(), ()):
            if link.dst in seen or not _reach(graph, link.dst, walk, write):
                continue
            if graph.spec.tool(link.dst).operator.writes:
                return True
            seen.add(link.dst)
            queue.append(link.dst)
    return False


def next_start(graph: ToolGraph, after: Sequence[str], *, write: bool, rng: Generator) -> str | None:
    """Another goal of the same task: a tool to which the walks so far lead on, else any other; None if none is left."""
    options = [link.dst for link in next((found for found in _onward(graph, list(after), write) if found), [])]
    options = options or [t.name for t in graph.spec.tools if _may_follow(graph, t.name, list(after), write)]
    return options[int(rng.integers(len(options)))] if options else None


def _onward(graph: ToolGraph, walk: list[str], write: bool) -> Iterator[list[Link]]:
    """Links out of the last tool; at a sink, out of those before it; then out of the reads that find its rows."""
    rows = {e for name in walk for e in (graph.spec.tool(name).entity, *graph.needs[name])}
    finders = [name for name, shown in graph.shows.items() if rows & set(shown)]
    for sources in ([walk[-1]], walk, finders):
        links = {link.dst: link for name in sources for link in graph.links.get(name, ())}
        yield [link for link in links.values() if _may_follow(graph, link.dst, walk, write)]


def _reach(graph: ToolGraph, name: str, walk: list[str], write: bool) -> list[str]:
    """`walk` with `name` at its end, after the creators of rows that no tool finds; empty if nothing may write."""
    if not write and graph.spec.tool(name).operator.writes:
        return []
    reached = list(walk)
    for entity in graph.needs[name]:
        if entity in graph.findable or entity in _created(graph, reached):
            continue
        maker = _creator(graph, entity, reached)
        if maker is not None and write and maker != name:
            reached.append(maker)
    return [*reached, name]


def _may_follow(graph: ToolGraph, name: str, walk: list[str], write: bool) -> bool:
    if name in walk:
        return False
    tool = graph.spec.tool(name)
    before = [graph.spec.tool(n) for n in walk]
    gone = {t.entity for t in before if t.operator is Operator.DELETE and t.entity not in graph.findable}
    if gone & {tool.entity, *graph.needs[name]}:
        return False
    if any((t.operator, t.entity) == (tool.operator, tool.entity) for t in before) and not tool.operator.writes:
        return False
    return bool(_reach(graph, name, walk, write))


def _weight(graph: ToolGraph, link: Link, walk: list[str], write: bool) -> float:
    tool = graph.spec.tool(link.dst)
    before = [graph.spec.tool(n) for n in walk]
    weight = link.score
    if any(t.operator is tool.operator for t in before):
        weight *= 0.4
    if any(t.entity == tool.entity and t.operator.writes for t in before):
        weight *= 0.15 if not tool.operator.writes else 0.6
    if any((t.operator, t.entity) == (tool.operator, tool.entity) for t in before):
        weight *= 0.15
    if for_machines(tool):
        weight *= 0.02
    if write and tool.operator.writes:
        weight *= 2.0
    return weight


def _created(graph: ToolGraph, walk: list[str]) -> set[str]:
    return {t.entity for t in map(graph.spec.tool, walk) if t.operator is Operator.CREATE}


def _creator(graph: ToolGraph, entity: str, walk: list[str]) -> str | None:
    have = graph.findable | _created(graph, walk)
    for tool in graph.spec.tools:
        if tool.operator is Operator.CREATE and tool.entity == entity and set(graph.needs[tool.name]) <= have:
            return tool.name
    return None


def _takes(spec: EnvironmentSpec, tool: CompiledTool) -> tuple[str, ...]:
    """Entities of which some parameter names a row."""
    return tuple(dict.fromkeys(e for b in tool.bindings if (e := named_entity(spec, b)) is not None))


def _needs(spec: EnvironmentSpec, tool: CompiledTool) -> tuple[str, ...]:
    named = (named_entity(spec, b) for b in tool.bindings if b.required)
    return tuple(dict.fromkeys(e for e in named if e is not None))


def _shows(spec: EnvironmentSpec, tool: CompiledTool) -> tuple[str, ...]:
    """Its own entity, and every other table that the source of a read names."""
    if tool.operator.writes or tool.operator is Operator.LOOKUP:
        return ()
    named = re.findall(r"""db\.(?:get|find|search)\(\s*["'](\w+)["']""", tool.code)
    known = {e.name for e in spec.entities}
    return tuple(dict.fromkeys([tool.entity, *(n for n in named if n in known)]))


def _feeds(tool: CompiledTool, shows: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if tool.operator is Operator.DELETE:
        return ()
    return (tool.entity,) if tool.operator.writes else shows[tool.name]


def _findable(
    spec: EnvironmentSpec, needs: dict[str, tuple[str, ...]], shows: dict[str, tuple[str, ...]]
) -> frozenset[str]:
    found = {e.name for e in spec.entities if known_key(e)}
    grew = True
    while grew:
        grew = False
        for tool in spec.tools:
            given = all(n in found for n in needs[tool.name]) and _only_rows(spec, tool)
            new = {e for e in shows[tool.name] if given and e not in found}
            found |= new
            grew = grew or bool(new)
    return frozenset(found)


def _only_rows(spec: EnvironmentSpec, tool: CompiledTool) -> bool:
    """Whether every required parameter names a row, or something that a person knows of a row."""
    for binding in tool.bindings:
        schema = tool.parameters.get("properties", {}).get(binding.parameter, {})
        if not binding.required or named_entity(spec, binding) is not None or binding.part is Part.QUERY:
            continue
        if len(schema.get("enum") or ()) == 1:
            continue
        if not binding.entity or not binding.column:
            continue
        entity = spec.entity(binding.entity)
        if all(c.name != binding.column or not knowable(entity, c) for c in entity.columns):
            return False
    return True
