"""First filter: the conversation is whole, and nobody talks in circles.

Asked in this order: the infrastructure held; the user's side did not fail; every reply could be read; the user ended
it; roles follow each other as they must and each tool message answers a call, with what
the environment answered; no words and no calls go in circles.

Not covered: whether what is said is polite, or true (the task's answers: `told`); whether a simulated user kept to its
facts (an `ErrorType.USER` that was recorded is seen, one that was not is not).
"""

from __future__ import annotations

from collections import Counter

from rayscaler.canonical import dumps
from rayscaler.filters.repetition import repeated_words
from rayscaler.messages import STOP, Message
from rayscaler.recipes import FilterRecipe
from rayscaler.trajectory import ErrorType, FilterStage, StopReason, Trajectory, Verdict, VerdictReason

_STOPS_OF_MACHINERY = (StopReason.CHAT_FAILED, StopReason.ENVIRONMENT_FAILED)


def invalid(trajectory: Trajectory, recipe: FilterRecipe) -> Verdict | None:
    """Why the trajectory is no valid conversation, or None if it is one."""
    return (
        _not_ended(trajectory)
        or _misplaced(trajectory)
        or _unanswered(trajectory)
        or _forged(trajectory)
        or _in_circles(trajectory, recipe)
    )


def _not_ended(trajectory: Trajectory) -> Verdict | None:
    detail = trajectory.error_detail or f"ended by {trajectory.stop_reason}"
    if trajectory.error_type is ErrorType.INFRASTRUCTURE or trajectory.stop_reason in _STOPS_OF_MACHINERY:
        return _drop(VerdictReason.INFRASTRUCTURE, detail)
    if trajectory.error_type is ErrorType.USER:
        return _drop(VerdictReason.USER_ERROR, detail)
    if trajectory.stop_reason is StopReason.MALFORMED_REPLY:
        return _drop(VerdictReason.MALFORMED_CALL, detail)
    last = trajectory.messages[-1] if trajectory.messages else None
    if trajectory.stop_reason is not StopReason.USER_STOP or last is None or last.role != "user":
        return _drop(VerdictReason.NOT_ENDED_BY_USER, detail)
    if STOP not in last.content:
        return _drop(VerdictReason.NOT_ENDED_BY_USER, f"the last message lacks {STOP}")
    return None


def _misplaced(trajectory: Trajectory) -> Verdict | None:
    """The first message whose role may not stand where it stands.

    Allowed: system, user, then assistant after user; tool messages for the calls of an assistant message, in their
    order and all of them, then assistant; user after an assistant message without calls.
    """
    expected, open_calls = "system", list[str]()
    for number, message in enumerate(trajectory.messages):
        if message.role != expected:
            return _drop(VerdictReason.ROLES_OUT_OF_ORDER, f"message {number}: {message.role} where {expected} must be")
        if message.role == "tool":
            if message.tool_call_id != open_calls.pop(0):
                detail = f"message {number} answers {message.tool_call_id!r}, which is not the next open call"
                return _drop(VerdictReason.ROLES_OUT_OF_ORDER, detail)
        elif message.role == "assistant":
            open_calls = [call.id for call in message.tool_calls]
        expected = _next_role(message, open_calls)
    return None


def _next_role(message: Message, open_calls: list[str]) -> str:
    if open_calls:
        return "tool"
    if message.role == "system" or (message.role == "assistant" and not message.tool_calls):
        return "user"
    return "assistant"


def _unanswered(trajectory: Trajectory) -> Verdict | None:
    """Calls that are not well formed, or that differ from the steps that were run."""
    calls = [call for message in trajectory.messages for call in message.tool_calls]
    if len({call.id for call in calls}) != len(calls):
        return _drop(VerdictReason.MALFORMED_CALL, "two calls share one id")
    for number, message in enumerate(trajectory.messages):
        if message.role == "assistant" and not message.tool_calls and not message.content.strip():
            return _drop(VerdictReason.MALFORMED_CALL, f"message {number} has neither words nor calls")
    if any(not call.name for call in calls):
        return _drop(VerdictReason.MALFORMED_CALL, "a call names no tool")
    if calls != [step.call for step in trajectory.steps]:
        return _drop(VerdictReason.MALFORMED_CALL, f"{len(calls)} calls, {len(trajectory.steps)} steps, not the same")
    return None


def _forged(trajectory: Trajectory) -> Verdict | None:
    """The first tool message that is not what the environment answered: the step's response as canonical JSON."""
    answers = ((i, m) for i, m in enumerate(trajectory.messages) if m.role == "tool")
    for (number, message), step in zip(answers, trajectory.steps, strict=True):
        expected = (step.call.id, step.call.name, dumps(step.response))
        found = (message.tool_call_id, message.name, message.content)
        if found != expected:
            which = next(i for i in range(3) if found[i] != expected[i])
            detail = f"message {number}: {expected[which][:200]} was answered, found {found[which][:200]}"
            return _drop(VerdictReason.FORGED_RESPONSE, detail)
    return None


def _in_circles(trajectory: Trajectory, recipe: FilterRecipe) -> Verdict | None:
    spoken = [f"{m.reasoning}\n{m.content}" if m.reasoning else m.content
              for m in trajectory.messages if m.role == "assistant"]
    quoted = [m.content for m in trajectory.messages if m.role in ("tool", "user")]
    found = repeated_words(spoken, quoted, n=recipe.ngram, max_repeats=recipe.max_repeats)
    if found:
        return _drop(VerdictReason.REPETITION, f"said more than {recipe.max_repeats} times: {found}")
    if len(trajectory.steps) <= recipe.max_repeats:
        return None
    counts = Counter(dumps([step.call.name, step.call.arguments, step.response]) for step in trajectory.steps)
    call, times = counts.most_common(1)[0]
    if times > recipe.max_repeats:
        return _drop(VerdictReason.REPETITION, f"called {times} times with the same result: {call[:300]}")
    return None


def _drop(reason: VerdictReason, detail: str) -> Verdict:
    return Verdict(kept=False, stage=FilterStage.VALIDITY, reason=reason, detail=detail)
