"""One conversation from start to end, recorded: task and environment in, trajectory out.

Deterministic with the scripted sides: same (task, recipe, trial, seed), same bytes. Nothing that goes wrong here
raises: a chat or an environment that breaks gives a trajectory with `ErrorType.INFRASTRUCTURE`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from numpy.random import Generator

from rayscaler import seeds
from rayscaler.canonical import digest
from rayscaler.changes import Changes
from rayscaler.environment import Environment, EnvironmentSpec, Session, ToolErrorKind
from rayscaler.errors import EnvironmentSpecError
from rayscaler.messages import ToolCall
from rayscaler.recipes import RolloutRecipe
from rayscaler.rollouts.chat import Chat, Sampling
from rayscaler.rollouts.dialogue import (
    AgentSaid,
    Dialogue,
    Event,
    Failed,
    Limits,
    Need,
    ToolsAnswered,
    UserSaid,
    advance,
    begin,
)
from rayscaler.rollouts.mistakes import plant
from rayscaler.rollouts.script import gold_script
from rayscaler.rollouts.scripted import ScriptedAgent, ScriptedUser
from rayscaler.rollouts.views import agent_prompt, user_prompt, user_view
from rayscaler.task import Task
from rayscaler.trajectory import ErrorType, Step, StopReason, Trajectory

MAX_DETAIL = 500
"""Longest description of a failure, in characters."""


class Cast(NamedTuple):
    """Who plays. `planted` names the mistake that the agent was told to make, if any."""

    agent: Chat
    user: Chat
    planted: str = ""
    sampling: Sampling = Sampling()


class Talk(NamedTuple):
    """A conversation that has ended: its last state, the calls that were run, and the net changes of the session."""

    dialogue: Dialogue
    steps: tuple[Step, ...]
    changes: Changes


def play(task: Task, environment: Environment, recipe: RolloutRecipe, *, trial: int, seed: int) -> Trajectory:
    """The conversation number `trial` of `task` in `environment`. `seed` is the run's seed.

    Raises EnvironmentSpecError if `task` belongs to another environment; everything else is data.
    """
    spec = environment.spec
    if task.environment_id != spec.environment_id:
        raise EnvironmentSpecError(
            f"task {task.task_id} is of {task.environment_id}, the environment is {spec.environment_id}"
        )
    rng = seeds.rng(seed, "rollout", task.task_id, trial)
    state = begin(agent_prompt(spec), Limits(recipe.max_turns, recipe.max_calls))
    try:
        session = environment.start(task.seed)
    except Exception as error:  # the boundary to the environment: what breaks there is recorded, whatever it is
        return _trajectory(task, recipe, trial, _broken(state, error), planted="")
    try:
        cast = scripted_cast(task, spec, session, recipe, rng)
        return _trajectory(task, recipe, trial, converse(state, task, spec, session, cast), planted=cast.planted)
    except Exception as error:  # a rehearsal that breaks the session
        return _trajectory(task, recipe, trial, _broken(state, error), planted="")
    finally:
        session.close()


def scripted_cast(
    task: Task, spec: EnvironmentSpec, session: Session, recipe: RolloutRecipe, rng: Generator
) -> Cast:
    """The scripted sides that `recipe` asks for. Mistakes are rehearsed on `session`, which is left as it started."""
    agent_rng, user_rng = rng.spawn(2)
    faulty = agent_rng.random() < recipe.agent.error_rate
    script = plant(task, spec, session, agent_rng) if faulty else gold_script(task)
    agent = ScriptedAgent(task, spec, script, agent_rng)
    return Cast(agent, ScriptedUser(task.intent, user_rng), planted=script.planted)


def converse(state: Dialogue, task: Task, spec: EnvironmentSpec, session: Session, cast: Cast) -> Talk:
    """Drive `state` to its end. A chat or a session that raises ends it as data; what was said and done stays."""
    steps: list[Step] = []
    tools = [tool.to_openai() for tool in spec.tools]
    prompt = user_prompt(task.intent)
    while state.need is not Need.NOTHING:
        try:
            event = _next_event(state, cast, session, prompt=prompt, tools=tools, steps=steps)
        except Exception as error:  # the boundary to chats and environment: what breaks there is recorded
            event = Failed(_broken_side(state), f"{state.need}: {_described(error)}")
        state = advance(state, event)
    try:
        changes = session.changes()
    except Exception as error:
        state = replace(state, error_type=ErrorType.INFRASTRUCTURE, error_detail=_described(error))
        return Talk(state, tuple(steps), ())
    return Talk(state, tuple(steps), changes)


def answer_calls(session: Session, calls: Sequence[ToolCall]) -> Iterator[Step]:
    """Run `calls` in order; one step each. A call that fails is answered with its error and changes nothing."""
    for call in calls:
        result = session.call(call.name, call.arguments)
        error = result.error.kind.value if result.error else ""
        yield Step(call=call, response=result.to_json(), error=error, changes=result.changes)


def _next_event(
    state: Dialogue, cast: Cast, session: Session, *, prompt: str, tools: list[dict[str, Any]], steps: list[Step]
) -> Event:
    """Fetch what `state` needs. Steps that were run are in `steps` even if a later one breaks."""
    if state.need is Need.USER:
        return UserSaid(cast.user.reply(user_view(state.messages, prompt), [], cast.sampling))
    if state.need is Need.AGENT:
        return AgentSaid(cast.agent.reply(state.messages, tools, cast.sampling))
    before = len(steps)
    for step in answer_calls(session, state.pending):
        steps.append(step)
    return ToolsAnswered(tuple(step.response for step in steps[before:]))


def _broken_side(state: Dialogue) -> StopReason:
    return StopReason.ENVIRONMENT_FAILED if state.need is Need.TOOLS else StopReason.CHAT_FAILED


def _broken(state: Dialogue, error: Exception) -> Talk:
    return Talk(advance(state, Failed(StopReason.ENVIRONMENT_FAILED, _described(error))), (), ())


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_DETAIL]


def _trajectory(task: Task, recipe: RolloutRecipe, trial: int, talk: Talk, *, planted: str) -> Trajectory:
    dialogue = talk.dialogue
    error_type, detail = dialogue.error_type, dialogue.error_detail
    broken = next((step for step in talk.steps if step.error == ToolErrorKind.INTERNAL), None)
    if error_type is ErrorType.NONE and broken is not None:
        error_type, detail = ErrorType.TOOL, f"{broken.call.name}: internal error"
    assert dialogue.stop_reason is not None
    return Trajectory(
        trajectory_id=trajectory_id(task, recipe, trial),
        task_id=task.task_id,
        environment_id=task.environment_id,
        trial=trial,
        messages=dialogue.messages,
        steps=talk.steps,
        changes=talk.changes,
        stop_reason=dialogue.stop_reason,
        error_type=error_type,
        error_detail=detail,
        agent=recipe.agent.kind,
        user=recipe.user.kind,
        planted=planted,
    )


def trajectory_id(task: Task, recipe: RolloutRecipe, trial: int) -> str:
    """16 hexadecimal digits that name the conversation: its task, its trial, and who the two sides are."""
    return digest({"task": task.task_id, "trial": trial, "agent": recipe.agent, "user": recipe.user}, length=16)
