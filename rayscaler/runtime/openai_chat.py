"""Models behind any server that speaks OpenAI's chat completions API, as sides of conversations.

A worker has one `Server` per endpoint: its connections, and the worker's share of the calls that may be in flight. Each
side of each conversation is an `EndpointChat` on it.

The `openai` client asks a server for its models before a run. The calls themselves go out on aiohttp, which that client
can use too: on one core of a busy machine, 20 tools and 10 messages, its `chat.completions.create` takes 5.0 ms per
call, its transport alone 0.46 ms, aiohttp 0.22 ms. Retries are ours, because an answer that drips must be given up on
time, and waits longer than the client's 8 seconds must be possible.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import os
import random
import re
import time
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import aiohttp
import yarl
from openai import APIConnectionError, APIStatusError, OpenAI

from rayscaler.errors import ConfigError, EndpointError
from rayscaler.messages import Message
from rayscaler.recipes import Endpoint
from rayscaler.rollouts.chat import Reply, Sampling, Usage
from rayscaler.rollouts.reading import read_reply
from rayscaler.rollouts.text_tools import as_text

log = logging.getLogger(__name__)

FIRST_WAIT_S = 0.5
"""Wait before the first repeat of a failed call; each further wait is twice as long."""

NO_KEY = "none"
"""What is sent to a server that asks for no key."""

PASSING = frozenset({408, 409, 425, 429})
"""Statuses below 500 that pass by themselves."""

_TOO_LONG = re.compile(r"maximum context length|maximum model length|context_length_exceeded", re.IGNORECASE)

SPELLED = 64
"""Environments whose tools a worker keeps as the text that is sent, the ones used last."""


class CallLimits(NamedTuple):
    """How one worker calls one endpoint."""

    in_flight: int
    timeout_s: float
    retries: int
    longest_wait_s: float
    conversation_s: float = 3600.0
    """From the first call of a conversation on, all of its waiting together."""


class Completion(NamedTuple):
    """An answer of the API as JSON; seconds from the first attempt on; how often the call was made again."""

    answer: dict[str, Any]
    latency_s: float
    retries: int


class Refused(Exception):
    """A server answered with another status than 200."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str]) -> None:
        super().__init__(f"status {status}: {text}")
        self.status, self.headers = status, headers


class Server:
    """One endpoint, as one worker sees it. Lives in one event loop.

    Raises ConfigError if the key's environment variable is not set.
    """

    def __init__(self, endpoint: Endpoint, limits: CallLimits) -> None:
        self.limits = limits
        self._slots = asyncio.Semaphore(limits.in_flight)
        self._url = yarl.URL(f"{endpoint.base_url.rstrip('/')}/chat/completions")
        self._key = api_key(endpoint)
        self._http: aiohttp.ClientSession | None = None
        self._spelled: OrderedDict[int, tuple[Sequence[dict[str, Any]], bytes]] = OrderedDict()

    async def complete(self, body: bytes) -> Completion:
        """The answer to one request. A call that waits to be repeated keeps its place among those in flight.

        Raises EndpointError if the server refuses, or fails more often than the limits allow.
        """
        async with self._slots:
            return await self._attempts(body)

    def spelled(self, tools: Sequence[dict[str, Any]]) -> bytes:
        """The tools as JSON. The text of a list that was here before is the one that was made then."""
        kept = self._spelled.pop(id(tools), None) or (tools, _json(tools))
        self._spelled[id(tools)] = kept
        if len(self._spelled) > SPELLED:
            self._spelled.popitem(last=False)
        return kept[1]

    async def _attempts(self, body: bytes) -> Completion:
        began = time.perf_counter()
        for attempt in itertools.count():
            try:
                answer = await self._attempt(body)
            except (Refused, aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                if attempt == self.limits.retries or not passes(error):
                    text = f"{described(error, self._key)}, attempt {attempt + 1}"
                    raise EndpointError(text, attempt + 1) from error
                await asyncio.sleep(wait_s(attempt, error, self.limits.longest_wait_s))
            else:
                return Completion(answer, time.perf_counter() - began, attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, body: bytes) -> dict[str, Any]:
        if self._http is None:
            self._http = self._connections()
        async with asyncio.timeout(self.limits.timeout_s), self._http.post(self._url, data=body) as response:
            found = await response.read()
            if response.status != 200:
                raise Refused(response.status, found.decode(errors="replace"), response.headers)
        answer = json.loads(found)
        if not isinstance(answer, dict) or not answer.get("choices"):
            raise ValueError(f"the answer holds no choices: {answer!r}")
        return answer

    def _connections(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"},
            connector=aiohttp.TCPConnector(limit=self.limits.in_flight),
            timeout=aiohttp.ClientTimeout(),            # none: the time is that of the whole attempt, in `_attempt`
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=bool(urllib.request.getproxies()),  # asked once: it costs a tenth of a call each time
        )

    async def close(self) -> None:
        """End the connections."""
        if self._http is not None:
            await self._http.close()


class EndpointChat:
    """One side of one conversation. What was sent once is not spelled out again."""

    def __init__(self, endpoint: Endpoint, server: Server) -> None:
        self._endpoint, self._server = endpoint, server
        self._until = time.monotonic() + server.limits.conversation_s
        self._messages: list[Message] = []
        self._spelled: list[bytes] = []

    async def reply(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]], sampling: Sampling) -> Reply:
        """The model's next message. A conversation that outgrew the model's context is a reply that cannot be read: it
        ends as that side's failure, where a broken server would take the longest conversations out of every mean.
        Raises EndpointError.
        """
        body = self._body(messages, tools, sampling)
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                answer, latency_s, retries = await self._server.complete(body)
        except TimeoutError:
            limit_s = self._server.limits.conversation_s
            raise EndpointError(f"the conversation took longer than {limit_s:g} s "
                                "(resources.conversation_timeout_s)") from None
        except EndpointError as error:
            if not is_too_long(error):
                raise
            said = Message(role="assistant", content="")
            return Reply(said, malformed=f"the conversation is too long for the model: {error}")
        choice = answer["choices"][0]
        reason = str(choice.get("finish_reason") or "")
        n_calls = sum(len(message.tool_calls) for message in messages)
        reply = read_reply(choice.get("message") or {}, n_calls=n_calls, finish_reason=reason)
        used = answer.get("usage") or {}
        details = used.get("completion_tokens_details") or {}
        usage = Usage(
            prompt_tokens=int(used.get("prompt_tokens") or 0),
            completion_tokens=int(used.get("completion_tokens") or 0),
            reasoning_tokens=int(details.get("reasoning_tokens") or 0),
            latency_s=latency_s,
            retries=retries,
            finish_reason=reason,
        )
        return reply._replace(usage=usage)

    def _body(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]], sampling: Sampling) -> bytes:
        """The request. A key that `options` sets to null is left out: some models take no `max_tokens`."""
        settings = {"model": self._endpoint.model, **sampling._asdict(), **self._endpoint.options}
        head = _json({key: value for key, value in settings.items() if value is not None})[:-1]
        if self._endpoint.tool_format == "text":
            return b'%b,"messages":%b}' % (head, _json(as_text(messages, tools)))
        self._spell(messages)
        offered = (b',"tools":', self._server.spelled(tools)) if tools else ()
        return b"".join((head, b',"messages":[', *self._spelled, b"]", *offered, b"}"))

    def _spell(self, messages: Sequence[Message]) -> None:
        """Bring `_spelled` to `messages`, which mostly begin with those of the call before."""
        same = 0
        for one, other in zip(self._messages, messages, strict=False):
            if one is not other:
                break
            same += 1
        more = messages[same:]
        self._messages[same:] = more
        self._spelled[same:] = [b","[: same + i] + _json(message.to_openai()) for i, message in enumerate(more)]


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def api_key(endpoint: Endpoint) -> str:
    """The key of a server, `NO_KEY` where it needs none. ConfigError if its variable is not set."""
    if not endpoint.api_key_env:
        return NO_KEY
    key = os.environ.get(endpoint.api_key_env, "")
    if not key:
        raise ConfigError(
            f"api_key_env: the environment variable {endpoint.api_key_env} is not set for {endpoint.base_url}; set it "
            "here and, on a cluster, where Ray's workers start"
        )
    return key


