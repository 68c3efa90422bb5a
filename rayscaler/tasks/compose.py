"""Environment + links -> certified tasks, one attempt after the other."""

from __future__ import annotations

import logging
import traceback
from pathlib import PurePath
from typing import Any, NamedTuple

from rayscaler.canonical import digest, dumps
from rayscaler.changes import Changes
from rayscaler.environment import Environment, Operator
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import ComposeRecipe
from rayscaler.seeds import rng, seed_of
from rayscaler.task import Answer, GoldCall, Intent, Kind, Task
from rayscaler.tasks.answers import ask, prune
from rayscaler.tasks.bind import bind_walk
from rayscaler.tasks.distractors import count_distractors
from rayscaler.tasks.draft import Draft, Failed
from rayscaler.tasks.gold import certify
from rayscaler.tasks.intent import spoken_of, write_intent
from rayscaler.tasks.offered import Offered
from rayscaler.tasks.split import split_of
from rayscaler.tasks.walk import ToolGraph, for_machines, leads_on, next_start, sample_walk, tool_graph

log = logging.getLogger(__name__)

ATTEMPTS_PER_STATE = 4
"""Attempts that share a seeded state: making one costs as much as several attempts (80 ms for 13 tables)."""


WALKS = 6
"""Walks of one task, or as many as it may have calls if that is more: where the first ends early, the task goes on with
what it leads to."""


AGAIN = 3
"""Rounds of asking for the same of other rows, where a task is too short without; or as many as it may have calls."""


class Composed(NamedTuple):
    """The tasks of one environment, and one reason per attempt that gave none."""

    tasks: list[Task]
    rejects: list[Rejected]


def compose(
    environment: Environment, links: list[dict[str, Any]], recipe: ComposeRecipe, *, seed: int,
    offered: Offered | None = None,
) -> Composed:
    """Certified tasks of one environment: at most `recipe.tasks` from at most `recipe.attempts` attempts.

    links: rows of `links`; those that name no tool of the environment are passed over. Each attempt has its own
    randomness and a state seed from its number, so it gives the same task whatever the others did.
    offered: values for arguments that are tried before any is made up. Attempts = tasks + rejects.
    """
    spec = environment.spec
    graph = tool_graph(spec, links)
    tasks: list[Task] = []
    rejects: list[Rejected] = []
    seen: set[str] = set()
    for attempt in range(recipe.attempts):
        if len(tasks) >= recipe.tasks:
            break
        key = f"{spec.environment_id}/{attempt}"
        try:
            task = _attempt(environment, graph, recipe, seed=seed, attempt=attempt, offered=offered or {})
        except Failed as failure:
            rejects.append(Rejected(key, failure.reason, failure.detail))
            continue
        except Exception as error:  # one attempt of millions: the run goes on, and the defect is counted by its name
            log.exception("%s: compose failed", key)
            rejects.append(Rejected(key, Reason.DEFECT, _where(error)))
            continue
        calls = dumps([[c.tool, c.arguments] for c in task.gold])
        if calls in seen:
            rejects.append(Rejected(key, Reason.DUPLICATE_TASK, f"gold calls of an earlier task: {task.task_id}"))
            continue
        seen.add(calls)
        tasks.append(task)
    return Composed(tasks, rejects)


