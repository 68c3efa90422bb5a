"""Asking models to better what rules made: one event loop per worker, replies kept, every question accounted for.

Each question ends as one row of `refinements`, whatever happens: accepted, refused, or failed. Shards wait in threads
of their own while the loop asks; checks, which may take seconds, run in threads too. The seed of a request comes from
its content, so the same question is the same request in any run.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Generic, NamedTuple

from rayscaler.canonical import dumps
from rayscaler.errors import EndpointError
from rayscaler.messages import Message
from rayscaler.recipes import Refine
from rayscaler.refinement.ask import Asking
from rayscaler.refinement.problems import Kind, Problem
from rayscaler.refinement.step import A, Question
from rayscaler.resources import Resources
from rayscaler.rollouts.reading import read_reply
from rayscaler.runtime.answers import Answers, Heard, key_of
from rayscaler.runtime.cluster import pool_size
from rayscaler.runtime.context import Context
from rayscaler.runtime.conversations import CLOSE_S, share
from rayscaler.runtime.openai_chat import CallLimits, Server, check_endpoint
from rayscaler.runtime.shards import Shard
from rayscaler.runtime.store import Store
from rayscaler.runtime.waiting import Loop

log = logging.getLogger(__name__)

MAX_SHOWN = 20_000
"""Characters of an answer, of what stood before and of what stands after, in a row of `refinements`."""

MOST_AT_ONCE = 32
"""Shards that one worker has in work while models answer: each holds what the rules made of it in memory."""


class NotAskedError(EndpointError):
    """A question was not put: the server had failed too often, or has just failed on the same one."""


class Terms(NamedTuple):
    """On which terms one worker asks: its limits, failures in a row that end the asking, where replies are kept."""

    limits: CallLimits
    failures: int
    answers: Store


class Refined(NamedTuple, Generic[A]):
    """What became of a question: the answer that was taken, or None; and its row of `refinements`."""

    answer: A | None
    row: dict[str, Any]

    def standing(self, after: str) -> Refined[A]:
        """The same with what stands now."""
        return self._replace(row={**self.row, "after": after[:MAX_SHOWN]})


class Ledger:
    """What one question took."""

    def __init__(self) -> None:
        self.heard: list[tuple[Heard, bool]] = []
        self.requests, self.seconds = 0, 0.0

    def columns(self, endpoint: Refine) -> dict[str, Any]:
        """Its columns of `refinements`."""
        known = [heard for heard, was_known in self.heard if was_known]
        every = [heard for heard, _ in self.heard]
        return {
            "attempts": len(every),
            "cached": len(known),
            "requests": self.requests,
            "prompt_tokens": sum(h.prompt_tokens for h in every),
            "completion_tokens": sum(h.completion_tokens for h in every),
            "cached_tokens": sum(h.prompt_tokens + h.completion_tokens for h in known),
            "cost": sum(h.cost(endpoint) for h in every),
            "cached_cost": sum(h.cost(endpoint) for h in known),
            "seconds": self.seconds,
        }


class Refiner:
    """Asks one endpoint. Called from many threads. Raises ConfigError if the server's key is not set."""

    def __init__(self, endpoint: Refine, terms: Terms) -> None:
        self.endpoint, self.terms = endpoint, terms
        self._answers = Answers(terms.answers)
        self._server = Server(endpoint, terms.limits)
        self._asked: dict[str, asyncio.Task[Heard]] = {}
        self._seats = asyncio.Semaphore(terms.limits.in_flight)
        self._failed_in_a_row = 0
        self._loop = asyncio.new_event_loop()
        self._waiting = Loop(self._loop, "question")
        threading.Thread(target=self._loop.run_forever, daemon=True, name="refiner").start()

    def ask(self, questions: Sequence[Question[A]]) -> list[Refined[A]]:
        """What becomes of each question, in order."""
        return self._waiting.result(self._all(questions), self.terms.limits.conversation_s)

    def close(self) -> None:
        """End the connections and the loop."""
        self._waiting.result(self._server.close(), CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _all(self, questions: Sequence[Question[A]]) -> list[Refined[A]]:
        return list(await asyncio.gather(*(self._one(question) for question in questions)))

    async def _one(self, question: Question[A]) -> Refined[A]:
        asking, ledger = Asking(question, attempts=self.endpoint.attempts), Ledger()
        failure: Problem | None = None
        while not asking.over and failure is None:
            try:
                heard = await self._hear(asking, ledger)
            except EndpointError as error:
                ledger.requests += error.requests
                kind = Kind.NOT_ASKED if isinstance(error, NotAskedError) else Kind.NO_ANSWER
                failure = Problem(kind, str(error))
            else:
                await asyncio.to_thread(asking.hear, heard.text, heard.malformed)
        self._waiting.one_ended()
        return Refined(asking.answer, _row(self.endpoint, asking, ledger, failure))

    async def _hear(self, asking: Asking[A], ledger: Ledger) -> Heard:
        """The next reply to a question: known, being waited for by another question, or asked for now."""
        messages, schema = asking.messages, asking.question.step.schema
        key = key_of(self.endpoint, messages, schema, len(asking.problems))
        known = await asyncio.to_thread(self._answers.find, key)
        if known is None and key in self._asked:
            known = await self._told_another(key)
        if known is not None:
            ledger.heard.append((known, True))
            return known
        began = time.perf_counter()
        self._asked[key] = asyncio.ensure_future(self._request(key, messages, schema, ledger))
        try:
            heard = await self._asked[key]
        finally:
            ledger.seconds += time.perf_counter() - began
            del self._asked[key]
        ledger.heard.append((heard, False))
        return heard

    async def _told_another(self, key: str) -> Heard:
        """The reply that another question waits for."""
        try:
            return await asyncio.shield(self._asked[key])
        except EndpointError as error:
            raise NotAskedError(f"the same was asked in vain: {error}", 0) from error

    async def _request(self, key: str, messages: list[Message], schema: dict[str, Any], ledger: Ledger) -> Heard:
        async with self._seats:
            if self._failed_in_a_row >= self.terms.failures:
                raise NotAskedError(f"{self.terms.failures} questions in a row had no answer", 0)
            try:
                completion = await self._server.complete(body(self.endpoint, key, messages, schema))
            except EndpointError:
                self._failed_in_a_row += 1
                raise
        self._failed_in_a_row = 0
        ledger.requests += completion.retries + 1
        try:
            heard = _heard(completion.answer)
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            raise EndpointError(f"the answer is not of the API's form: {error}", 0) from error
        await asyncio.to_thread(self._answers.keep, key, heard)
        return heard


def body(endpoint: Refine, key: str, messages: list[Message], schema: dict[str, Any]) -> bytes:
    """The request, with a seed from its content."""
    head: dict[str, Any] = {
        "model": endpoint.model, "temperature": endpoint.temperature, "top_p": endpoint.top_p,
        "max_tokens": endpoint.max_tokens, "seed": int(key[:8], 16) >> 1,
    }
    if endpoint.guided:
        form = {"name": str(schema.get("title", "answer")), "schema": schema, "strict": True}
        head["response_format"] = {"type": "json_schema", "json_schema": form}
    asked = {**head, **endpoint.options, "messages": [message.to_openai() for message in messages]}
    return json.dumps({name: value for name, value in asked.items() if value is not None}).encode()


def _heard(answer: dict[str, Any]) -> Heard:
    choice, used = answer["choices"][0], answer.get("usage") or {}
    reply = read_reply(choice.get("message") or {}, n_calls=0, finish_reason=str(choice.get("finish_reason") or ""))
    tokens = int(used.get("prompt_tokens") or 0), int(used.get("completion_tokens") or 0)
    return Heard(reply.message.content, reply.malformed, *tokens)


def _row(endpoint: Refine, asking: Asking[A], ledger: Ledger, failure: Problem | None) -> dict[str, Any]:
    told = [f"{number} {problem.kind}: {problem.text:.300}"
            for number, problems in enumerate(asking.problems, 1) for problem in problems]
    reason = failure.kind if failure else "" if asking.answer is not None else asking.problems[-1][0].kind
    status = "failed" if failure else "refused" if reason else "accepted"
    question = asking.question
    return {
        "subject": question.subject, "step": question.step.name, "status": status, "reason": str(reason),
        "problems": [*told, *([f"{failure.kind}: {failure.text:.300}"] if failure else [])],
        "model": endpoint.model, "before": question.before[:MAX_SHOWN], "after": question.before[:MAX_SHOWN],
        "answer": dumps(asking.answer) if asking.answer is not None else asking.last[:MAX_SHOWN],
        **ledger.columns(endpoint),
    }


class Asked(NamedTuple, Generic[A]):
    """How a stage maps its shards while a model refines: on which context, terms, and how many shards at once."""

    ctx: Context[Any]
    terms: Terms
    at_once: int


def asked(ctx: Context[Any], endpoint: Refine, shards: Sequence[Shard]) -> Asked[Any]:
    """Prepare a stage for asking `endpoint`. Raises ConfigError if its server is not there."""
    check_endpoint("refine", endpoint, stage=ctx.stage)
    resources: Resources = ctx.resources
    n_workers = max(1, min(pool_size(resources), len(shards), resources.model_calls))
    limits = share(resources, n_workers)
    answers = Store(resources.answers) if resources.answers else ctx.store
    log.info("%s: %s refines, at most %d calls in flight", ctx.stage, endpoint.model, resources.model_calls)
    return Asked(
        ctx._replace(resources=resources.model_copy(update={"workers": n_workers})),
        Terms(limits, resources.refine_failures, answers),
        min(2 + limits.in_flight, MOST_AT_ONCE),
    )
