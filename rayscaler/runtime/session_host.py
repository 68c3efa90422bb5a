"""The side of a host that lives in an actor: sessions of many environments, each call done once.

A session is a function of (environment, seed, calls). So a host keeps nothing that cannot be made again: who owns a
session knows its calls, numbers its requests, and sends the calls so far to a host that does not hold the session (any
more). The host answers a request that it has already done from its notes, so that a delivery that is repeated changes
nothing twice.

    Request("s17", "shop", seed=4, life=0, number=2, before=3, calls=(("cancel_order", {...}),))
    Reply(results=(CallResult(...),), value=None)
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from rayscaler.environment import CallResult
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.session import SqliteSession

Call = tuple[str, dict[str, Any]]
"""A tool's name and its arguments."""
LOOKS = ("changes", "digest", "rows", "snapshot")
"""What can be asked of a session without calling a tool."""


class Environments(Protocol):
    """Where a host finds an environment by its id: a dict, or `Hosts` over a table. Must pickle."""

    def __getitem__(self, environment_id: str, /) -> HostedEnvironment:
        """The environment with this id."""
        ...


class Request(NamedTuple):
    """Calls for one session, in order.

    life: how often the session was reset. number: of this request in its session. before: calls done in this life so
    far; `history` repeats them where the host must make the session again, else it is None.
    look: a method of the session and its arguments, asked after the calls.
    """

    session: str
    environment_id: str
    seed: int
    life: int
    number: int
    before: int
    calls: tuple[Call, ...] = ()
    history: tuple[Call, ...] | None = None
    look: tuple[Any, ...] = ()


class Reply(NamedTuple):
    """One result per call, and what was looked at. `lost` if the host needs the session's history first.

    failure: what went wrong in the host itself; nothing of the request counts then.
    """

    results: tuple[CallResult, ...] = ()
    value: Any = None
    lost: bool = False
    failure: Exception | None = None


class _Held:
    """A session and how far it has come."""

    __slots__ = ("done", "life", "number", "reply", "session")

    def __init__(self, session: SqliteSession, life: int) -> None:
        self.session, self.life = session, life
        self.done, self.number = 0, -1
        self.reply = Reply()


class SessionHost:
    """Hosts sessions of many environments in one process."""

    def __init__(self, environments: Environments) -> None:
        self._environments = environments
        self._held: dict[str, _Held] = {}

    def run(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer each request; what fails in one session leaves the others alone."""
        return [self._answer(request) for request in requests]

    def close(self, sessions: Sequence[str]) -> None:
        """Forget these sessions; one that is not here is no error."""
        for name in sessions:
            held = self._held.pop(name, None)
            if held is not None:
                held.session.close()

    def pid(self) -> int:
        """The process of this host."""
        return os.getpid()

    def cpu_s(self) -> float:
        """Seconds of CPU time that this host has used."""
        return time.process_time()

    def n_sessions(self) -> int:
        """How many sessions live here."""
        return len(self._held)

    def _answer(self, request: Request) -> Reply:
        held = self._held.get(request.session)
        if held is not None and held.number == request.number:
            return held.reply
        try:
            held = self._ready(request, held)
            if held is None:
                return Reply(lost=True)
            return self._do(request, held)
        except Exception as error:  # the boundary: one session's failure is data, the others of the batch go on
            self.close([request.session])
            return Reply(failure=error)

    def _ready(self, request: Request, held: _Held | None) -> _Held | None:
        """The session where the request begins; None if its history is needed to get there."""
        if held is not None and held.life == request.life and held.done == request.before:
            return held
        if request.before and request.history is None:
            return None
        if held is None:
            environment = self._environments[request.environment_id]
            held = self._held[request.session] = _Held(environment.start(request.seed), request.life)
        else:
            held.session.reset(request.seed)
        held.life, held.done = request.life, request.before
        for name, arguments in request.history or ():
            held.session.call(name, arguments)
        return held

    def _do(self, request: Request, held: _Held) -> Reply:
        results = tuple(held.session.call(name, arguments) for name, arguments in request.calls)
        held.done += len(results)
        value = None
        if request.look:
            method, *arguments = request.look
            if method not in LOOKS:
                raise ValueError(f"a session has no look {method!r}; there are {', '.join(LOOKS)}")
            value = getattr(held.session, method)(*arguments)
        held.number, held.reply = request.number, Reply(results, value)
        return held.reply