def _where(error: Exception) -> str:
    """The error with the line that raised it: `KeyError('x') in walk.py:31`."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{error!r:.200} in {PurePath(last.filename).name}:{last.lineno}"


def _attempt(
    environment: Environment, graph: ToolGraph, recipe: ComposeRecipe, *, seed: int, attempt: int, offered: Offered
) -> Task:
    spec = environment.spec
    random = rng(seed, "compose", spec.environment_id, attempt)
    state_seed = seed_of(seed, "state", spec.environment_id, attempt // ATTEMPTS_PER_STATE) % 2**31
    session = environment.start(state_seed)
    try:
        draft = Draft(spec, graph, session, random, recipe.max_calls, recipe.distractors, offered)
        _fill(draft, recipe)
        gold, changes = certify(environment, state_seed, draft.calls, draft.facts)
        intent = write_intent(draft)
        session.reset()
        n_distractors = count_distractors(draft, session, spoken_of(draft))
    finally:
        session.close()
    return _task(draft, recipe, state_seed=state_seed, gold=gold, changes=changes, intent=intent,
                 n_distractors=n_distractors)


def _fill(draft: Draft, recipe: ComposeRecipe) -> None:
    """Walk, bind, ask, prune. Raises Failed if what is left is no task of the wanted kind and length."""
    spec, random = draft.spec, draft.rng
    writers = [t for t in spec.tools if t.operator.writes]
    write = bool(writers) and (bool(random.random() < recipe.write_share) or len(writers) == len(spec.tools))
    starts = draft.shuffled([t.name for t in spec.tools if write or not t.operator.writes])
    if not starts:
        raise Failed(Reason.NO_WALK, "no tool reads")
    starts.sort(key=lambda name: for_machines(spec.tool(name)))
    start = next((s for s in starts if leads_on(draft.graph, s, write=write)), starts[0])
    failures = _walk_and_bind(draft, recipe, start, write)
    if not write or draft.chance(recipe.mixed_share):
        ask(draft, read_only=not write)
    prune(draft)
    writes = sum(spec.tool(c.tool).operator.writes for c in draft.calls)
    if failures and (not draft.calls or (write and not writes)):
        raise failures[-1]
    if write and not writes:
        raise Failed(Reason.NO_WALK, f"the walk from {start} does not come to a write")
    if not write and not draft.questions:
        raise Failed(Reason.NO_WALK, f"the walk from {start} ends in nothing that a person would ask for")
    if len(draft.calls) < recipe.min_calls:
        why = f"; {failures[-1].detail}" if failures else ""
        raise Failed(Reason.NO_WALK, f"{len(draft.calls)} calls from {start} of {recipe.min_calls} wanted{why}")


def _walk_and_bind(draft: Draft, recipe: ComposeRecipe, start: str, write: bool) -> list[Failed]:
    """Bind walks until there are enough calls: one from `start`, then from where it leads on. The steps that failed."""
    graph, random = draft.graph, draft.rng
    # Steps that cannot be bound and reads that nobody needs fall away, so short ones are asked for only rarely.
    enough = int(random.integers(recipe.min_calls, recipe.max_calls + 1, size=4).max())
    if not write:
        enough = recipe.max_calls
    failures: list[Failed] = []
    walked: list[str] = []
    goal: str | None = start
    for _ in range(max(WALKS, recipe.max_calls)):
        if goal is None or len(draft.calls) >= enough:
            break
        walk = sample_walk(graph, start=goal, steps=recipe.max_calls, write=write, rng=random, after=walked)
        if not walk and not walked:
            raise Failed(Reason.NO_WALK, f"no walk that {'ends in a write' if write else 'only reads'} from {start}")
        failures += bind_walk(draft, walk, enough=enough)
        walked += walk
        goal = next_start(graph, walked, write=write, rng=random)
    draft.only_new = True
    for _ in range(max(AGAIN, recipe.max_calls)):
        # The same once more for another row: somebody who compares two, or has two to change.
        before = len(draft.calls)
        again = [c.tool for c in draft.calls if c.goal and draft.spec.tool(c.tool).operator is not Operator.LOOKUP]
        failures += bind_walk(draft, draft.shuffled(list(dict.fromkeys(again))), enough=enough)
        if before == len(draft.calls) or len(draft.calls) >= recipe.min_calls:
            break
    return failures


def _task(
    draft: Draft, recipe: ComposeRecipe, *, state_seed: int, gold: tuple[GoldCall, ...], changes: Changes,
    intent: Intent, n_distractors: int,
) -> Task:
    environment_id = draft.spec.environment_id
    calls = [[c.tool, c.arguments] for c in gold]
    task_id = f"task-{digest({'environment': environment_id, 'seed': state_seed, 'calls': calls}, length=16)}"
    answers = tuple(Answer(call=q.call, path=q.path, value=q.value, text=q.text) for q in draft.questions)
    writes = any(c.writes for c in gold)
    kind: Kind = "mixed" if writes and answers else "write" if writes else "read"
    return Task(
        task_id=task_id, environment_id=environment_id, seed=state_seed,
        split=split_of(environment_id, task_id, recipe), kind=kind, intent=intent, gold=gold, gold_changes=changes,
        answers=answers, n_distractors=n_distractors,
    )
