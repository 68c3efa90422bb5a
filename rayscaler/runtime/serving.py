"""Endpoints without an address: the pool is there for the time of a stage that asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rayscaler.endpoints import endpoints_of, with_endpoints
from rayscaler.recipes import Endpoint, Recipe
from rayscaler.resources import Resources
from rayscaler.runtime.serving_app import Models


class Ready(NamedTuple):
    """A stage's recipe whose endpoints all have addresses, and what is left of the cluster for its workers."""

    recipe: Recipe
    resources: Resources


def asks_the_pool(recipe: Recipe) -> bool:
    """Whether an endpoint of the recipe is a model of `serve`."""
    return any(not endpoint.base_url for _, endpoint in endpoints_of(recipe))


@contextmanager
def ready(recipe: Recipe, resources: Resources, models: Models) -> Iterator[Ready]:
    """The recipe with the pool's address where an endpoint has none. The pool is started for the block, or found.

    Workers of the stage leave the logical CPUs alone that the pool's engines have reserved.
    """
    if not asks_the_pool(recipe):
        yield Ready(recipe, resources)
        return
    from rayscaler.runtime.serving_pool import pool

    with pool(models, resources.serving) as base_url:

        def reach(_: str, endpoint: Endpoint) -> Endpoint:
            return endpoint if endpoint.base_url else endpoint.model_copy(update={"base_url": base_url})

        yield Ready(with_endpoints(recipe, reach), _beside_the_pool(resources))


def _beside_the_pool(resources: Resources) -> Resources:
    """Fewer workers where the engines took CPUs: one more than fit would wait for ever."""
    import ray

    if resources.grow_to_cpus:
        return resources
    free = int(ray.available_resources().get("CPU", 1) / resources.worker_cpus)  # type: ignore[no-untyped-call]
    most = max(1, free - 1)
    return resources.model_copy(update={"workers": min(resources.workers or most, most)})
