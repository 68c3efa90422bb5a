"""A server that speaks OpenAI's chat completions API without a model, and fails as real ones do, on demand.

    python jobs/fake_openai.py --port 8000 --latency 1 --fault 429=0.1 --fault drop=0.02

It replays: `--replay` names a JSON-lines file of `{"key": ..., "replies": [message, ...]}`. A request belongs to the
row whose key is the content of one of its first two messages, and gets the reply after as many as the assistant has
said (a reply that the client could not read does not count). A request that no row knows gets a fixed one: a refusal
where tools are offered, else the user's stop. `GET /stats` counts requests and faults, `POST /settings` changes what
the server does. For tests, for the benchmark, and to try a configuration without a model.

HTTP is spoken on a bare `asyncio.Protocol`, one request after another on a connection: in the benchmark the server
shares its cores with what is measured.
"""

from __future__ import annotations

import asyncio
import json
import random
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import typer

FAULTS = ("429", "500", "drop", "malformed", "slow", "hang")
"""What `--fault NAME=SHARE` may name: too many requests, an internal error, a connection that is cut, half a tool call,
a body that drips over `--slow` seconds, no answer ever."""

REFUSAL = "I'm sorry, but I can't help you with that."
STOP = "###STOP###"
UNREAD = "Your last reply could not be read"
"""How a client begins that tells a reply back: `unread` of rayscaler/rollouts/prompts.yaml."""

app = typer.Typer(add_completion=False)


class Settings(NamedTuple):
    """What a server does. `faults`: name -> share of the requests; times in seconds; `text`: calls in the words."""

    faults: dict[str, float] = {}
    latency: float = 0.0
    retry_after: float = 0.0
    slow: float = 5.0
    text: bool = False
    seed: int = 0


class AskedMessage(msgspec.Struct):
    """What is looked at of a message."""

    role: str
    content: str | None = ""


class Asked(msgspec.Struct):
    """What is looked at of a request."""

    model: str
    messages: list[AskedMessage]
    tools: msgspec.Raw = msgspec.Raw()


_ASKED = msgspec.json.Decoder(Asked)


class Answer(NamedTuple):
    """What comes back, and how. `headers`: more lines of the head; `how` is a fault of the connection, or `whole`."""

    status: int
    body: bytes
    headers: str = ""
    latency: float = 0.0
    how: Literal["whole", "slow", "drop", "hang"] = "whole"


class FakeModel:
    """The replies and the faults of one server, and what it counts."""

    def __init__(self, replies: dict[str, list[dict[str, Any]]], settings: Settings) -> None:
        self.replies = replies
        self.set(settings)

    def set(self, settings: Settings) -> None:
        """Take other settings and count from zero. Raises ValueError for a fault that does not exist."""
        unknown = [name for name in settings.faults if name not in FAULTS]
        if unknown:
            raise ValueError(f"no fault is called {unknown[0]!r}; there are {', '.join(FAULTS)}")
        self.settings, self.rng = settings, random.Random(settings.seed)
        self.stats: dict[str, int] = {"requests": 0, "in_flight": 0, "most_in_flight": 0, **dict.fromkeys(FAULTS, 0)}

    def answer(self, method: str, path: str, body: bytes) -> Answer:
        """The answer to one request."""
        match method, path:
            case "POST", "/v1/chat/completions":
                self.stats["requests"] += 1
                return self._completed(body)
            case "GET", "/v1/models":
                return _ok({"object": "list", "data": [{"id": "fake", "object": "model"}]})
            case "GET", "/stats":
                return _ok(self.stats)
            case "POST", "/settings":
                return self._change(json.loads(body))
        return _error(404, f"there is no {method} {path}")

    def begin(self) -> None:
        """A chat completion is in flight."""
        self.stats["in_flight"] += 1
        self.stats["most_in_flight"] = max(self.stats["most_in_flight"], self.stats["in_flight"])

    def end(self) -> None:
        """One is not any more."""
        self.stats["in_flight"] -= 1

    def _change(self, asked: dict[str, Any]) -> Answer:
        """Other settings, and more conversations to replay."""
        self.replies.update({row["key"]: row["replies"] for row in asked.pop("replay", ())})
        self.set(Settings(**asked))
        return _ok(self.stats)

    def _completed(self, body: bytes) -> Answer:
        """One chat completion, or the fault that was drawn for it."""
        fault, latency = self._fault(), self.settings.latency
        if fault == "429":
            return _error(429, "rate limit", headers=f"Retry-After: {self.settings.retry_after:g}\r\n")
        if fault == "500":
            return _error(500, "the model has fallen over")._replace(latency=latency)
        try:
            asked = _ASKED.decode(body)
        except msgspec.DecodeError as error:
            return _error(400, str(error))
        answer = _ok(self._completion(asked, broken=fault == "malformed"))._replace(latency=latency)
        return answer._replace(how=fault) if fault in ("slow", "drop", "hang") else answer

    def _fault(self) -> str:
        drawn = self.rng.random()
        for name, share in self.settings.faults.items():
            if drawn < share:
                self.stats[name] += 1
                return name
            drawn -= share
        return ""

    def _completion(self, asked: Asked, *, broken: bool) -> dict[str, Any]:
        message = self._reply(asked.messages, with_tools=bytes(asked.tools) not in (b"", b"null", b"[]"))
        if broken and message.get("tool_calls"):
            message = {**message, "tool_calls": [_cut(call) for call in message["tool_calls"]]}
        if self.settings.text and message.get("tool_calls"):
            message = _as_text(message)
        said = len(message.get("content") or "") + 40 * len(message.get("tool_calls") or ())
        used = {"prompt_tokens": 12 * len(asked.messages), "completion_tokens": 1 + said // 4}
        return {
            "id": f"chatcmpl-{self.stats['requests']}", "object": "chat.completion", "created": 0,
            "model": asked.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message
                         else "stop"}],
            "usage": {**used, "total_tokens": sum(used.values())},
        }

    def _reply(self, messages: list[AskedMessage], *, with_tools: bool) -> dict[str, Any]:
        replies = next((self.replies[m.content] for m in messages[:2] if m.content in self.replies), None)
        said = sum(message.role == "assistant" for message in messages)
        said -= sum(message.role == "user" and (message.content or "").startswith(UNREAD) for message in messages)
        if replies is not None and said < len(replies):
            return replies[said]
        return {"role": "assistant", "content": REFUSAL if with_tools else STOP}


