"""Whether a server of models answers, and the first call that makes it ready."""

from __future__ import annotations

import time
from typing import Any

import httpx2

from rayscaler.errors import StageError

CALL_S = 300.0
"""Longest wait for the first call of a model: it compiles what later calls use."""

A_TOOL = {"type": "function", "function": {"name": "wait", "description": "Wait.", "parameters": {
    "type": "object", "properties": {"seconds": {"type": "integer"}}, "required": ["seconds"]}}}


def is_healthy(base_url: str, *, timeout_s: float = 2.0) -> bool:
    """Whether the server behind `base_url` (`http://HOST:PORT/v1`) says that its engine is alive."""
    try:
        return bool(httpx2.get(f"{base_url.removesuffix('/v1')}/health", timeout=timeout_s).status_code == 200)
    except httpx2.TransportError:
        return False


def models_of(base_url: str, *, timeout_s: float = 5.0) -> list[str]:
    """The names of the models that a server lists; empty if none answers there."""
    try:
        answer = httpx2.get(f"{base_url}/models", timeout=timeout_s)
        return sorted(model["id"] for model in answer.json()["data"]) if answer.status_code == 200 else []
    except (httpx2.TransportError, ValueError, KeyError, TypeError):
        return []


def warm_up(base_url: str, model: str, *, timeout_s: float = CALL_S) -> float:
    """One token from `model`, with a tool in the prompt, so that template, tokenizer and engine have all run once.

    Returns the seconds it took. Raises StageError if there is no answer.
    """
    body: dict[str, Any] = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "hello"}],
                            "tools": [A_TOOL]}
    began = time.monotonic()
    try:
        answer = httpx2.post(f"{base_url}/chat/completions", json=body, timeout=timeout_s)
    except httpx2.TransportError as error:
        raise StageError(f"{base_url}: {model} did not answer its first call: {error!r}") from error
    if answer.status_code != 200:
        raise StageError(f"{base_url}: {model} refused its first call: status {answer.status_code}: "
                         f"{answer.text[:300]}")
    return time.monotonic() - began
