"""A worker's conversations: hundreds in flight in one loop, each recorded exactly once, whatever the server does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fake_server import FakeServer, agent_row, fake_server
from rayscaler.errors import TableNotFound
from rayscaler.recipes import RolloutRecipe
from rayscaler.resources import Resources
from rayscaler.runtime.conversations import JOURNAL, Conversations, Kept, Terms, shards_at_once, share
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.openai_chat import CallLimits
from rayscaler.runtime.store import Ref, Store
from rayscaler.tables import ENVIRONMENTS
from rayscaler.trajectory import ErrorType, StopReason, Trajectory
from shop_tasks import shop, shop_tasks

LIMITS = CallLimits(in_flight=40, timeout_s=5, retries=20, longest_wait_s=0.05)
HOSTS = {shop().spec.environment_id: shop()}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with fake_server() as started:
        yield started.set(*(agent_row(task, shop()) for task in shop_tasks()))


def conversations(
    server: FakeServer, folder: Path, *, trials: int, limits: CallLimits = LIMITS, hosts: Any = HOSTS
) -> Conversations:
    recipe = RolloutRecipe(trials=trials, max_retries=9, agent=server.endpoint(prompt_price=2.0, completion_price=8.0))
    return Conversations(recipe, 1, hosts, Store(str(folder)), Terms(limits, "run"))


def trajectories(played: list[Kept]) -> list[Trajectory]:
    return [Trajectory.model_validate_json(kept.row["trajectory"]) for kept in played]


def journal(folder: Path) -> list[str]:
    """The trajectories in the journal, by file."""
    return sorted(path.stem for path in (folder / JOURNAL / "run").glob("*/*.json"))


def kill_after(n: int, server: FakeServer, folder: Path) -> None:
    """SIGKILL the server once `n` conversations have ended."""
    deadline = time.monotonic() + 60
    while len(journal(folder)) < n and time.monotonic() < deadline:
        time.sleep(0.01)
    server.process.kill()


def test_whatever_fails_for_a_moment_every_conversation_is_recorded_once_and_reaches_its_goal(server, tmp_path):
    server.set(latency=0.02, fault={"429": 0.05, "500": 0.05, "drop": 0.05, "malformed": 0.05, "slow": 0.05}, slow=0.2)
    worker = conversations(server, tmp_path, trials=24)
    halves = [shop_tasks()[:3], shop_tasks()[3:]]
    with ThreadPoolExecutor(2) as shards:
        played = [kept for half in shards.map(worker.play, halves) for kept in half]
    worker.close()
    wanted = [(task.task_id, trial) for task in shop_tasks() for trial in range(24)]
    assert [(kept.row["task_id"], kept.row["trial"]) for kept in played] == wanted
    assert len({kept.row["trajectory_id"] for kept in played}) == 120
    gold = {task.task_id: task.gold_changes for task in shop_tasks()}
    assert all(trajectory.changes == gold[trajectory.task_id] for trajectory in trajectories(played))
    assert {kept.row["stop_reason"] for kept in played} == {StopReason.USER_STOP}
    stats, rows = server.stats(), [row for kept in played for row in kept.model_calls]
    assert stats["most_in_flight"] <= LIMITS.in_flight
    assert stats["requests"] == len(rows) + sum(row["retries"] for row in rows)
    assert sum(bool(row["malformed"]) for row in rows) <= stats["malformed"]
    assert all(row["cost"] == (2 * row["prompt_tokens"] + 8 * row["completion_tokens"]) / 1e6 > 0 for row in rows)


def test_a_server_that_is_gone_for_good_leaves_a_record_of_every_conversation_and_what_ended_is_not_played_again(
    server, tmp_path
):
    server.set(latency=0.05)
    limits = LIMITS._replace(in_flight=5, retries=1)
    worker = conversations(server, tmp_path, trials=6, limits=limits)
    with ThreadPoolExecutor(1) as background:
        done = background.submit(kill_after, 3, server, tmp_path)
        played = worker.play(shop_tasks())
        done.result()
    worker.close()
    assert len(played) == 30
    failed = {i for i, kept in enumerate(played) if kept.row["error_type"] == ErrorType.INFRASTRUCTURE}
    assert 0 < len(failed) < 30
    assert {played[i].row["stop_reason"] for i in failed} == {StopReason.CHAT_FAILED}
    assert journal(tmp_path) == sorted(k.row["trajectory_id"] for i, k in enumerate(played) if i not in failed)

    with fake_server() as second:
        second.set(*(agent_row(task, shop()) for task in shop_tasks()))
        worker = conversations(second, tmp_path, trials=6, limits=limits)
        again = worker.play(shop_tasks())
        worker.close()
        asked = sum(len(again[i].model_calls) for i in failed)
        assert second.stats()["requests"] == asked
    assert {kept.row["stop_reason"] for kept in again} == {StopReason.USER_STOP}
    assert [kept for i, kept in enumerate(again) if i not in failed] == [
        kept for i, kept in enumerate(played) if i not in failed]


def test_a_conversation_that_cannot_be_played_is_recorded_with_its_reason_and_the_others_go_on(server, tmp_path):
    server.set()
    first, second, third = shop_tasks()[:3]
    stray = second.model_copy(update={"environment_id": "elsewhere"})
    worker = conversations(server, tmp_path, trials=1, hosts={**HOSTS, "elsewhere": shop()})
    played = worker.play([first, stray, third])
    worker.close()
    assert [kept.row["stop_reason"] for kept in played] == [
        StopReason.USER_STOP, StopReason.ENVIRONMENT_FAILED, StopReason.USER_STOP]
    lost = trajectories(played)[1]
    assert (lost.task_id, lost.error_type, lost.messages) == (stray.task_id, ErrorType.INFRASTRUCTURE, ())
    assert f"task {stray.task_id} is of elsewhere" in lost.error_detail
    assert journal(tmp_path) == sorted(played[i].row["trajectory_id"] for i in (0, 2))


def test_what_is_wrong_with_the_run_itself_ends_the_shard(server, tmp_path):
    server.set()
    store, nothing = Store(str(tmp_path)), Ref(ENVIRONMENTS, "0" * 16)
    worker = conversations(server, tmp_path, trials=1, hosts=Hosts(store, nothing))
    with pytest.raises(TableNotFound, match="environments"):
        worker.play(shop_tasks())
    worker.close()


def test_shards_in_work_hold_three_times_the_conversations_that_may_be_in_flight():
    limits = LIMITS._replace(in_flight=500)
    assert shards_at_once(limits, 1, 32) == 2 + 46      # 48 shards of 32: 1,536 conversations
    assert shards_at_once(limits, 2, 128) == 2 + 23     # two servers: 1,000 seats
    assert shards_at_once(limits._replace(in_flight=1), 1, 32) == 2


def test_what_one_worker_has_ended_another_one_that_was_there_before_takes_over(server, tmp_path):
    server.set()
    one, other = (conversations(server, tmp_path, trials=1) for _ in range(2))
    played = one.play(shop_tasks())
    asked = server.stats()["requests"]
    assert other.play(shop_tasks()) == played
    assert server.stats()["requests"] == asked > 0
    one.close()
    other.close()


def test_the_workers_shares_never_exceed_the_limit():
    for limit in (1, 7, 256):
        for n_workers in range(1, min(limit, 9) + 1):
            assert 1 <= share(Resources(model_calls=limit), n_workers).in_flight <= limit / n_workers
