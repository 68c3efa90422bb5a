"""The user's own words: an opening, facts said and unsaid, and the scenario for a user that a model plays.

Checked before a task leaves: each said fact stands in the opening, no two values share a text, no generated key is
anywhere in it.
"""

from __future__ import annotations

import re
from collections import Counter

from rayscaler.environment import Semantic
from rayscaler.reasons import Reason
from rayscaler.task import Fact, Intent
from rayscaler.tasks.columns import is_person, machine_made
from rayscaler.tasks.draft import Draft, Failed, Known, RowName
from rayscaler.tasks.lexicon import load
from rayscaler.tasks.phrases import Speech, detail, goal, joined
from rayscaler.tasks.wording import nouns

UNSAID = 0.2
"""Chance that a new value or the name of the row is told only when asked."""


MAX_UNSAID = 2
"""New values at most that are kept back; more would read like a form."""


def write_intent(draft: Draft) -> Intent:
    """The intent of a bound and pruned draft. Raises Failed(AMBIGUOUS) if its check fails."""
    used = _used(draft)
    me = _self(draft)
    scope = _scope(draft, used)
    speech = Speech(draft, me=me, hidden=_hidden(draft, used, me) - set(scope), scope=frozenset(scope))
    goals = _goals(speech)
    style_name = speech.pick(sorted(load("grammar")["styles"]))
    style = load("grammar")["styles"][style_name]
    opening = _opening(speech, style, goals, me)
    facts = tuple(
        Fact(name=k.name, value=k.value, text=k.text, said=k.name not in speech.hidden and k.text in opening)
        for k in used
    )
    _check(draft, opening, facts, speech.hidden)
    persona = style["persona"] + speech.pick(load("grammar")["moods"])
    return Intent(opening=opening, facts=facts, persona=persona, instructions=_instructions(draft, persona, facts, me))


def _used(draft: Draft) -> list[Known]:
    """The facts that the calls left in the draft rest on: their arguments, and what points at their rows."""
    names = [s.fact for c in draft.calls for s in c.sources.values() if s.kind == "fact"]
    names += [f for row in spoken_of(draft) for f in draft.mentions[row].facts]
    return [draft.facts[n] for n in dict.fromkeys(names)]


def spoken_of(draft: Draft) -> list[RowName]:
    """The rows that the user points at: those that calls name or questions are about, and what those are in."""
    rows = [r for c in draft.calls for r in c.rows.values()]
    rows += [c.target for c in draft.calls if c.target is not None and draft.spec.tool(c.tool).operator.writes]
    rows += [q.target for q in draft.questions if q.target is not None]
    seen: list[RowName] = []
    while rows:
        row = rows.pop(0)
        mention = draft.mentions.get(row)
        if row not in seen and mention is not None:
            seen.append(row)
            rows += mention.parents
    return seen


def _scope(draft: Draft, used: list[Known]) -> list[str]:
    """Facts that are about no wish in particular: what several calls need, or one that only looks something up."""
    pointing = {f for row in spoken_of(draft) for f in draft.mentions[row].facts}
    calls = [{s.fact for s in c.sources.values() if s.kind == "fact"} for c in draft.calls]
    detailed = {f for c in draft.calls for f in c.details.values()}
    shared = {k.name for k in used if k.row is None and sum(k.name in facts for facts in calls) > 1}
    return [k.name for k in used if k.name not in pointing and (k.name in shared or k.name not in detailed)]


def _self(draft: Draft) -> RowName | None:
    """The row that is the user in person: a customer, guest, patient … through whom the other rows were found."""
    for name, mention in draft.mentions.items():
        entity = draft.spec.entity(name.entity)
        if mention.kind != "facts" or not mention.facts or not is_person(entity):
            continue
        others = [n for n in draft.mentions if n.entity == name.entity]
        if len(others) == 1 and any(c.goal for c in draft.calls):
            return name
    return None


