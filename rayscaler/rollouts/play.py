"""One conversation from start to end, recorded: task and environment in, trajectory out.

Deterministic with the scripted sides: same (task, recipe, trial, seed), same bytes. Nothing that goes wrong here
raises: a chat or an environment that breaks gives a trajectory with `ErrorType.INFRASTRUCTURE`.

One coroutine drives every conversation. It waits only where a chat waits: with the scripted sides it runs from start to
end at once, without an event loop; with models, one loop has a thousand of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

from numpy.random import Generator

from rayscaler import seeds
from rayscaler.canonical import digest
from rayscaler.changes import Changes
from rayscaler.environment import Environment, EnvironmentSpec, Session, ToolErrorKind
from rayscaler.errors import EnvironmentSpecError
from rayscaler.messages import ToolCall
from rayscaler.recipes import Endpoint, RolloutRecipe
from rayscaler.rollouts.chat import Chat, ModelCall, Reply, Sampling, Side
from rayscaler.rollouts.conduct import user_fault
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
from rayscaler.rollouts.views import agent_prompt, agent_view, user_prompt, user_view
from rayscaler.task import Task
from rayscaler.trajectory import ErrorType, Step, StopReason, Trajectory

T = TypeVar("T")

MakeChat = Callable[[Endpoint], Chat]
"""Makes the model's side of one conversation."""

MAX_DETAIL = 500
"""Longest description of a failure, in characters."""

MAX_SEED = 2**31
"""Servers take the seed of a reply as a 32-bit integer."""


class Cast(NamedTuple):
    """Who plays. `planted` names the mistake that the agent was told to make, if any."""

    agent: Chat
    user: Chat
    planted: str = ""
    agent_sampling: Sampling = Sampling()
    user_sampling: Sampling = Sampling()


class Talk(NamedTuple):
    """A conversation that has ended: its last state, the calls that were run, the net changes, the models' replies."""

    dialogue: Dialogue
    steps: tuple[Step, ...]
    changes: Changes
    model_calls: tuple[ModelCall, ...] = ()


class Recorded(NamedTuple):
    """A trajectory, and what the replies of its models took."""

    trajectory: Trajectory
    model_calls: tuple[ModelCall, ...]


def play(task: Task, environment: Environment, recipe: RolloutRecipe, *, trial: int, seed: int) -> Trajectory:
    """The conversation number `trial` of `task` between the scripted sides. `seed` is the run's seed.

    Raises EnvironmentSpecError if `task` belongs to another environment, ValueError if a model plays a side; everything
    else is data.
    """
    return at_once(play_with(_no_model, task, environment, recipe, trial=trial, seed=seed)).trajectory


async def play_with(
    make_chat: MakeChat, task: Task, environment: Environment, recipe: RolloutRecipe, *, trial: int, seed: int
) -> Recorded:
    """The same, where `make_chat` makes the sides that models play."""
    spec = environment.spec
    if task.environment_id != spec.environment_id:
        raise EnvironmentSpecError(
            f"task {task.task_id} is of {task.environment_id}, the environment is {spec.environment_id}"
        )
    own_seed = seeds.seed_of(seed, "rollout", task.task_id, trial)
    state = begin(agent_prompt(spec), Limits(recipe.max_turns, recipe.max_calls, recipe.max_retries))
    planted = ""
    try:
        session = environment.start(task.seed)
    except Exception as error:  # the boundary to the environment: what breaks there is recorded, whatever it is
        return _recorded(task, recipe, (trial, own_seed), _broken(state, error), planted)
    try:
        cast = make_cast(Setting(task, spec, session, recipe), own_seed, make_chat)
        planted = cast.planted
        talk = await converse(state, task, spec, session, cast)
    except Exception as error:  # a rehearsal that breaks the session
        talk = _broken(state, error)
    finally:
        session.close()
    if isinstance(recipe.user, Endpoint):
        talk = talk._replace(dialogue=_with_user_fault(talk, task, spec))
    return _recorded(task, recipe, (trial, own_seed), talk, planted)


def unplayed(task: Task, recipe: RolloutRecipe, error: Exception, *, trial: int, seed: int) -> Recorded:
    """The record of a conversation that did not begin, or could not be recorded, because of `error`."""
    limits = Limits(recipe.max_turns, recipe.max_calls, recipe.max_retries)
    own_seed = seeds.seed_of(seed, "rollout", task.task_id, trial)
    return _recorded(task, recipe, (trial, own_seed), _broken(Dialogue(messages=(), limits=limits), error), "")


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits. Raises RuntimeError if it does."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a scripted conversation waited for something")


class Setting(NamedTuple):
    """What a conversation is about and how it is played."""

    task: Task
    spec: EnvironmentSpec
    session: Session
    recipe: RolloutRecipe


def make_cast(setting: Setting, seed: int, make_chat: MakeChat) -> Cast:
    """The sides that the recipe asks for. Mistakes are rehearsed on the session, which is left as it started."""
    recipe = setting.recipe
    agent_rng, user_rng = seeds.generator(seed).spawn(2)
    agent, planted = _agent(setting, agent_rng, make_chat)
    user = make_chat(recipe.user) if isinstance(recipe.user, Endpoint) else ScriptedUser(setting.task.intent, user_rng)
    return Cast(agent, user, planted, _sampling(recipe.agent, seed, "agent"), _sampling(recipe.user, seed, "user"))


def _agent(setting: Setting, rng: Generator, make_chat: MakeChat) -> tuple[Chat, str]:
    """The agent, and the mistake that it was told to make."""
    task, spec, session, recipe = setting
    if isinstance(recipe.agent, Endpoint):
        return make_chat(recipe.agent), ""
    faulty = rng.random() < recipe.agent.error_rate
    script = plant(task, spec, session, rng) if faulty else gold_script(task)
    return ScriptedAgent(task, spec, script, rng, terse=recipe.agent.terse), script.planted


