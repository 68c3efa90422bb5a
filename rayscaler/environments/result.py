"""What a tool returned, as plain JSON of usual size."""

from __future__ import annotations

from typing import Any

from rayscaler.environments.language_runtime import MAX_NESTING, BudgetExceeded

MAX_VALUES = 100_000
"""Most values in one answer, nested ones included."""
MAX_CHARACTERS = 2_000_000
"""Most characters in the texts of one answer."""


def plain(value: Any) -> Any:
    """A copy of `value` that shares nothing with the session; tuples become lists.

    Raises BudgetExceeded for an answer that is too large, TypeError for names in a JSON object that are no text.
    """
    room = [MAX_VALUES, MAX_CHARACTERS]
    copy = _copy(value, 0, room)
    if room[1] < 0:
        raise BudgetExceeded(f"the answer has more than {MAX_CHARACTERS} characters")
    return copy


_PLAIN = (int, float, bool, type(None))


def _copy(value: Any, depth: int, room: list[int]) -> Any:
    kind = type(value)
    if kind is not dict and kind is not list and kind is not tuple:
        room[1] -= len(value) if kind is str else 0
        return value
    room[0] -= len(value)
    if room[0] < 0 or room[1] < 0 or depth > MAX_NESTING:
        raise BudgetExceeded(f"the answer has more than {MAX_VALUES} values, {MAX_CHARACTERS} characters or "
                             f"{MAX_NESTING} levels")
    if kind is not dict:
        return [item if type(item) in _PLAIN else _copy(item, depth + 1, room) for item in value]
    copy = {}
    # One loop without a call per scalar: rows are most of what is returned.
    for key, item in value.items():
        if type(key) is not str:
            raise TypeError(f"the names in an answer must be text, found {type(key).__name__}")
        if type(item) is str:
            room[1] -= len(item)
            copy[key] = item
        else:
            copy[key] = item if type(item) in _PLAIN else _copy(item, depth + 1, room)
    return copy
