"""Looking into a decoded document whose every value may be of the wrong type."""

from __future__ import annotations

from typing import Any


def mapping(value: Any, *keys: str) -> dict[str, Any]:
    """The object at `keys` inside `value`; empty where it is missing or no object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def listing(value: Any, key: str = "") -> list[Any]:
    """The list `value`, or at `key` of it; empty where it is missing or no list."""
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, list) else []


def text(value: Any, key: str = "") -> str:
    """The text `value`, or at `key` of it; numbers as they are spelled, empty for anything else."""
    if key:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else ""
