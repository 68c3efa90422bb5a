"""A small server that speaks OpenAI's chat completions API and answers refinement prompts by a script, well or badly.

It reads the data of a prompt and answers from it by simple means of its own, not by the code under test. Its persona
says how: good, bad (of the right shape, wrong in content), off_schema, hostile, silent (never answers), flaky (every
other request fails first), mending (bad until told what is wrong).
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from scripted_answers import BAD, GOOD, HOSTILE

PROMPT_PRICE, COMPLETION_PRICE = 2.0, 8.0
"""Per million tokens; a token is a character here, so that sums are easy to check."""


class ScriptedModel:
    """What the server says, and what it has seen."""

    def __init__(self, persona: str) -> None:
        self.persona = persona
        self.seen: Counter[str] = Counter()
        self.asked: list[dict[str, Any]] = []
        self.released = threading.Event()
        self._lock = threading.Lock()
        self.base_url = ""

    def count(self, **more: int) -> int:
        """Count; how many requests there were before."""
        with self._lock:
            before = self.seen["requests"]
            self.seen.update(more)
            return before

    def answer(self, body: dict[str, Any], number: int) -> tuple[int, Any]:
        """Status and text of the reply to the request with this number."""
        step = body["response_format"]["json_schema"]["name"]
        first, *later = [m["content"] for m in body["messages"] if m["role"] == "user"]
        data = json.loads(first.rpartition("DATA\n")[2])
        if self.persona == "silent":
            self.released.wait(30)
        if self.persona == "flaky" and number % 2 == 0:
            return (429, 500)[number // 2 % 2], "not now"
        if self.persona == "off_schema":
            return 200, ("I would rather talk.", '{"text": 1}', '{"unknown": true}', "[]")[number % 4]
        if self.persona == "hostile":
            return 200, HOSTILE[step][number % len(HOSTILE[step])](data)
        is_bad = self.persona == "bad" or (self.persona == "mending" and not later)
        return 200, json.dumps((BAD if is_bad else GOOD)[step](data))

    def endpoint(self, kind: Callable[..., Any], **knobs: Any) -> Any:
        """A recipe that asks this server."""
        prices = {"prompt_price": PROMPT_PRICE, "completion_price": COMPLETION_PRICE}
        return kind(**{"model": "scripted", "base_url": self.base_url, **prices, **knobs})


@contextmanager
def scripted_model(persona: str) -> Iterator[ScriptedModel]:
    """The server, on a free port of 127.0.0.1, for the time of the block."""
    model = ScriptedModel(persona)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"data": [{"id": "scripted", "object": "model"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = model.count(requests=1)
            model.asked.append(body)
            status, text = model.answer(body, number)
            if status != 200:
                self._send(status, {"error": {"message": text}})
                return
            read = sum(len(m["content"]) for m in body["messages"])
            model.count(prompt_tokens=read, completion_tokens=len(text), answered=1)
            choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            self._send(200, {"choices": [choice], "usage": {"prompt_tokens": read, "completion_tokens": len(text)}})

        def _send(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.block_on_close = True, False
    server.handle_error = lambda *_: None      # clients that give up close their connection
    model.base_url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
