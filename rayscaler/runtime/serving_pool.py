"""The pool: every model of a configuration's `serve`, on Ray Serve, behind one address that speaks OpenAI's API.

    with pool(models, serving) as base_url:                   # needs Ray to be connected
        ...                                                   # http://127.0.0.1:8000/v1

Ray Serve starts the replicas, watches their health, replaces one that dies, adds and drains some between the bounds,
and spreads the calls. A call whose replica dies is answered with an error that passes; whoever made it makes it again
(`openai_chat`), and another replica answers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rayscaler.errors import StageError
from rayscaler.runtime.serving_address import check_reach, reached_at
from rayscaler.runtime.serving_app import Models, app_arguments, app_name
from rayscaler.runtime.serving_engine import Device, check_vllm
from rayscaler.runtime.serving_health import models_of, warm_up
from rayscaler.serving import Serving

log = logging.getLogger(__name__)

POLL_S = 0.5

TRIES = 3

END_S = 60.0
"""Longest wait for engines to end after the drain."""


@contextmanager
def pool(models: Models, serving: Serving) -> Iterator[str]:
    """The pool's address for the time of the block. One that serves these models already is used and left as it is."""
    if running(models):
        yield start(models, serving)
        return
    try:
        yield start(models, serving)
    finally:
        stop(models, serving)


def start(models: Models, serving: Serving) -> str:
    """Start the pool, or find it, and return its address once every model has answered a call.

    Raises EngineMissing without vLLM; ConfigError if workers of other machines could not reach it; StageError if Ray
    Serve cannot start it, if the cluster serves other models of ours, or if not every model answers within
    `serving.start_s` seconds.
    """
    from ray import serve
    from ray.serve.llm import build_openai_app

    check_vllm()
    check_reach(serving, "the pool")
    name, base_url, began = app_name(models), address(serving), time.monotonic()
    if not running(models):
        others = [found for found in serve.status().applications if found != name]
        if others:
            raise StageError(f"Ray Serve runs {', '.join(others)} on this cluster; end it (Ctrl-C in its `rayscaler "
                             "serve`), or serve these models there and name them with `base_url`")
        _start_serve(serving)
        app = build_openai_app(app_arguments(models, serving, device_of(serving)))
        serve.run_many([serve.RunTarget(app, name, "/")], wait_for_applications_running=False)
        log.info("the pool starts: %s", ", ".join(models))
    _wait(name, serving.start_s)
    if not models_of(base_url):
        raise StageError(f"the pool runs, but nobody answers at {base_url}: was Ray Serve started before with another "
                         "host or port? Set resources.serving.host, port or url to where it listens")
    for model in models:
        warm_up(base_url, model, timeout_s=serving.start_s)
    log.info("the pool answers at %s after %.0f s", base_url, time.monotonic() - began)
    return base_url


def stop(models: Models, serving: Serving) -> None:
    """Drain the pool: no call is taken any more, those in flight are waited for (`drain_s`), then the replicas end.
    Ends Ray Serve too if nothing else runs on it. Engines that have not ended a minute later are told in the log."""
    from ray import serve

    if running(models):
        log.info("the pool drains")
        serve.delete(app_name(models), _blocking=False)  # blocking gives up after 60 s, whatever the drain may take
        deadline = time.monotonic() + serving.drain_s + END_S
        while running(models) and time.monotonic() < deadline:
            time.sleep(POLL_S)
        if running(models):
            log.warning("the pool has not ended %.0f s after it was asked to, and what is left holds its GPUs: %s; "
                        "`serve shutdown` ends it", serving.drain_s + END_S, replicas(models))
    if not [name for name in serve.status().applications if name != app_name(models)]:
        serve.shutdown()  # type: ignore[no-untyped-call]


def running(models: Models) -> bool:
    """Whether this Ray cluster serves, or is about to serve, just these models."""
    from ray import serve

    return app_name(models) in serve.status().applications


def replicas(models: Models) -> dict[str, dict[str, int]]:
    """Per model how many replicas are in which state (`RUNNING`, `STARTING`, `STOPPING` …)."""
    from ray import serve

    found = serve.status().applications.get(app_name(models))
    parts: dict[str, Any] = {part.partition(":")[2]: one for part, one in found.deployments.items()} if found else {}
    named = {name: parts.get(name.replace(".", "_")) for name in models}  # as Ray Serve spells them
    return {name: {str(k): n for k, n in one.replica_states.items()} if one else {} for name, one in named.items()}


def device_of(serving: Serving) -> Device:
    """What the engines run on. StageError if GPUs are asked for and the cluster has none and may not grow."""
    import ray

    if serving.device != "auto":
        return serving.device
    return "gpu" if ray.cluster_resources().get("GPU", 0) else "cpu"  # type: ignore[no-untyped-call]


def address(serving: Serving) -> str:
    """Where workers reach the pool."""
    if serving.url:
        return serving.url
    return f"http://{reached_at(serving.host)}:{serving.port}/v1"


def _start_serve(serving: Serving) -> None:
    """Ray Serve without an application. Its proxy may be too slow on a busy machine, and is then started again."""
    import ray
    from ray import serve

    for attempt in range(TRIES):
        try:
            serve.start(http_options={"host": serving.host, "port": serving.port})
            return
        except (ray.exceptions.RayError, TimeoutError) as error:
            log.warning("Ray Serve's proxy did not start: %s", str(error).splitlines()[0])
            if attempt + 1 == TRIES:
                raise StageError(f"Ray Serve's proxy did not start in {TRIES} attempts: {error}") from error


def _wait(name: str, start_s: float) -> None:
    """Until all replicas are there."""
    from ray import serve

    deadline = time.monotonic() + start_s
    while True:
        found: Any = serve.status().applications.get(name)
        state = str(found.status.value) if found else "NOT_STARTED"
        if state == "RUNNING":
            return
        if state == "DEPLOY_FAILED":
            raise StageError(f"Ray Serve could not start the pool: {_told(found)}")
        if time.monotonic() > deadline:
            raise StageError(f"the pool did not answer within {start_s:.0f} s, it is {state}: {_told(found)}")
        time.sleep(POLL_S)


def _told(found: Any) -> str:
    """What Ray Serve says of an application and its parts, the last lines of each."""
    said = [found.message, *(one.message for one in found.deployments.values())] if found else []
    return "; ".join(text.strip()[-600:] for text in dict.fromkeys(said) if text.strip()) or "Ray Serve gives no reason"
