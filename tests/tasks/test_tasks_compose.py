"""Laws of composed tasks, on the shop: what a task promises is tried out on a fresh copy."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from rayscaler.canonical import dumps
from rayscaler.changes import same_changes
from rayscaler.environment import Session
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.reasons import Reason
from rayscaler.recipes import ComposeRecipe
from rayscaler.task import Task
from rayscaler.tasks.compose import Composed, compose
from shop import ORDERS, SHOP

RECIPE = ComposeRecipe(tasks=24, attempts=80)


@pytest.fixture(scope="module")
def shop() -> HostedEnvironment:
    return HostedEnvironment(SHOP)


@pytest.fixture(scope="module")
def composed(shop: HostedEnvironment) -> Composed:
    return compose(shop, [], RECIPE, seed=7)


def run(session: Session, task: Task, *, without: int = -1) -> list[Any]:
    return [session.call(c.tool, c.arguments) for i, c in enumerate(task.gold) if i != without]


def test_tasks_and_rejects_are_all_the_attempts(shop: HostedEnvironment):
    composed = compose(shop, [], ComposeRecipe(tasks=100, attempts=30), seed=3)
    assert len(composed.tasks) + len(composed.rejects) == 30
    assert len({r.key for r in composed.rejects}) == len(composed.rejects)
    assert all(r.key.startswith("shop/") and r.detail and r.reason in Reason for r in composed.rejects)


def test_there_are_tasks_of_every_kind_within_the_length_asked_for(composed: Composed):
    assert len(composed.tasks) == 24
    assert set(Counter(t.kind for t in composed.tasks)) == {"read", "write", "mixed"}
    assert all(RECIPE.min_calls <= t.n_calls <= RECIPE.max_calls for t in composed.tasks)
    assert len({t.task_id for t in composed.tasks}) == 24


def test_a_replay_gives_the_same_answers_changes_and_state(shop: HostedEnvironment, composed: Composed):
    for task in composed.tasks:
        session = shop.start(task.seed)
        results = run(session, task)
        assert dumps([r.value for r in results]) == dumps([c.value for c in task.gold])
        assert session.changes() == task.gold_changes
        assert [r.changes for r in results] == [c.changes for c in task.gold]
        session.close()


def test_every_write_is_necessary(shop: HostedEnvironment, composed: Composed):
    for task in composed.tasks:
        for i, call in enumerate(task.gold):
            if not call.writes:
                continue
            session = shop.start(task.seed)
            failed = not all(r.ok for r in run(session, task, without=i))
            assert failed or not same_changes(task.gold_changes, session.changes(), SHOP.identity)
            session.close()


def test_every_read_feeds_a_later_call_or_answers(composed: Composed):
    for task in composed.tasks:
        fed = {s.call for c in task.gold for s in c.sources.values() if s.kind == "output"}
        asked = {a.call for a in task.answers}
        assert all(call.writes or i in fed or i in asked for i, call in enumerate(task.gold))


def test_every_argument_comes_from_a_fact_an_earlier_answer_or_a_constant(composed: Composed):
    for task in composed.tasks:
        facts = {f.name: f.value for f in task.intent.facts}
        for i, call in enumerate(task.gold):
            assert set(call.sources) == set(call.arguments)
            for parameter, source in call.sources.items():
                if source.kind == "fact":
                    assert facts[source.fact] == call.arguments[parameter]
                elif source.kind == "output":
                    assert source.call < i
                    value = task.gold[source.call].value
                    for step in source.path:
                        value = value[step]
                    assert value == call.arguments[parameter]


def test_no_generated_id_is_in_the_users_words(shop: HostedEnvironment, composed: Composed):
    for task in composed.tasks:
        session = shop.start(task.seed)
        run(session, task)
        ids = {r[e.key] for e in SHOP.entities for r in session.rows(e.name)}
        session.close()
        said = task.intent.opening + task.intent.instructions
        assert not any(i in said for i in ids)
        assert not ids & {f.value for f in task.intent.facts}


def test_a_fact_is_in_the_opening_or_told_when_asked(composed: Composed):
    facts = [(t, f) for t in composed.tasks for f in t.intent.facts]
    assert all(f.text in t.intent.opening for t, f in facts if f.said)
    assert all(f.text in t.intent.instructions for t, f in facts)
    assert 0.5 < sum(f.said for _, f in facts) / len(facts) < 1


def test_two_values_never_share_a_text_in_one_task(composed: Composed):
    for task in composed.tasks:
        texts: dict[str, Any] = {}
        for fact in task.intent.facts:
            assert texts.setdefault(fact.text, fact.value) == fact.value


def test_an_answer_is_a_value_that_no_earlier_answer_and_no_fact_gave(composed: Composed):
    asked = [(t, a) for t in composed.tasks for a in t.answers]
    assert asked
    for task, answer in asked:
        value = task.gold[answer.call].value
        for step in answer.path:
            value = value[step]
        assert value == answer.value
        assert answer.text not in {f.text for f in task.intent.facts}


def test_the_users_words_name_no_tool_and_no_parameter(composed: Composed):
    names = {t.name for t in SHOP.tools} | {b.parameter for t in SHOP.tools for b in t.bindings if "_" in b.parameter}
    for task in composed.tasks:
        assert not any(n in task.intent.opening for n in names)


def test_a_person_does_not_undo_what_they_have_just_asked_for(composed: Composed):
    for task in composed.tasks:
        touched: set[str] = set()
        for call in task.gold:
            if call.tool in ("cancel_order", "delete_order_item"):
                assert not touched & set(map(str, call.arguments.values()))
            if call.writes:
                touched |= {str(v) for k, v in call.arguments.items() if k.endswith("_id")}


def test_an_order_of_a_task_belongs_to_the_customer_of_the_task(shop: HostedEnvironment, composed: Composed):
    for task in composed.tasks:
        session = shop.start(task.seed)
        run(session, task)
        owner = {r["order_id"]: r["customer_id"] for r in session.rows("orders")}
        named = {c.arguments["customer_id"] for c in task.gold if c.arguments.get("customer_id")}
        owners = {owner[c.arguments["order_id"]] for c in task.gold if "order_id" in c.arguments}
        assert not named or owners <= named
        session.close()


def test_same_seed_same_bytes_and_another_seed_other_tasks(composed: Composed):
    again = compose(HostedEnvironment(SHOP), [], RECIPE, seed=7)
    assert dumps([t.model_dump(mode="json") for t in again.tasks]) == dumps(
        [t.model_dump(mode="json") for t in composed.tasks]
    )
    assert again.rejects == composed.rejects
    other = compose(HostedEnvironment(SHOP), [], RECIPE, seed=8)
    assert {t.task_id for t in other.tasks}.isdisjoint(t.task_id for t in composed.tasks)


def test_an_attempt_does_not_depend_on_the_others(shop: HostedEnvironment, composed: Composed):
    few = compose(shop, [], ComposeRecipe(tasks=5, attempts=100), seed=7)
    assert few.tasks == composed.tasks[:5]


def test_write_share_decides_whether_tasks_write(shop: HostedEnvironment):
    reads = compose(shop, [], ComposeRecipe(tasks=10, attempts=60, write_share=0.0), seed=1).tasks
    assert reads
    assert all(t.kind == "read" and t.answers and not t.gold_changes for t in reads)
    writes = compose(shop, [], ComposeRecipe(tasks=10, attempts=60, write_share=1.0), seed=1).tasks
    assert len(writes) == 10
    assert all(t.n_writes >= 1 for t in writes)


def test_mixed_share_decides_whether_tasks_that_write_ask_too(shop: HostedEnvironment):
    for share, kind in ((0.0, "write"), (1.0, "mixed")):
        recipe = ComposeRecipe(tasks=6, attempts=30, write_share=1.0, mixed_share=share)
        kinds = [t.kind for t in compose(shop, [], recipe, seed=1).tasks]
        assert kinds.count(kind) >= len(kinds) - (kind == "mixed") * len(kinds) // 2, (share, kinds)
        assert kind in kinds


def test_long_tasks_are_a_knob(shop: HostedEnvironment):
    tasks = compose(shop, [], ComposeRecipe(tasks=5, attempts=100, min_calls=6, max_calls=12), seed=1).tasks
    assert tasks
    assert all(6 <= t.n_calls <= 12 for t in tasks)


def test_where_no_tool_finds_a_row_the_user_brings_its_id(shop: HostedEnvironment):
    spec = SHOP.model_copy(update={"tools": tuple(t for t in SHOP.tools if t.name in ("get_customer", "get_order"))})
    tasks = compose(HostedEnvironment(spec), [], ComposeRecipe(attempts=10), seed=1).tasks
    assert tasks
    for task in tasks:
        brought = {f.value for f in task.intent.facts}
        assert all(set(c.arguments.values()) <= brought or c.tool == "get_customer" for c in task.gold)


def test_an_environment_whose_calls_all_fail_gives_reasons_and_no_error():
    class Empty(HostedEnvironment):
        def start(self, seed: int) -> Any:
            session = super().start(seed)
            for entity in self.spec.entities:
                session.load_rows(entity.name, [])
            return session

    spec = SHOP.model_copy(update={"tools": tuple(t for t in SHOP.tools if not t.operator.writes)})
    composed = compose(Empty(spec), [], ComposeRecipe(attempts=10), seed=1)
    assert composed.tasks == []
    assert len(composed.rejects) == 10
    assert composed.tasks == []
    assert len(composed.rejects) == 10
    assert Reason.DEFECT not in {r.reason for r in composed.rejects}


def test_an_error_of_our_own_is_counted_by_its_name_and_ends_nothing():
    class Broken(HostedEnvironment):
        def start(self, seed: int) -> Any:
            raise KeyError("a bug")

    rejects = compose(Broken(SHOP), [], ComposeRecipe(attempts=3), seed=1).rejects
    assert [r.reason for r in rejects] == [Reason.DEFECT] * 3
    assert "KeyError('a bug') in test_tasks_compose.py" in rejects[0].detail


def test_some_tasks_have_distractors(composed: Composed):
    assert sum(t.n_distractors > 0 for t in composed.tasks) >= 3


def test_a_state_without_rows_gives_reasons_and_no_error():
    class Empty(HostedEnvironment):
        def start(self, seed: int) -> Any:
            session = super().start(seed)
            session.load_rows(ORDERS.name, [])
            return session

    composed = compose(Empty(SHOP), [], ComposeRecipe(attempts=20), seed=1)
    assert len(composed.tasks) + len(composed.rejects) >= 12
