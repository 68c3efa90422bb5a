"""First filter: the conversation is whole, and nobody talks in circles.

Asked in this order: the infrastructure held; the user's side did not fail; every reply could be read; the user ended
it; roles follow each other as they must and each tool message answers a call, with what
the environment answered; no words and no calls go in circles.

Not covered: whether what is said is polite, or true (the task's answers: `told`); whether a simulated user kept to its
facts (an `ErrorType.USER` that was recorded is seen, one that was not is not).
"""

from __future__ import annotations

from collections import Counter

from rayscaler.filters.recorded import Played, RecordedMessage, RecordedStep, canonical
from rayscaler.filters.repetition import repeated_words
from rayscaler.messages import STOP
from rayscaler.recipes import FilterRecipe
from rayscaler.trajectory import ErrorType, FilterStage, StopReason, Verdict, VerdictReason

_STOPS_OF_MACHINERY = (StopReason.CHAT_FAILED, StopReason.ENVIRONMENT_FAILED)


def invalid(played: Played, recipe: FilterRecipe) -> Verdict | None:
    """Why the trajectory is no valid conversation, or None if it is one."""
    return (
        _not_ended(played)
        or _misplaced(played)
        or _unanswered(played)
        or _forged(played)
        or _in_circles(played, recipe)
    )


def _not_ended(played: Played) -> Verdict | None:
    detail = played.error_detail or f"ended by {played.stop_reason}"
    if played.error_type is ErrorType.INFRASTRUCTURE or played.stop_reason in _STOPS_OF_MACHINERY:
        return _drop(VerdictReason.INFRASTRUCTURE, detail)
    if played.error_type is ErrorType.USER:
        return _drop(VerdictReason.USER_ERROR, detail)
    if played.stop_reason is StopReason.MALFORMED_REPLY:
        return _drop(VerdictReason.MALFORMED_CALL, detail)
    last = played.messages[-1] if played.messages else None
    if played.stop_reason is not StopReason.USER_STOP or last is None or last.role != "user":
        return _drop(VerdictReason.NOT_ENDED_BY_USER, detail)
    if STOP not in last.content:
        return _drop(VerdictReason.NOT_ENDED_BY_USER, f"the last message lacks {STOP}")
    return None


def _misplaced(played: Played) -> Verdict | None:
    """The first message whose role may not stand where it stands.

    Allowed: system, user, then assistant after user; tool messages for the calls of an assistant message, in their
    order and all of them, then assistant; user after an assistant message without calls.
    """
    expected, open_calls = "system", list[str]()
    for number, message in enumerate(played.messages):
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


def _next_role(message: RecordedMessage, open_calls: list[str]) -> str:
    if open_calls:
        return "tool"
    if message.role == "system" or (message.role == "assistant" and not message.tool_calls):
        return "user"
    return "assistant"


def _unanswered(played: Played) -> Verdict | None:
    """Calls that are not well formed, or that differ from the steps that were run."""
    calls = [call for message in played.messages for call in message.tool_calls]
    if len({call.id for call in calls}) != len(calls):
        return _drop(VerdictReason.MALFORMED_CALL, "two calls share one id")
    for number, message in enumerate(played.messages):
        if message.role == "assistant" and not message.tool_calls and not message.content.strip():
            return _drop(VerdictReason.MALFORMED_CALL, f"message {number} has neither words nor calls")
    if any(not call.name for call in calls):
        return _drop(VerdictReason.MALFORMED_CALL, "a call names no tool")
    steps = played.steps
    if len(calls) != len(steps) or not all(c.same_as(s.call) for c, s in zip(calls, steps, strict=True)):
        return _drop(VerdictReason.MALFORMED_CALL, f"{len(calls)} calls, {len(steps)} steps, not the same")
    return None


def _forged(played: Played) -> Verdict | None:
    """The first tool message that is not what the environment answered: the step's response as canonical JSON."""
    answers = ((i, m) for i, m in enumerate(played.messages) if m.role == "tool")
    for (number, message), step in zip(answers, played.steps, strict=True):
        if message.tool_call_id != step.call.id:
            return _other(number, step.call.id, message.tool_call_id)
        if message.name != step.call.name:
            return _other(number, step.call.name, message.name)
        if message.content.encode() != bytes(step.response) and message.content != canonical(step.response):
            return _other(number, canonical(step.response), message.content)
    return None


def _other(number: int, expected: str, found: str) -> Verdict:
    detail = f"message {number}: {expected[:200]} was answered, found {found[:200]}"
    return _drop(VerdictReason.FORGED_RESPONSE, detail)


def _in_circles(played: Played, recipe: FilterRecipe) -> Verdict | None:
    spoken = [f"{m.reasoning}\n{m.content}" if m.reasoning else m.content
              for m in played.messages if m.role == "assistant"]
    quoted = [m.content for m in played.messages if m.role in ("tool", "user")]
    found = repeated_words(spoken, quoted, n=recipe.ngram, max_repeats=recipe.max_repeats)
    if found:
        return _drop(VerdictReason.REPETITION, f"said more than {recipe.max_repeats} times: {found}")
    most = recipe.max_same_calls
    if len(played.steps) <= most or max(Counter(step.call.name for step in played.steps).values()) <= most:
        return None
    call, times = Counter(map(_made, played.steps)).most_common(1)[0]
    if times > most:
        shown = " ".join(part.decode() for part in call)[:300]
        return _drop(VerdictReason.REPETITION, f"called {times} times with the same result: {shown}")
    return None


def _made(step: RecordedStep) -> tuple[bytes, bytes, bytes]:
    return step.call.name.encode(), bytes(step.call.arguments), bytes(step.response)


def _drop(reason: VerdictReason, detail: str) -> Verdict:
    return Verdict(kept=False, stage=FilterStage.VALIDITY, reason=reason, detail=detail)
