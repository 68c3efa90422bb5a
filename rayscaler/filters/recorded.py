"""What the filters read of a trajectory and of a task, straight from their stored JSON.

A row of `trajectories` is some 20 KB of JSON, most of it answers of tools; building every object of it takes longer
than judging it. So what the filters only compare (arguments, answers, row changes) stays text here: rows are stored in
canonical JSON (`rayscaler.canonical`), where equal values have equal bytes. Where the bytes differ, the values are
decoded and compared again, so text in another spelling costs time and changes no verdict. What is read is checked by
type, as in the models that wrote it; fields of those that no filter looks at are skipped.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder, decode

from rayscaler.canonical import dumps
from rayscaler.errors import TableError
from rayscaler.task import Task
from rayscaler.trajectory import ErrorType, StopReason, Trajectory


class RecordedCall(Struct, frozen=True, gc=False):
    """A `messages.ToolCall`; `arguments` is JSON text."""

    id: str
    name: str
    arguments: Raw

    def same_as(self, other: RecordedCall) -> bool:
        """Whether id, tool and arguments are equal."""
        return self.id == other.id and self.name == other.name and same_json(self.arguments, other.arguments)


class RecordedMessage(Struct, frozen=True, gc=False):
    """A `messages.Message`."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[RecordedCall, ...] = ()
    tool_call_id: str = ""
    name: str = ""


class RecordedStep(Struct, frozen=True, gc=False):
    """A `trajectory.Step`; `response` is JSON text."""

    call: RecordedCall
    response: Raw
    error: str = ""


class RecordedChange(Struct, frozen=True, gc=False):
    """A `changes.RowChange`."""

    table: str
    op: Literal["insert", "update", "delete"]
    key: dict[str, str | int | float | None]
    before: dict[str, str | int | float | None] | None = None
    after: dict[str, str | int | float | None] | None = None


class Played(Struct, frozen=True, gc=False):
    """A `trajectory.Trajectory`; `changes` is JSON text."""

    trajectory_id: str
    task_id: str
    environment_id: str
    messages: tuple[RecordedMessage, ...]
    steps: tuple[RecordedStep, ...]
    changes: Raw
    stop_reason: StopReason
    error_type: ErrorType = ErrorType.NONE
    error_detail: str = ""
    planted: str = ""


class WantedCall(Struct, frozen=True, gc=False):
    """A `task.GoldCall`; `arguments` is JSON text."""

    tool: str
    arguments: Raw
    writes: bool


class WantedAnswer(Struct, frozen=True, gc=False):
    """A `task.Answer`."""

    call: int
    path: tuple[str | int, ...]
    value: Any
    text: str


class Wanted(Struct, frozen=True, gc=False):
    """A `task.Task`; `gold_changes` is JSON text."""

    task_id: str
    gold: tuple[WantedCall, ...]
    gold_changes: Raw
    answers: tuple[WantedAnswer, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether any gold call changes the database."""
        return any(call.writes for call in self.gold)


T = TypeVar("T")

_PLAYED, _WANTED, _CHANGES = Decoder(Played), Decoder(Wanted), Decoder(tuple[RecordedChange, ...])


def read_played(trajectory: Trajectory | str) -> Played:
    """A trajectory, or its stored JSON. TableError if the text is no trajectory."""
    return _read(_PLAYED, trajectory, "trajectories.trajectory")


def read_wanted(task: Task | str) -> Wanted:
    """A task, or its stored JSON. TableError if the text is no task."""
    return _read(_WANTED, task, "tasks.task")


def read_changes(text: Raw) -> tuple[RecordedChange, ...]:
    """The changes of a trajectory or a task. TableError if the text is none."""
    try:
        return _CHANGES.decode(text)
    except DecodeError as error:
        raise TableError(f"changes: expected the JSON that rayscaler writes there: {error}") from error


def same_json(one: Raw, other: Raw) -> bool:
    """Whether two JSON texts say the same value."""
    return one == other or canonical(one) == canonical(other)


def canonical(text: Raw) -> str:
    """A JSON text in its canonical spelling."""
    return dumps(value_of(text))


def value_of(text: Raw) -> Any:
    """The value of a JSON text."""
    return decode(text)


def _read(decoder: Decoder[T], row: Trajectory | Task | str, column: str) -> T:
    try:
        return decoder.decode(row if isinstance(row, str) else dumps(row))
    except DecodeError as error:
        raise TableError(f"{column}: expected the JSON that rayscaler writes there: {error}") from error