class Connection(asyncio.Protocol):
    """One client: a request, its answer, the next request."""

    transport: asyncio.Transport

    def __init__(self, model: FakeModel) -> None:
        self.model, self.received = model, bytearray()
        self.waiting: asyncio.TimerHandle | asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """It has gone, maybe before its answer was whole."""
        if self.waiting is not None:
            self.waiting.cancel()
            self.model.end()

    def data_received(self, data: bytes) -> None:
        """More of a request; with its last byte it is answered."""
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self.received[:end].decode("latin-1").split("\r\n")
        lengths = [int(line[15:]) for line in lines if line[:15].lower() == "content-length:"]
        body = bytes(self.received[end + 4 :])
        if len(body) < sum(lengths):
            return
        self.received.clear()
        method, path, _ = first.split(" ", 2)
        answer = self.model.answer(method, path, body)
        if path == "/v1/chat/completions":
            self.model.begin()
            self.waiting = asyncio.get_running_loop().call_later(answer.latency, self._send, answer)
        else:
            self.transport.write(_message(answer))

    def _send(self, answer: Answer) -> None:
        if answer.how == "hang":
            return
        if answer.how == "slow":
            self.waiting = asyncio.get_running_loop().create_task(self._drip(_message(answer)))
            return
        self._ended()
        if answer.how == "drop":
            self.transport.abort()
        else:
            self.transport.write(_message(answer))

    async def _drip(self, message: bytes) -> None:
        size = max(1, len(message) // 10)
        for start in range(0, len(message), size):
            if start:
                await asyncio.sleep(self.model.settings.slow / 10)
            self.transport.write(message[start : start + size])
        self._ended()

    def _ended(self) -> None:
        self.waiting = None
        self.model.end()


def _message(answer: Answer) -> bytes:
    head = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(answer.body)}\r\n{answer.headers}\r\n".encode() + answer.body


def _ok(value: Any) -> Answer:
    return Answer(200, msgspec.json.encode(value))


def _error(status: int, text: str, headers: str = "") -> Answer:
    return Answer(status, msgspec.json.encode({"error": {"message": text, "type": "fake"}}), headers)


def _load(path: Path) -> dict[str, list[dict[str, Any]]]:
    rows = (json.loads(line) for line in path.read_text("utf-8").splitlines())
    return {row["key"]: row["replies"] for row in rows}


def _cut(call: dict[str, Any]) -> dict[str, Any]:
    """The call with half of its arguments' text."""
    text = call["function"]["arguments"]
    return {**call, "function": {**call["function"], "arguments": text[: max(1, len(text) // 2)]}}


def _as_text(message: dict[str, Any]) -> dict[str, Any]:
    """The calls as Qwen3 writes them, for a server that does not read them out of the text."""
    functions = [call["function"] for call in message["tool_calls"]]
    bodies = [f'{{"name": {json.dumps(f["name"])}, "arguments": {f["arguments"]}}}' for f in functions]
    blocks = [f"<tool_call>\n{body}\n</tool_call>" for body in bodies]
    words = [message["content"]] if message.get("content") else []
    return {"role": "assistant", "content": "\n".join(["<think>\nA call.\n</think>\n", *words, *blocks])}


async def _serve(model: FakeModel, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(model), "127.0.0.1", port, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


@app.command()
def main(
    *,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one, which is printed.")] = 0,
    replay: Annotated[Path | None, typer.Option(help="JSON lines of {key, replies}.")] = None,
    latency: Annotated[float, typer.Option(help="Seconds before an answer.")] = 0.0,
    fault: Annotated[list[str] | None, typer.Option(help=f"NAME=SHARE; names: {', '.join(FAULTS)}.")] = None,
    retry_after: Annotated[float, typer.Option(help="Seconds that a 429 asks to wait.")] = 0.0,
    slow: Annotated[float, typer.Option(help="Seconds over which a slow body drips.")] = 5.0,
    text: Annotated[bool, typer.Option(help="Write tool calls into the text, as servers without a parser do.")] = False,
    seed: Annotated[int, typer.Option(help="Which requests fail.")] = 0,
) -> None:
    """Serve until killed."""
    faults = {name: float(share) for name, _, share in (item.partition("=") for item in fault or ())}
    settings = Settings(faults, latency, retry_after, slow, text, seed)
    try:
        model = FakeModel(_load(replay) if replay else {}, settings)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    asyncio.run(_serve(model, port))


if __name__ == "__main__":
    app()