def _no_model(endpoint: Endpoint) -> Chat:
    raise ValueError(f"{endpoint.model} plays a side: a model needs an event loop, see play_with")


def _sampling(recipe: Any, seed: int, side: Side) -> Sampling:
    if not isinstance(recipe, Endpoint):
        return Sampling()
    drawn = seeds.seed_of(seed, side) % MAX_SEED
    return Sampling(recipe.temperature, recipe.top_p, recipe.max_tokens, drawn)


@dataclass(slots=True)
class _Stage:
    """What a conversation needs beside its state, and what was recorded of it so far."""

    cast: Cast
    session: Session
    prompt: str
    tools: list[dict[str, Any]]
    steps: list[Step]
    model_calls: list[ModelCall]


async def converse(state: Dialogue, task: Task, spec: EnvironmentSpec, session: Session, cast: Cast) -> Talk:
    """Drive `state` to its end. A chat or a session that raises ends it as data; what was said and done stays."""
    stage = _Stage(cast, session, user_prompt(task.intent), spec.offered, [], [])
    while state.need is not Need.NOTHING:
        try:
            event = await _next_event(state, stage)
        except Exception as error:  # the boundary to chats and environment: what breaks there is recorded
            event = Failed(_broken_side(state), f"{state.need}: {_described(error)}")
        state = advance(state, event)
    try:
        changes = session.changes()
    except Exception as error:
        state = replace(state, error_type=ErrorType.INFRASTRUCTURE, error_detail=_described(error))
        changes = ()
    return Talk(state, tuple(stage.steps), changes, tuple(stage.model_calls))


def answer_calls(session: Session, calls: Sequence[ToolCall]) -> Iterator[Step]:
    """Run `calls` in order; one step each. A call that fails is answered with its error and changes nothing."""
    for call in calls:
        result = session.call(call.name, call.arguments)
        error = result.error.kind.value if result.error else ""
        yield Step(call=call, response=result.to_json(), error=error, changes=result.changes)


async def _next_event(state: Dialogue, stage: _Stage) -> Event:
    """Fetch what `state` needs. Steps that were run are in `stage.steps` even if a later one breaks."""
    cast = stage.cast
    if state.need is Need.USER:
        sampling = _next_sampling(cast.user_sampling, stage)
        reply = await cast.user.reply(user_view(state.messages, stage.prompt), [], sampling)
        return UserSaid(_noted(stage, "user", sampling, reply))
    if state.need is Need.AGENT:
        sampling = _next_sampling(cast.agent_sampling, stage)
        reply = await cast.agent.reply(agent_view(state.messages, state.unread), stage.tools, sampling)
        return AgentSaid(_noted(stage, "agent", sampling, reply))
    before = len(stage.steps)
    for step in answer_calls(stage.session, state.pending):
        stage.steps.append(step)
    return ToolsAnswered(tuple(step.response for step in stage.steps[before:]))


def _next_sampling(sampling: Sampling, stage: _Stage) -> Sampling:
    """Each reply has a seed of its own: with one for all, a model that failed once would fail the same way again."""
    return sampling._replace(seed=(sampling.seed + len(stage.model_calls)) % MAX_SEED)


def _noted(stage: _Stage, side: Side, sampling: Sampling, reply: Reply) -> Reply:
    if reply.usage is not None:
        stage.model_calls.append(ModelCall(side, sampling, reply.usage, reply.malformed))
    return reply


def _broken_side(state: Dialogue) -> StopReason:
    return StopReason.ENVIRONMENT_FAILED if state.need is Need.TOOLS else StopReason.CHAT_FAILED


def _broken(state: Dialogue, error: Exception) -> Talk:
    return Talk(advance(state, Failed(StopReason.ENVIRONMENT_FAILED, _described(error))), (), ())


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:MAX_DETAIL]


def _with_user_fault(talk: Talk, task: Task, spec: EnvironmentSpec) -> Dialogue:
    """The dialogue, its failure put down to the user if the user broke its role."""
    dialogue = talk.dialogue
    if dialogue.error_type in (ErrorType.INFRASTRUCTURE, ErrorType.USER):
        return dialogue
    found = user_fault(dialogue.messages, talk.changes, dialogue.stop_reason, task=task, spec=spec)
    if found is None:
        return dialogue
    return replace(dialogue, error_type=ErrorType.USER, error_detail=f"{found.fault}: {found.detail}"[:MAX_DETAIL])


def _recorded(task: Task, recipe: RolloutRecipe, which: tuple[int, int], talk: Talk, planted: str) -> Recorded:
    dialogue, (trial, seed) = talk.dialogue, which
    error_type, detail = dialogue.error_type, dialogue.error_detail
    broken = next((step for step in talk.steps if step.error == ToolErrorKind.INTERNAL), None)
    if error_type is ErrorType.NONE and broken is not None:
        error_type, detail = ErrorType.TOOL, f"{broken.call.name}: internal error"
    assert dialogue.stop_reason is not None
    trajectory = Trajectory(
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
        agent=_name(recipe.agent),
        user=_name(recipe.user),
        seed=seed,
        planted=planted,
    )
    return Recorded(trajectory, talk.model_calls)


def _name(side: Any) -> str:
    return side.model if isinstance(side, Endpoint) else str(side.kind)


def trajectory_id(task: Task, recipe: RolloutRecipe, trial: int) -> str:
    """16 hexadecimal digits that name the conversation: its task, its trial, and who the two sides are."""
    sides = {"agent": recipe.agent.identity(), "user": recipe.user.identity()}
    return digest({"task": task.task_id, "trial": trial, **sides}, length=16)
