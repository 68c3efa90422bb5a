"""Models behind a real HTTP server: what fails is tried again, what is refused is not, and it says so."""

from __future__ import annotations

import asyncio
import itertools
import random
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fake_server import FakeServer, agent_row, fake_server, user_row
from rayscaler.config import parse_config
from rayscaler.errors import ConfigError, EndpointError
from rayscaler.messages import STOP, Message
from rayscaler.recipes import Endpoint, RolloutRecipe
from rayscaler.rollouts.chat import Sampling
from rayscaler.rollouts.play import Recorded, play, play_with
from rayscaler.runtime.openai_chat import (
    CallLimits,
    EndpointChat,
    Refused,
    Server,
    check_endpoint,
    retry_after_s,
    wait_s,
)
from rayscaler.trajectory import ErrorType, StopReason
from shop_tasks import shop, shop_tasks, task_named

LIMITS = CallLimits(in_flight=8, timeout_s=5, retries=8, longest_wait_s=0.05)
ROWS = [agent_row(task, shop()) for task in shop_tasks()]
OPENING = [Message(role="system", content="Be kind."), Message(role="user", content="Hi")]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeServer]:
    with fake_server() as started:
        yield started.set(*ROWS)


def played(recipe: RolloutRecipe, limits: CallLimits = LIMITS, tasks=None) -> list[Recorded]:
    """The first trial of every task, all at once, in one event loop."""

    async def all_of_them() -> list[Recorded]:
        servers = {side: Server(endpoint, limits) for side, endpoint in recipe.endpoints.items()}
        chats = {id(endpoint): (endpoint, servers[side]) for side, endpoint in recipe.endpoints.items()}
        found = await asyncio.gather(*(
            play_with(lambda e: EndpointChat(*chats[id(e)]), task, shop(), recipe, trial=0, seed=1)
            for task in tasks or shop_tasks()
        ))
        for server in servers.values():
            await server.close()
        return found

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("knobs", "chat"), [({}, {}), ({"text": True}, {}), ({"text": True}, {"tool_format": "text"})],
    ids=["api", "text-answers", "text-both-ways"],
)
def test_a_model_that_says_what_the_scripted_agent_says_gives_its_trajectory(server, knobs, chat):
    server.set(**knobs)
    found = played(RolloutRecipe(agent=server.endpoint(**chat)))
    for task, recorded in zip(shop_tasks(), found, strict=True):
        gold = play(task, shop(), RolloutRecipe(agent={"error_rate": 0.0}), trial=0, seed=1)
        trajectory = recorded.trajectory
        plain = tuple(m.model_copy(update={"reasoning": ""}) for m in trajectory.messages)
        assert (plain, trajectory.steps, trajectory.changes) == (gold.messages, gold.steps, gold.changes)
        assert (trajectory.stop_reason, trajectory.agent, trajectory.user) == (StopReason.USER_STOP, "fake", "scripted")
        if knobs:
            assert {m.reasoning for m in trajectory.messages if m.tool_calls} == {"A call."}


