"""Sessions by the thousand on Ray: actors that host them, and the owner who can make them again.

    with Fleet({"shop": environment}, n_hosts=2) as fleet:
        session = fleet.open("shop", seed=4)
        fleet.call(session, "get_order", {"order_id": "ord-1007"})
        fleet.call_many([(session, "cancel_order", {...}), ...])         # one message per host

A host that dies is replaced by Ray. What it held is made again when it is next used, from (environment, seed, calls):
the calls whose answers the owner has seen are replayed, a call that was under way is done again on the state before
it. Nothing is lost, because the owner keeps every call it was answered; nothing is done twice, because a dead host's
state died with it and a living host answers a repeated request from its notes (`session_host`).

What is not covered: the owner's own death. Its sessions end with it, like the rollouts that they belong to.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from rayscaler.changes import Changes
from rayscaler.environment import CallResult
from rayscaler.errors import HostError
from rayscaler.runtime.session_host import Call, Environments, Reply, Request, SessionHost

log = logging.getLogger(__name__)

class _Owned:
    """What the owner knows of a session: enough to make it again."""

    __slots__ = ("calls", "environment_id", "host", "life", "number", "seed")

    def __init__(self, environment_id: str, seed: int, host: int) -> None:
        self.environment_id, self.seed, self.host = environment_id, seed, host
        self.life = self.number = 0
        self.calls: list[Call] = []


class _Asked(NamedTuple):
    """A request and the places of its answers among those of the caller."""

    request: Request
    places: list[int]


class Fleet:
    """Owns sessions that live in `n_hosts` actors. Needs Ray to be connected. One owner, one thread.

    cpus: logical CPUs that each host reserves (0: none, it runs where there is room). tries: hosts that one message may
    end before it is given up, since one that ends every host must not go round for ever (Ray's default: none).
    answer_s: how long one message may take, the start of a host included; a host that takes longer is replaced.
    """

    def __init__(
        self, environments: Environments, *, n_hosts: int = 1, cpus: float = 0.0, tries: int = 4,
        answer_s: float = 600.0,
    ) -> None:
        import ray

        self._answer_s = answer_s

        actor = ray.remote(SessionHost).options(num_cpus=cpus, max_restarts=-1, max_task_retries=tries - 1)
        self._tries = tries
        self._environments = ray.put(environments)  # kept: a host that is replaced reads it again
        self._hosts: list[Any] = [actor.remote(self._environments) for _ in range(n_hosts)]
        self._load = [0] * n_hosts
        self._owned: dict[str, _Owned] = {}
        self._opened = 0

    def __enter__(self) -> Fleet:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None,
                 /) -> None:
        self.shutdown()

    def open(self, environment_id: str, seed: int) -> str:
        """The name of a new session, on the host with the fewest. It is made when it is first used."""
        host = self._load.index(min(self._load))
        name = f"s{self._opened}"
        self._opened += 1
        self._load[host] += 1
        self._owned[name] = _Owned(environment_id, seed, host)
        return name

    def call(self, session: str, name: str, arguments: dict[str, Any]) -> CallResult:
        """Run one tool: one message there and back."""
        return self.call_many([(session, name, arguments)])[0]

    def call_many(self, calls: Sequence[tuple[str, str, dict[str, Any]]]) -> list[CallResult]:
        """Run (session, tool, arguments) each, one message per host; calls of one session in their order.

        A session whose host failed in itself (not a tool: that is a result) raises the host's error, after the answers
        of all others are noted. HostError if a message ends every host that gets it; no call of it counts then.
        """
        places: dict[str, list[int]] = defaultdict(list)
        for place, (session, _, _) in enumerate(calls):
            places[session].append(place)
        asked = [_Asked(self._request(name, [calls[p][1:] for p in found]), found) for name, found in places.items()]
        results: dict[int, CallResult] = {}
        for (_, found), reply in zip(asked, self._exchange([a.request for a in asked]), strict=True):
            results.update(zip(found, reply.results, strict=True))
        return [results[place] for place in range(len(calls))]

    def changes(self, session: str) -> Changes:
        """Net row changes of a session since its start."""
        found: Changes = self._look(session, "changes")
        return found

    def digest(self, session: str) -> str:
        """The digest of a session's state."""
        return str(self._look(session, "digest"))

    def rows(self, session: str, table: str) -> list[dict[str, Any]]:
        """All rows of a table of a session, by primary key."""
        found: list[dict[str, Any]] = self._look(session, "rows", table)
        return found

    def snapshot(self, session: str) -> bytes:
        """A session's state as bytes that `Session.restore` of the same environment takes."""
        found: bytes = self._look(session, "snapshot")
        return found

    def reset(self, session: str, seed: int | None = None) -> None:
        """Back to the start, or to that of another seed; done when the session is next used."""
        owned = self._owned[session]
        owned.seed = owned.seed if seed is None else seed
        owned.life += 1
        owned.calls = []

    def close(self, sessions: Iterable[str]) -> None:
        """End these sessions."""
        by_host: dict[int, list[str]] = defaultdict(list)
        for name in sessions:
            host = self._owned.pop(name).host
            self._load[host] -= 1
            by_host[host].append(name)
        for host, names in by_host.items():
            self._hosts[host].close.remote(names)

    def host_pids(self) -> list[int]:
        """The process of each host, in order."""
        import ray

        found: list[int] = ray.get([host.pid.remote() for host in self._hosts], timeout=self._answer_s)
        return found

    def host_cpu_s(self) -> list[float]:
        """Seconds of CPU time that each host has used, in order."""
        import ray

        found: list[float] = ray.get([host.cpu_s.remote() for host in self._hosts], timeout=self._answer_s)
        return found

    def shutdown(self) -> None:
        """End the hosts and with them all sessions."""
        import ray

        for host in self._hosts:
            ray.kill(host)
        self._hosts, self._owned = [], {}

    def _look(self, session: str, *look: Any) -> Any:
        return self._exchange([self._request(session, [], look)])[0].value

    def _request(self, session: str, calls: Sequence[Any], look: tuple[Any, ...] = ()) -> Request:
        owned = self._owned[session]
        owned.number += 1
        made = tuple((name, arguments) for name, arguments in calls)
        return Request(session, owned.environment_id, owned.seed, owned.life, owned.number, len(owned.calls), made,
                       look=look)

    def _exchange(self, requests: list[Request]) -> list[Reply]:
        """One reply per request; sessions that a host has lost are made again on the way."""
        replies = self._send(requests)
        lost = [i for i, reply in enumerate(replies) if reply.lost]
        if lost:
            log.warning("%d sessions are made again from their calls: their host is a new one", len(lost))
            again = [requests[i]._replace(history=tuple(self._owned[requests[i].session].calls)) for i in lost]
            for i, reply in zip(lost, self._send(again), strict=True):
                replies[i] = reply
        failures = []
        for request, reply in zip(requests, replies, strict=True):
            if reply.failure is not None:
                failures.append(reply.failure)
            else:
                self._owned[request.session].calls += request.calls
        if failures:
            raise failures[0]
        return replies

    def _wait(self, sent: list[Any], by_host: dict[int, list[int]], requests: list[Request]) -> None:
        """Until all have answered. HostError if one takes too long; it is ended, and Ray starts it anew."""
        import ray

        _, silent = ray.wait(sent, num_returns=len(sent), timeout=self._answer_s)
        if not silent:
            return
        slow = [host for host, message in zip(by_host, sent, strict=True) if message in silent]
        for host in slow:
            ray.kill(self._hosts[host], no_restart=False)
        first = requests[by_host[slow[0]][0]]
        called = ", ".join(name for name, _ in first.calls[:3]) or "a look"
        raise HostError(
            f"host {slow[0]} did not answer {len(by_host[slow[0]])} requests within {self._answer_s:g} s (the first: "
            f"session {first.session} of {first.environment_id}, {called}); it is replaced, what was asked is not done"
        )

    def _send(self, requests: list[Request]) -> list[Reply]:
        import ray

        by_host: dict[int, list[int]] = defaultdict(list)
        for i, request in enumerate(requests):
            by_host[self._owned[request.session].host].append(i)
        sent = [self._hosts[host].run.remote([requests[i] for i in places]) for host, places in by_host.items()]
        self._wait(sent, by_host, requests)
        try:
            answers = ray.get(sent, timeout=self._answer_s)
        except ray.exceptions.RayActorError as error:
            raise HostError(f"{self._tries} hosts in a row ended on one message of {len(requests)} requests; what was "
                            f"asked is not done: {error}") from error
        replies: dict[int, Reply] = {}
        for places, found in zip(by_host.values(), answers, strict=True):
            replies.update(zip(places, found, strict=True))
        return [replies[i] for i in range(len(requests))]
