"""`rayscaler serve`: the pool on the screen, from its start to the signal that ends it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rayscaler.config import Config
from rayscaler.errors import StageError
from rayscaler.runtime.cluster import connected
from rayscaler.runtime.serving_app import serve_config
from rayscaler.runtime.serving_pool import address, device_of, pool, replicas, running
from rayscaler.serving import Replicas, ServedModel, Serving

LOOK_S = 2.0
"""Seconds between two looks at the replicas."""


def serve_until_told(config: Config, console: Console) -> None:
    """Serve a configuration's models until SIGINT or SIGTERM; the calls in flight then still get their answers."""
    told, serving = threading.Event(), config.resources.serving
    with connected(config.resources):
        if running(config.serve):
            raise StageError(f"this Ray cluster serves these models already, at {address(serving)}")
        console.print(models_table(config.serve, serving, device_of(serving)))
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # while the pool starts it ends as at Ctrl-C
        with pool(config.serve, serving) as base_url:
            console.print(answering(base_url))
            with _told_by_signals(told):
                _watch(config.serve, told, console)
                console.print("Draining.")


@contextmanager
def _told_by_signals(told: threading.Event) -> Iterator[None]:
    """Set `told` at SIGINT and SIGTERM instead of what they did before."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda *_: told.set())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(models: dict[str, ServedModel], told: threading.Event, console: Console) -> None:
    """Say what becomes of the replicas, whenever it changes."""
    seen: dict[str, dict[str, int]] = {}
    while not told.wait(LOOK_S):
        now = replicas(models)
        if now != seen:
            console.print(replicas_text(now))
        seen = now


def manifest_text(config: Config) -> str:
    """`serveConfigV2` of a RayService that serves the same, as YAML."""
    return yaml.safe_dump(serve_config(config.serve, config.resources.serving), sort_keys=False)


def models_table(models: dict[str, ServedModel], serving: Serving, device: str) -> Table:
    """One line per model: what it is and on how much it runs."""
    table = Table(box=None, header_style="bold")
    for title in ("model", "source", "context", "engines", "device", "adapters"):
        table.add_column(title)
    for name, model in models.items():
        replicas = serving.replicas(name)
        table.add_row(name, model.source, f"{model.max_model_len:,}", _engines(replicas), _device(replicas, device),
                      ", ".join(model.adapters) or "none")
    return table


def answering(base_url: str) -> Text:
    """Where the pool is, once it answers."""
    return Text.assemble("Answering at ", (base_url, "bold"), ". Ctrl-C drains it and ends.")


def replicas_text(states: dict[str, dict[str, int]]) -> Text:
    """How many engines of each model are in which state."""
    return Text("; ".join(
        f"{name}: " + (", ".join(f"{n} {state.lower()}" for state, n in sorted(found.items())) or "no engine")
        for name, found in states.items()
    ))


def _engines(replicas: Replicas) -> str:
    few, many = replicas.min_replicas, replicas.max_replicas
    return str(few) if few == many else f"{few} to {many}"


def _device(replicas: Replicas, device: str) -> str:
    if device == "cpu":
        return "CPU"
    return f"{replicas.tensor_parallel} x {replicas.accelerator or 'GPU'}"
