"""A server that speaks OpenAI's chat completions API without a model, and fails as real ones do, on demand.

    python jobs/fake_openai.py --port 8000 --latency 1 --fault 429=0.1 --fault drop=0.02

It replays: `--replay` names a JSON-lines file of `{"key": ..., "replies": [message, ...]}`. A request belongs to the
row whose key is the content of one of its first two messages, and gets the reply after as many as the assistant has
said (a reply that the client could not read does not count). A request that no row knows gets a fixed one: a refusal
where tools are offered, else the user's stop. `GET /stats` counts requests and faults, `POST /settings` changes what
the server does. For tests, for the benchmark, and to try a configuration without a model.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from aiohttp import web

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

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, by its method and path."""
        match request.method, request.path:
            case "POST", "/v1/chat/completions":
                return await self.completions(request)
            case "GET", "/v1/models":
                return web.json_response({"object": "list", "data": [{"id": "fake", "object": "model"}]})
            case "GET", "/stats":
                return web.json_response(self.stats)
            case "POST", "/settings":
                return await self.change(request)
        return _error(404, f"there is no {request.method} {request.path}")

    async def change(self, request: web.BaseRequest) -> web.Response:
        """Other settings, and more conversations to replay."""
        asked = await request.json()
        self.replies.update({row["key"]: row["replies"] for row in asked.pop("replay", ())})
        self.set(Settings(**asked))
        return web.json_response(self.stats)

    async def completions(self, request: web.BaseRequest) -> web.StreamResponse:
        """One chat completion, or the fault that was drawn for it."""
        asked, stats = json.loads(await request.read()), self.stats
        stats["requests"] += 1
        stats["in_flight"] += 1
        stats["most_in_flight"] = max(stats["most_in_flight"], stats["in_flight"])
        try:
            return await self._answer(request, asked)
        finally:
            stats["in_flight"] -= 1

    async def _answer(self, request: web.BaseRequest, asked: dict[str, Any]) -> web.StreamResponse:
        fault = self._fault()
        if fault == "429":
            return _error(429, "rate limit", {"Retry-After": f"{self.settings.retry_after:g}"})
        if fault == "hang":
            await asyncio.sleep(3600)
        await asyncio.sleep(self.settings.latency)
        if fault == "500":
            return _error(500, "the model has fallen over")
        if fault == "drop" and request.transport is not None:
            request.transport.abort()
        body = json.dumps(self._completion(asked, broken=fault == "malformed")).encode()
        if fault == "slow":
            return await self._drip(request, body)
        return web.Response(body=body, content_type="application/json")

    def _fault(self) -> str:
        drawn = self.rng.random()
        for name, share in self.settings.faults.items():
            if drawn < share:
                self.stats[name] += 1
                return name
            drawn -= share
        return ""

    async def _drip(self, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
        await response.prepare(request)
        size = max(1, len(body) // 10)
        for start in range(0, len(body), size):
            await response.write(body[start : start + size])
            await asyncio.sleep(self.settings.slow / 10)
        return response

    def _completion(self, asked: dict[str, Any], *, broken: bool) -> dict[str, Any]:
        message = self._reply(asked["messages"], with_tools=bool(asked.get("tools")))
        if broken and message.get("tool_calls"):
            message = {**message, "tool_calls": [_cut(call) for call in message["tool_calls"]]}
        if self.settings.text and message.get("tool_calls"):
            message = _as_text(message)
        said = len(message.get("content") or "") + 40 * len(message.get("tool_calls") or ())
        used = {"prompt_tokens": 12 * len(asked["messages"]), "completion_tokens": 1 + said // 4}
        return {
            "id": f"chatcmpl-{self.stats['requests']}", "object": "chat.completion", "created": 0,
            "model": asked["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message
                         else "stop"}],
            "usage": {**used, "total_tokens": sum(used.values())},
        }

    def _reply(self, messages: list[dict[str, Any]], *, with_tools: bool) -> dict[str, Any]:
        replies = next((self.replies[m["content"]] for m in messages[:2] if m["content"] in self.replies), None)
        said = sum(message["role"] == "assistant" for message in messages)
        said -= sum(message["role"] == "user" and message["content"].startswith(UNREAD) for message in messages)
        if replies is not None and said < len(replies):
            return replies[said]
        return {"role": "assistant", "content": REFUSAL if with_tools else STOP}


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


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": {"message": text, "type": "fake"}}, status=status, headers=headers)


async def _serve(model: FakeModel, port: int) -> None:
    runner = web.ServerRunner(web.Server(model.handle, access_log=None))   # no routes to resolve: half the cost
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}/v1", flush=True)
    await asyncio.Event().wait()


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
