"""Hosts of sessions: what they answer twice, what they forget, and what a killed one loses (nothing)."""

from __future__ import annotations

import os
import pickle
import signal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.errors import HostError, TableNotFound
from rayscaler.runtime.fleet import Fleet
from rayscaler.runtime.hosts import Hosts
from rayscaler.runtime.session_host import Request, SessionHost
from rayscaler.runtime.store import Ref, Store
from rayscaler.stages.materialize import environment_row
from rayscaler.table import to_arrow
from rayscaler.tables import ENVIRONMENTS
from shop import SHOP

SHOPS = {"shop": HostedEnvironment(SHOP), "small": HostedEnvironment(SHOP, rows=4)}


class WithPoison(dict):
    """Environments of which one ends every process that hosts it."""

    def __getitem__(self, environment_id: str) -> HostedEnvironment:
        if environment_id == "poison":
            os._exit(1)
        return super().__getitem__(environment_id)


def plan(seed: int, n: int, environment: str = "shop") -> list[tuple[str, dict[str, Any]]]:
    """Calls that write, read and fail, about rows that are there."""
    session = SHOPS[environment].start(seed)
    customers, products = session.rows("customers"), session.rows("products")
    made: list[tuple[str, dict[str, Any]]] = []
    for i in range(n):
        customer_id = customers[i % len(customers)]["customer_id"]
        made.append([
            ("create_order", {"customer_id": customer_id}),
            ("list_orders", {"customer_id": customer_id}),
            ("get_order", {"order_id": f"ord-{i}"}),
            ("update_customer", {"customer_id": customer_id, "city": f"City {i}"}),
            ("list_products", {"category": products[0]["category"]}),
        ][i % 5])
    return made


def played(environment: str, seed: int, calls: list[tuple[str, dict[str, Any]]]) -> tuple[list[Any], str]:
    session = SHOPS[environment].start(seed)
    return [session.call(*call) for call in calls], session.digest()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["once", "twice", "host dies", "reply is lost", "life"]), min_size=1, max_size=8))
def test_whatever_happens_between_requests_each_call_is_done_once(events):
    host, life, number, done = SessionHost(SHOPS), 0, 0, []
    calls = plan(3, 2 * len(events))
    for i, event in enumerate(events):
        if event == "host dies":
            host = SessionHost(SHOPS)
        if event == "life":
            life, done = life + 1, []
        request = Request("s", "shop", 3, life, number, len(done), tuple(calls[2 * i : 2 * i + 2]), look=("digest",))
        number += 1
        reply = host.run([request])[0]
        if reply.lost:
            assert event == "host dies" or events[i - 1] == "reply is lost"
            reply = host.run([request._replace(history=tuple(done))])[0]
        if event == "twice":
            assert host.run([pickle.loads(pickle.dumps(request))]) == [reply]
        if event == "reply is lost":
            # The owner never learned of these calls: they did not happen for it, and so not for the host.
            continue
        done += request.calls
        results, digest = played("shop", 3, done)
        assert (list(reply.results), reply.value) == (results[-2:], digest)


def test_what_fails_in_one_session_leaves_the_others_alone():
    host = SessionHost(SHOPS)
    good = Request("a", "shop", 1, 0, 0, 0, (("list_products", {}),))
    replies = host.run([good, Request("b", "nowhere", 1, 0, 0, 0), good._replace(session="c", look=("burn",))])
    assert replies[0].results[0].ok
    assert isinstance(replies[1].failure, KeyError)
    assert "no look 'burn'" in str(replies[2].failure)
    assert host.n_sessions() == 1


def test_a_host_finds_its_environments_in_a_run_after_it_was_sent_elsewhere(tmp_path):
    store, ref = Store(str(tmp_path)), Ref(ENVIRONMENTS, "made")
    row = environment_row(SHOP, {"coherence": {"score": None}})
    store.write_part(ref, "part-0.parquet", to_arrow(ENVIRONMENTS, [row]))
    host = SessionHost(pickle.loads(pickle.dumps(Hosts(store, ref))))
    replies = host.run([Request("a", "shop", 1, 0, 0, 0, look=("digest",)), Request("b", "none", 1, 0, 0, 0)])
    assert replies[0].value == SHOPS["shop"].start(1).digest()
    assert isinstance(replies[1].failure, TableNotFound)


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_a_killed_host_is_replaced_and_loses_nothing_and_does_nothing_twice(ray_here):
    plans = {("shop", 1): plan(1, 20), ("shop", 2): plan(2, 20), ("small", 1): plan(1, 20, "small")}
    with Fleet(SHOPS, n_hosts=2) as fleet:
        names = {key: fleet.open(*key) for key in plans}
        answers: dict[tuple[str, int], list[Any]] = {key: [] for key in plans}
        for start in range(0, 20, 5):
            if start == 5:
                os.kill(fleet.host_pids()[0], signal.SIGKILL)
            batch = [(key, call) for key in plans for call in plans[key][start : start + 5]]
            results = fleet.call_many([(names[key], *call) for key, call in batch])
            for (key, _), result in zip(batch, results, strict=True):
                answers[key].append(result)
        for (environment, seed), calls in plans.items():
            results, digest = played(environment, seed, calls)
            assert answers[environment, seed] == results
            assert fleet.digest(names[environment, seed]) == digest
            here = SHOPS[environment].start(0)
            here.restore(fleet.snapshot(names[environment, seed]))
            assert here.digest() == digest
        first, session = names["shop", 1], SHOPS["shop"].start(1)
        fleet.reset(first)
        assert (fleet.changes(first), fleet.rows(first, "orders")) == ((), session.rows("orders"))
        os.kill(fleet.host_pids()[0], signal.SIGKILL)
        assert fleet.call(first, *plans["shop", 1][0]) == session.call(*plans["shop", 1][0])
        with pytest.raises(KeyError, match="nowhere"):
            fleet.digest(fleet.open("nowhere", 1))
        fleet.close([first])
        assert fleet.open("shop", 5)


@pytest.mark.ray
@pytest.mark.timeout(300)
def test_a_session_that_ends_every_host_is_given_up_and_the_others_live_on(ray_here):
    with Fleet(WithPoison(SHOPS), tries=2) as fleet:
        good, session = fleet.open("shop", 1), SHOPS["shop"].start(1)
        assert fleet.call(good, *plan(1, 1)[0]) == session.call(*plan(1, 1)[0])
        with pytest.raises(HostError, match="2 hosts in a row"):
            fleet.digest(fleet.open("poison", 1))
        assert fleet.digest(good) == session.digest()