def check_endpoint(side: str, endpoint: Endpoint, timeout_s: float = 10.0, *, stage: str = "rollout") -> None:
    """Ask the server for its models before a thousand conversations do. `side`: the key of the stage's recipe.

    Raises ConfigError naming the key if no server answers, if it refuses the key, or if it has no such model.
    """
    where, key = f"{stage}.{side}", api_key(endpoint)
    client = OpenAI(base_url=endpoint.base_url, api_key=key, max_retries=1, timeout=timeout_s)
    try:
        names = sorted(model.id for model in client.models.list().data)
    except APIConnectionError as error:
        raise ConfigError(
            f"{where}.base_url: no server answers at {endpoint.base_url} ({error.__cause__ or error}); start one "
            "(`vllm serve MODEL`, or `python jobs/fake_openai.py` to try) or mend the address"
        ) from error
    except APIStatusError as error:
        if error.status_code in (401, 403):
            text = f"{where}.api_key_env: {endpoint.base_url} refuses the key: {described(error, key)}"
            raise ConfigError(text) from error
        log.warning("%s: %s/models says %d; whether it has %s is not known", where, endpoint.base_url,
                    error.status_code, endpoint.model)
        return
    finally:
        client.close()
    listed = endpoint.model.partition(":")[0] if endpoint.served else endpoint.model  # a pool lists no adapters
    if names and listed not in names:
        shown = ", ".join(names[:10])
        raise ConfigError(f"{where}.model: {endpoint.base_url} has no model {endpoint.model!r}; it has {shown}")


def passes(error: Exception) -> bool:
    """Whether the same call may succeed later: anything but a refusal."""
    return not isinstance(error, Refused) or error.status >= 500 or error.status in PASSING


def is_too_long(error: EndpointError) -> bool:
    """Whether a server refused a request because the model's context is shorter, in the words of vLLM and OpenAI."""
    return str(error).startswith("status 400") and _TOO_LONG.search(str(error)) is not None


def wait_s(attempt: int, error: Exception, longest_s: float) -> float:
    """Seconds to wait after `attempt` (0-based): what the server asks for, else twice as long each time.

    Up to a quarter more, by chance, so that a thousand refused calls do not come back together; never over `longest_s`.
    """
    asked = retry_after_s(error.headers) if isinstance(error, Refused) else None
    wait = FIRST_WAIT_S * 2**attempt if asked is None else asked
    return min(wait * random.uniform(1.0, 1.25), longest_s)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """What `Retry-After` asks for in seconds, given as a number or as a date; None if it is not there."""
    value = headers.get("Retry-After", "")
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def described(error: Exception, key: str) -> str:
    """The failure in one line, without the key: some servers repeat what they were sent."""
    if isinstance(error, Refused):
        text = str(error)
    elif isinstance(error, APIStatusError):
        text = f"status {error.status_code}: {error.message}"
    elif isinstance(error, TimeoutError):
        text = "no whole answer in time"
    else:
        text = f"{type(error).__name__}: {error}"
    return (text.replace(key, "…") if key != NO_KEY else text)[:200]
