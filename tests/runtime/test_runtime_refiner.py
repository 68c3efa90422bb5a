"""Asking a model to better tasks: what is taken, what is not, what it costs, whatever the server does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from rayscaler.recipes import ComposeRecipe, RefineTasks
from rayscaler.refinement.problems import Kind
from rayscaler.runtime.answers import FOLDER
from rayscaler.runtime.openai_chat import CallLimits
from rayscaler.runtime.refiner import Refiner, Terms
from rayscaler.runtime.store import Store
from rayscaler.stages.compose import rephrased
from rayscaler.table import check_key, to_arrow
from rayscaler.tables import REFINEMENTS
from rayscaler.tasks.compose import compose
from scripted_model import COMPLETION_PRICE, PROMPT_PRICE, ScriptedModel, scripted_model
from shop_tasks import shop

LIMITS = CallLimits(in_flight=4, timeout_s=5, retries=4, longest_wait_s=0.02)
TOOLS = [tool.name for tool in shop().spec.tools]
TASKS = compose(shop(), [], ComposeRecipe(tasks=6, attempts=20), seed=5).tasks
ATTEMPTS = 3


def refined(server: ScriptedModel, folder: Path, *, limits: CallLimits = LIMITS, failures: int = 8):
    refiner = Refiner(server.endpoint(RefineTasks, attempts=ATTEMPTS), Terms(limits, failures, Store(str(folder))))
    tasks, rows = rephrased(TASKS, TOOLS, refiner)
    refiner.close()
    check_key(REFINEMENTS, to_arrow(REFINEMENTS, rows))
    assert [row["subject"] for row in rows] == [task.task_id for task in TASKS]
    return tasks, rows


def spent(rows: list[dict]) -> float:
    return sum(row["cost"] - row["cached_cost"] for row in rows)


def agrees(rows: list[dict], server: ScriptedModel) -> bool:
    """Whether the ledger has, to the token, what the server has counted since it started."""
    sums = {name: sum(row[name] for row in rows) for name in ("requests", "prompt_tokens", "completion_tokens")}
    known = sum(row["cached_tokens"] for row in rows)
    money = (server.seen["prompt_tokens"] * PROMPT_PRICE + server.seen["completion_tokens"] * COMPLETION_PRICE) / 1e6
    both = server.seen["prompt_tokens"] + server.seen["completion_tokens"]
    return (sums["requests"] == server.seen["requests"] and abs(spent(rows) - money) < 1e-9
            and sums["prompt_tokens"] + sums["completion_tokens"] - known == both)


def test_good_words_are_taken_and_only_the_words_change(tmp_path):
    with scripted_model("good") as server:
        tasks, rows = refined(server, tmp_path)
        assert agrees(rows, server)
        assert server.seen["requests"] == len(TASKS)
    assert {row["status"] for row in rows} == {"accepted"}
    for before, after, row in zip(TASKS, tasks, rows, strict=True):
        wanted = f"Good day to you. {before.intent.opening} Many thanks in advance."
        assert (row["before"], row["after"]) == (before.intent.opening, wanted)
        intent = before.intent.model_copy(update={"opening": wanted})
        assert after == before.model_copy(update={"intent": intent})


@pytest.mark.parametrize(("persona", "kinds"), [
    ("bad", {Kind.LOSES, Kind.INVENTS}), ("off_schema", {Kind.UNREADABLE, Kind.OFF_SCHEMA}),
    ("hostile", {Kind.UNREADABLE, Kind.UNFIT}),
])  # fmt: skip
def test_what_does_not_pass_is_asked_for_a_bounded_number_of_times_and_the_template_stands(persona, kinds, tmp_path):
    with scripted_model(persona) as server:
        tasks, rows = refined(server, tmp_path)
        assert agrees(rows, server)
        assert server.seen["requests"] == ATTEMPTS * len(TASKS)
    assert tasks == TASKS
    assert {row["status"] for row in rows} == {"refused"}
    assert {row["reason"] for row in rows} <= kinds
    assert all(row["attempts"] == ATTEMPTS and len(row["problems"]) >= ATTEMPTS for row in rows)
    assert all(row["after"] == row["before"] for row in rows)


def test_a_model_that_mends_what_it_is_told_is_taken_at_its_second_word(tmp_path):
    with scripted_model("mending") as server:
        _, rows = refined(server, tmp_path)
        assert agrees(rows, server)
    assert {(row["status"], row["attempts"]) for row in rows} == {("accepted", 2)}
    assert all(row["problems"] for row in rows)


def test_a_server_that_fails_every_other_time_is_asked_again_and_all_is_counted(tmp_path):
    with scripted_model("flaky") as server:
        _, rows = refined(server, tmp_path)
        assert agrees(rows, server)
        assert server.seen["requests"] >= 2 * len(TASKS)
    assert {row["status"] for row in rows} == {"accepted"}


def test_a_server_that_never_answers_costs_a_bounded_time_and_the_template_stands(tmp_path):
    limits = LIMITS._replace(timeout_s=0.2, retries=1, in_flight=1)
    began = time.monotonic()
    with scripted_model("silent") as server:
        tasks, rows = refined(server, tmp_path, limits=limits, failures=2)
        assert sum(row["requests"] for row in rows) == server.seen["requests"] == 4
    assert time.monotonic() - began < 10
    assert tasks == TASKS
    assert {row["status"] for row in rows} == {"failed"}
    assert sorted(row["reason"] for row in rows) == ["no_answer"] * 2 + ["not_asked"] * (len(TASKS) - 2)


@pytest.mark.parametrize("persona", ["good", "bad", "off_schema", "hostile", "mending"])
def test_the_same_questions_cost_nothing_a_second_time_and_give_the_same_tasks(persona, tmp_path):
    with scripted_model(persona) as server:
        first, rows = refined(server, tmp_path)
        before = server.seen.total()
        again, known = refined(server, tmp_path)
        assert server.seen.total() == before
    assert again == first
    assert spent(known) == 0
    told = ("subject", "status", "reason", "problems", "attempts", "completion_tokens", "cost", "after")
    assert [[row[name] for name in told] for row in known] == [[row[name] for name in told] for row in rows]
    assert all(row["cached"] == row["attempts"] and row["requests"] == 0 for row in known)


def test_what_was_answered_before_a_kill_is_not_asked_again(tmp_path):
    with scripted_model("good") as server:
        first, _ = refined(server, tmp_path)
        kept = sorted((tmp_path / FOLDER).rglob("*.json"))
        assert len(kept) == len(TASKS)
        for file in kept[:2]:
            file.unlink()
        again, rows = refined(server, tmp_path)
        assert server.seen["requests"] == len(TASKS) + 2
    assert again == first
    assert sum(row["requests"] for row in rows) == 2


def test_two_questions_with_the_same_words_are_one_request(tmp_path):
    with scripted_model("good") as server:
        refiner = Refiner(server.endpoint(RefineTasks), Terms(LIMITS, 8, Store(str(tmp_path))))
        _, rows = rephrased([TASKS[0]] * 5, TOOLS, refiner)
        refiner.close()
        assert server.seen["requests"] == 1
        assert agrees(rows, server)


def test_the_schema_is_sent_for_guided_decoding_unless_the_recipe_says_no(tmp_path):
    with scripted_model("good") as server:
        refined(server, tmp_path)
        forms = [body["response_format"] for body in server.asked]
    assert {form["type"] for form in forms} == {"json_schema"}
    assert forms[0]["json_schema"]["schema"]["required"] == ["text"]
    assert len({body["seed"] for body in server.asked}) == len(TASKS)
