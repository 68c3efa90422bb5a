"""A trajectory: one conversation of user, agent and environment, and what became of it (paper section 3.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rayscaler.changes import Changes
from rayscaler.messages import Message, ToolCall

_FROZEN = ConfigDict(frozen=True, extra="forbid")


class StopReason(StrEnum):
    """What ended the conversation."""

    USER_STOP = "user_stop"
    TURNS_DONE = "turns_done"
    """Every turn of a scripted user was answered (evaluation only)."""
    TOOL_STOP = "tool_stop"
    """A tool was called that ends the conversation, such as a transfer to a person (evaluation only)."""
    MAX_TURNS = "max_turns"
    MAX_CALLS = "max_calls"
    MAX_ERRORS = "max_errors"
    """As many calls were answered with an error as the benchmark allows (evaluation only)."""
    MALFORMED_REPLY = "malformed_reply"
    CHAT_FAILED = "chat_failed"
    ENVIRONMENT_FAILED = "environment_failed"


class ErrorType(StrEnum):
    """Whose failure it was, if it was one."""

    NONE = "none"
    AGENT = "agent"
    USER = "user"
    TOOL = "tool"
    INFRASTRUCTURE = "infrastructure"


class UserFault(StrEnum):
    """What a simulated user did wrong that a model plays; `error_detail` begins with it (`rollouts.conduct`)."""

    LEAKED_PLAN = "leaked_plan"
    INVENTED_FACT = "invented_fact"
    TOLD_EVERYTHING = "told_everything"
    STOPPED_EARLY = "stopped_early"
    DID_NOT_STOP = "did_not_stop"
    PLAYED_AGENT = "played_agent"


class Step(BaseModel):
    """One tool call of the agent, the environment's answer, and the rows that it changed."""

    model_config = _FROZEN

    call: ToolCall
    response: Any
    error: str = Field("", description="A ToolErrorKind, or empty.")
    changes: Changes = ()


class Trajectory(BaseModel):
    """One recorded conversation.

    `agent` and `user` are `scripted` or the name of the model; `seed` is the conversation's own, from which all its
    draws come; `planted` names the mistake that the scripted agent was told to make, if any. What a model's replies
    took (tokens, seconds, money) is in the table `model_calls`, because it is never the same twice.
    """

    model_config = _FROZEN

    trajectory_id: str
    task_id: str
    environment_id: str
    trial: int
    messages: tuple[Message, ...]
    steps: tuple[Step, ...]
    changes: Changes
    stop_reason: StopReason
    error_type: ErrorType = ErrorType.NONE
    error_detail: str = ""
    agent: str = ""
    user: str = ""
    seed: int = 0
    planted: str = ""


class FilterStage(StrEnum):
    """The paper's three filters, in its order (section 3.1); then `answer`, which is ours."""

    VALIDITY = "validity"
    STATE = "state"
    EXACT_MATCH = "exact_match"
    ANSWER = "answer"


class VerdictReason(StrEnum):
    """Why a trajectory is kept or not."""

    KEPT = "kept"
    NOT_ENDED_BY_USER = "not_ended_by_user"
    ROLES_OUT_OF_ORDER = "roles_out_of_order"
    MALFORMED_CALL = "malformed_call"
    FORGED_RESPONSE = "forged_response"
    REPETITION = "repetition"
    INFRASTRUCTURE = "infrastructure"
    USER_ERROR = "user_error"
    MISSING_CHANGE = "missing_change"
    EXTRA_CHANGE = "extra_change"
    DIFFERENT_CHANGE = "different_change"
    MISSING_CALL = "missing_call"
    EXTRA_CALL = "extra_call"
    DIFFERENT_ARGUMENTS = "different_arguments"
    DIFFERENT_ORDER = "different_order"
    ANSWER_MISSING = "answer_missing"


class Verdict(BaseModel):
    """The fate of one trajectory: kept, or dropped by `stage` for `reason`; `detail` shows the rows or the calls."""

    model_config = _FROZEN

    kept: bool
    stage: FilterStage | None
    reason: VerdictReason
    detail: str = ""
