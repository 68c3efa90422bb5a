"""What models answered, kept by the content of what was asked: the same question is paid for once.

One small file per reply, `answers/<first two digits>/<key>.json`, in the run or wherever `resources.answers` says. The
key is a digest of model, sampling, messages and schema; a file is whole or absent, so workers need no lock, and a stage
that was killed finds what was answered before.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from rayscaler.canonical import digest
from rayscaler.errors import TableNotFound
from rayscaler.messages import Message
from rayscaler.recipes import Refine
from rayscaler.runtime.store import Store

FOLDER = "answers"

DRAWN_WITH = ("model", "served", "temperature", "top_p", "max_tokens", "options", "guided")
"""Knobs of an endpoint on which a reply depends."""


class Heard(NamedTuple):
    """One reply of a model. `malformed` says why it is no whole text, where it is none."""

    text: str
    malformed: str
    prompt_tokens: int
    completion_tokens: int

    def cost(self, endpoint: Refine) -> float:
        """By the endpoint's prices, in their currency."""
        spent = self.prompt_tokens * endpoint.prompt_price + self.completion_tokens * endpoint.completion_price
        return spent / 1e6


class Answers:
    """The replies that are kept in one place."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, key: str) -> Heard | None:
        """The reply to the request with this key, if there was one."""
        try:
            return Heard(**json.loads(self._store.read_bytes(*_path(key))))
        except (TableNotFound, ValueError, TypeError):  # not there, or of another version of rayscaler
            return None

    def keep(self, key: str, heard: Heard) -> None:
        """Write one reply."""
        self._store.write_bytes(json.dumps(heard._asdict()).encode(), *_path(key))


def key_of(endpoint: Refine, messages: list[Message], schema: object, number: int) -> str:
    """What a request is known by: everything that the reply depends on, and not where the server is.

    number: which attempt it is. A model that makes the same mistake twice is asked the same twice, and must be free to
    answer otherwise.
    """
    asked = {name: value for name, value in endpoint.identity().items() if name in DRAWN_WITH}
    return digest([asked, [message.to_openai() for message in messages], schema, number])


def _path(key: str) -> tuple[str, str, str]:
    return FOLDER, key[:2], f"{key}.json"