def test_the_tokens_seconds_and_seeds_of_every_reply_are_recorded(server):
    server.set(latency=0.05)
    recorded = played(RolloutRecipe(agent=server.endpoint()), tasks=[task_named("total")])[0]
    calls = recorded.model_calls
    said = [m for m in recorded.trajectory.messages if m.role == "assistant"]
    seen = [i for i, m in enumerate(recorded.trajectory.messages) if m.role == "assistant"]
    assert len(calls) == len(said) == 5
    assert [c.usage.prompt_tokens for c in calls] == [12 * i for i in seen]      # the fake counts 12 per message
    assert all(c.usage.completion_tokens >= len(m.content) // 4 for c, m in zip(calls, said, strict=True))
    assert all(c.usage.latency_s >= 0.05 for c in calls)
    assert len({c.sampling.seed for c in calls}) == 5
    assert [c.usage.finish_reason for c in calls] == ["tool_calls" if m.tool_calls else "stop" for m in said]


@pytest.mark.parametrize("fault", ["429", "500", "drop"])
def test_what_fails_for_a_moment_is_tried_again_and_nothing_is_lost(server, fault):
    server.set(fault={fault: 0.3})
    found = played(RolloutRecipe(agent=server.endpoint()))
    stats = server.stats()
    assert {r.trajectory.stop_reason for r in found} == {StopReason.USER_STOP}
    assert stats[fault] == sum(c.usage.retries for r in found for c in r.model_calls) > 0
    assert stats["requests"] == stats[fault] + sum(len(r.model_calls) for r in found)


def test_half_a_call_is_told_back_and_the_record_shows_no_trace_of_it(server):
    server.set(fault={"malformed": 0.3})
    found = played(RolloutRecipe(agent=server.endpoint(), max_retries=9))
    ended = played(RolloutRecipe(agent=server.endpoint(), max_retries=0))
    broken = [call for recorded in found for call in recorded.model_calls if call.malformed]
    assert broken
    assert all("no JSON" in call.malformed for call in broken)
    for task, recorded in zip(shop_tasks(), found, strict=True):
        assert recorded.trajectory.changes == task.gold_changes
        assert recorded.trajectory.messages == play(
            task, shop(), RolloutRecipe(agent={"error_rate": 0.0}), trial=0, seed=1).messages
    reasons = {(r.trajectory.stop_reason, r.trajectory.error_type) for r in ended}
    assert (StopReason.MALFORMED_REPLY, ErrorType.AGENT) in reasons


@pytest.mark.parametrize("fault", ["hang", "slow"])
def test_an_answer_that_does_not_come_whole_in_time_is_given_up(server, fault):
    limits = LIMITS._replace(timeout_s=0.3, retries=1)
    server.set(fault={fault: 1.0}, slow=20)
    found = played(RolloutRecipe(agent=server.endpoint()), limits)
    for recorded in found:
        trajectory = recorded.trajectory
        assert (trajectory.stop_reason, trajectory.error_type) == (StopReason.CHAT_FAILED, ErrorType.INFRASTRUCTURE)
        assert trajectory.error_detail == "agent: EndpointError: no whole answer in time, attempt 2"


def test_a_refusal_is_not_repeated(server):
    server.set()
    endpoint = server.endpoint(base_url=server.base_url.replace("/v1", "/nowhere"))

    async def ask() -> None:
        chat = EndpointChat(endpoint, Server(endpoint, LIMITS))
        await chat.reply(OPENING, [], Sampling())

    with pytest.raises(EndpointError, match=r"status 404.*attempt 1"):
        asyncio.run(ask())


@pytest.mark.parametrize(("said", "whose"), [
    ("status 400: {\"message\":\"This model's maximum context length is 64 tokens.\"}, attempt 1", ErrorType.AGENT),
    ("status 400: no such parameter, attempt 1", ErrorType.INFRASTRUCTURE),
    ("status 500: maximum context length, attempt 9", ErrorType.INFRASTRUCTURE),
])  # fmt: skip
def test_a_conversation_that_outgrows_the_model_is_its_side_s_failure(server, monkeypatch, said, whose):
    async def refuse(*_: object) -> None:
        raise EndpointError(said)

    monkeypatch.setattr(Server, "complete", refuse)
    found = played(RolloutRecipe(agent=server.set(*ROWS).endpoint()), tasks=shop_tasks()[:1])
    assert found[0].trajectory.error_type == whose


class Echo(BaseHTTPRequestHandler):
    """Refuses every request and repeats the key that came with it."""

    def answer(self) -> None:
        body = f"what is {self.headers['Authorization']}?".encode()
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


def test_a_server_that_repeats_the_key_does_not_bring_it_into_the_record(monkeypatch):
    monkeypatch.setenv("PLANTED", "sk-planted-key")
    echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    base_url = f"http://127.0.0.1:{echo.server_port}/v1"
    try:
        endpoint = Endpoint(model="fake", base_url=base_url, api_key_env="PLANTED")
        recorded = played(RolloutRecipe(agent=endpoint), tasks=[task_named("total")])[0]
        with pytest.raises(ConfigError, match="refuses the key") as refused:
            check_endpoint("agent", endpoint)
    finally:
        echo.shutdown()
        echo.server_close()
    assert "status 403: what is Bearer …?" in recorded.trajectory.error_detail
    assert "sk-planted-key" not in recorded.trajectory.model_dump_json() + str(refused.value)


def test_credentials_in_an_address_are_refused_and_not_repeated(tmp_path):
    endpoint = {"kind": "openai", "model": "m", "base_url": "https://me:hidden@example.org/v1"}
    with pytest.raises(ConfigError, match=r"rollout\.agent\.base_url: .*api_key_env") as refused:
        parse_config({"name": "n", "rollout": {"agent": endpoint}}, base=tmp_path)
    assert "hidden" not in str(refused.value)


def test_no_more_calls_are_in_flight_than_the_limit_says(server):
    server.set(latency=0.05)
    played(RolloutRecipe(agent=server.endpoint()), LIMITS._replace(in_flight=2))
    assert server.stats()["most_in_flight"] == 2


def test_both_sides_may_be_models_and_a_bad_user_is_told_apart_from_a_bad_agent(server):
    good, bad = task_named("address"), task_named("total")
    words = [m.content for m in play(good, shop(), RolloutRecipe(agent={"error_rate": 0.0}), trial=0, seed=1).messages
             if m.role == "user"]
    lines = [user_row(good, *words), user_row(bad, bad.intent.opening, "My order is 987654.", STOP)]
    server.set(*lines)
    kept, dropped = (r.trajectory for r in played(
        RolloutRecipe(agent=server.endpoint(), user=server.endpoint(model="person")), tasks=[good, bad]))
    assert (kept.stop_reason, kept.error_type, kept.user) == (StopReason.USER_STOP, ErrorType.NONE, "person")
    assert kept.changes == good.gold_changes
    assert dropped.error_type is ErrorType.USER
    assert dropped.error_detail == "invented_fact: '987654' is nothing that it knows"


def test_waits_double_and_follow_the_server_s_word():
    plain, asked = Refused(503, "no", {}), Refused(429, "no", {"Retry-After": "7"})
    random.seed(1)
    waits = [wait_s(attempt, plain, 60) for attempt in range(8)]
    assert all(0.5 * 2**i <= wait <= 0.625 * 2**i for i, wait in enumerate(waits[:7]))
    assert waits[7] == 60
    assert 7 <= wait_s(0, asked, 60) <= 8.75
    assert wait_s(0, asked, 3) == 3
    assert retry_after_s({"Retry-After": formatdate(time.time() + 100)}) == pytest.approx(100, abs=2)
    assert retry_after_s({"Retry-After": "soon"}) is retry_after_s({}) is None


def test_what_is_wrong_with_an_endpoint_is_said_before_anything_is_played(server, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    server.set()
    check_endpoint("agent", server.endpoint())
    cases = [
        (server.endpoint(base_url=nobody), r"rollout\.agent\.base_url: no server answers at http://127"),
        (server.endpoint(model="qwen"), r"rollout\.agent\.model: .* has no model 'qwen'; it has fake"),
        (server.endpoint(api_key_env="NO_SUCH_KEY"), "NO_SUCH_KEY is not set"),
    ]
    for endpoint, message in cases:
        with pytest.raises(ConfigError, match=message):
            check_endpoint("agent", endpoint)


def test_where_a_server_is_does_not_change_what_a_run_is(server):
    server.set()
    here = server.endpoint(api_key_env="KEY", prompt_price=3)
    there = here.model_copy(update={"base_url": "http://10.0.0.1/v1", "api_key_env": "", "prompt_price": 0.0})
    identities = [RolloutRecipe(agent=agent).identity() for agent in (here, there)]
    assert identities[0] == identities[1]
    assert RolloutRecipe(agent=here.model_copy(update={"temperature": 0.1})).identity() != identities[0]
    assert "base_url" not in str(list(itertools.chain(identities)))
