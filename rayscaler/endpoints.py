"""The endpoints inside recipes, wherever they stand: find them, and put others in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pydantic import BaseModel

from rayscaler.recipes import Endpoint

M = TypeVar("M", bound=BaseModel)

Change = Callable[[str, Endpoint], Endpoint]
"""From where an endpoint stands (`rollout.agent`) and the endpoint to the one in its place."""


def with_endpoints(recipe: M, change: Change, where: str = "") -> M:
    """`recipe` with each endpoint in it changed. What holds none stays as it is."""
    if isinstance(recipe, Endpoint):
        return change(where, recipe)  # type: ignore[return-value]
    values = {name: getattr(recipe, name) for name in type(recipe).model_fields}
    new = {name: _changed(value, change, f"{where}.{name}".lstrip(".")) for name, value in values.items()}
    update = {name: value for name, value in new.items() if value is not values[name]}
    return recipe.model_copy(update=update) if update else recipe


def _changed(value: Any, change: Change, where: str) -> Any:
    if isinstance(value, BaseModel):
        return with_endpoints(value, change, where)
    if isinstance(value, tuple):
        found = tuple(_changed(item, change, f"{where}.{place}") for place, item in enumerate(value))
        return value if all(a is b for a, b in zip(found, value, strict=True)) else found
    return value


def endpoints_of(recipe: BaseModel) -> Iterator[tuple[str, Endpoint]]:
    """Every endpoint in `recipe` with its place, in the order of the fields."""
    found: list[tuple[str, Endpoint]] = []

    def note(where: str, endpoint: Endpoint) -> Endpoint:
        found.append((where, endpoint))
        return endpoint

    with_endpoints(recipe, note)
    return iter(found)