def _hidden(draft: Draft, used: list[Known], me: RowName | None) -> frozenset[str]:
    """Facts that are told when asked: some new values, at most one row's name; never all facts."""
    values = {f for c in draft.calls for f in c.details.values()}
    # Of two values with one name (two new titles) none is kept back: nobody could tell which one is asked for.
    called = Counter(re.sub(r"_\d+$", "", k.name) for k in used)
    hidden = [k.name for k in used
              if k.name in values and called[re.sub(r"_\d+$", "", k.name)] == 1
              and k.column.semantic is not Semantic.BOOLEAN and not machine_made(k.column) and draft.chance(UNSAID)]
    del hidden[MAX_UNSAID:]
    subjects = [c.target for c in draft.calls if c.goal and c.target is not None and c.target != me]
    told = [m for n in dict.fromkeys(subjects) if (m := draft.mentions.get(n)) is not None and m.kind == "facts"]
    if told and draft.chance(UNSAID / 2):
        hidden += told[int(draft.rng.integers(len(told)))].facts
    return frozenset(hidden if len(set(hidden)) < max(2, len(used)) else hidden[:1])


def _goals(speech: Speech) -> list[str]:
    goals = []
    for index, call in enumerate(speech.draft.calls):
        questions = [q for q in speech.draft.questions if q.call == index]
        if speech.draft.spec.tool(call.tool).operator.writes or questions:
            goals.append(goal(speech, call, questions))
    return goals


def _opening(speech: Speech, style: dict[str, list[str]], goals: list[str], me: RowName | None) -> str:
    sentences, draft = [], speech.draft
    used: list[str] = []
    for i, text in enumerate(goals):
        place = "first" if i == 0 else "last" if i == len(goals) - 1 else "next"
        fresh = [frame for frame in style[place] if frame not in used[-2:]]
        used.append(speech.pick(fresh))
        sentences.append(used[-1].format(goal=text, Goal=text[:1].upper() + text[1:]))
    if me is not None:
        sentences.insert(0, _myself(speech, me))
    if speech.scope:
        needed = [detail(draft.facts[f]) for f in draft.facts if f in speech.scope]
        sentences.append(speech.pick(load("grammar")["scope"]).format(what=joined(needed)))
    sentences.insert(0, speech.pick(style["greet"]))
    if speech.unsaid:
        sentences.append(speech.pick(load("grammar")["unsaid"]).format(words=joined(speech.unsaid)))
    sentences.append(speech.pick(style["close"]))
    return " ".join(s for s in sentences if s)


def _myself(speech: Speech, me: RowName) -> str:
    grammar = load("grammar")
    parts = []
    for known in speech.known(speech.draft.mentions[me].facts):
        if known.name in speech.hidden:
            continue
        if known.column.semantic is Semantic.PERSON:
            parts.append(speech.pick(grammar["self"]).format(name=known.text))
        elif known.column.semantic is Semantic.EMAIL:
            parts.append(speech.pick(grammar["self_email"]).format(email=known.text))
        else:
            parts.append(f"My {known.words} is {known.text}.")
    if not parts:
        parts.append(speech.pick(grammar["self_hidden"]).format(plural=nouns(speech.draft.spec.entity(me.entity))))
    return " ".join(parts)


def _check(draft: Draft, opening: str, facts: tuple[Fact, ...], hidden: frozenset[str]) -> None:
    pointing = {f for m in draft.mentions.values() for f in m.facts} | {f for c in draft.calls if c.goal for f in
                c.details.values()}
    for fact in facts:
        if fact.name in pointing and not fact.said and fact.name not in hidden:
            raise Failed(Reason.AMBIGUOUS, f"the user's words leave out {fact.name}")
    texts: dict[str, object] = {}
    for fact in facts:
        if fact.text in texts and texts[fact.text] != fact.value:
            raise Failed(Reason.AMBIGUOUS, f"two values are both said as {fact.text!r}")
        texts[fact.text] = fact.value
    keys = [str(r.key) for c in draft.calls for r in [*c.rows.values(), c.target] if r is not None
            and draft.spec.entity(r.entity).column(draft.spec.entity(r.entity).key).generated]
    brought = {str(f.value) for f in facts}
    for key in keys:
        if len(key) > 3 and key not in brought and key in opening:
            raise Failed(Reason.AMBIGUOUS, "a generated key is in the user's words")


def _instructions(draft: Draft, persona: str, facts: tuple[Fact, ...], me: RowName | None) -> str:
    speech = Speech(draft, me=me)
    goals = " ".join(f"({i}) {text}." for i, text in enumerate(_goals(speech), start=1))
    listed = "; ".join(f"{f.name.replace('_', ' ')}: {f.text}" for f in facts) or "nothing else"
    who = _myself(speech, me) if me is not None else ""
    who = who.replace("My ", "Your ").replace("I'm ", "You are ") + " " if who else ""
    return str(load("grammar")["instructions"]).format(persona=persona, who=who, goals=goals, facts=f"{listed}.")

