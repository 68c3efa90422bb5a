"""Distractors by hand, and words that fit several rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rayscaler.environment import Session
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.reasons import Reason
from rayscaler.tasks.distractors import count_distractors
from rayscaler.tasks.draft import Draft, Failed, Mention, RowName, know
from rayscaler.tasks.finding import telling
from rayscaler.tasks.walk import tool_graph
from shop import ORDERS, PRODUCTS, SHOP


@pytest.fixture
def session() -> Session:
    """Four products: two books and two things for the kitchen, at three prices."""
    session = HostedEnvironment(SHOP).start(7)
    products = session.rows("products")[:4]
    goods = [("books", 90.0), ("books", 80.0), ("kitchen", 90.0), ("kitchen", 20.0)]
    for row, (category, price) in zip(products, goods, strict=True):
        row.update(category=category, price=price)
    session.load_rows("products", products)
    return session


def told(session: Session, table: str, key: Any, *columns: str, parents: tuple[RowName, ...] = ()) -> Draft:
    draft = Draft(SHOP, tool_graph(SHOP, []), session, np.random.default_rng(0), 7)
    name, entity = RowName(table, key), SHOP.entity(table)
    row = draft.row(name)
    assert row is not None
    facts = tuple(know(draft, row[c], entity.column(c), entity, row=name) for c in columns)
    draft.mentions[name] = Mention("facts", facts, parents)
    return draft


def test_rows_that_all_but_one_fact_fit_are_distractors(session: Session):
    book = session.rows("products")[0]["product_id"]
    draft = told(session, "products", book, "category", "price")
    # The other book has the category, one thing for the kitchen the price, the other neither.
    assert count_distractors(draft, session, list(draft.mentions)) == 2


def test_a_row_told_by_its_key_has_no_distractors(session: Session):
    book = session.rows("products")[0]["product_id"]
    draft = told(session, "products", book, "product_id")
    assert count_distractors(draft, session, list(draft.mentions)) == 0


def test_words_that_fit_two_rows_are_refused(session: Session):
    book = session.rows("products")[0]["product_id"]
    draft = told(session, "products", book, "category")
    with pytest.raises(Failed) as failed:
        count_distractors(draft, session, list(draft.mentions))
    assert failed.value.reason is Reason.AMBIGUOUS


def test_rows_that_lie_elsewhere_are_distractors_and_not_ambiguous(session: Session):
    ann, bob = (RowName("customers", row["customer_id"]) for row in session.rows("customers")[:2])
    orders = session.rows("orders")[:3]
    for order, owner, status in zip(orders, (ann, bob, bob), ("pending", "pending", "delivered"), strict=True):
        order.update(customer_id=owner.key, status=status)
    session.load_rows("orders", orders)
    draft = told(session, "orders", orders[0]["order_id"], "status", parents=(ann,))
    assert count_distractors(draft, session, list(draft.mentions)) == 1
    draft = told(session, "orders", orders[0]["order_id"], "status")
    with pytest.raises(Failed):
        count_distractors(draft, session, list(draft.mentions))


def test_with_near_a_row_is_told_by_two_facts_of_which_neither_is_enough():
    rows = [{"title": "Oak desk", "category": "home", "price": 9.0}, {"title": "Bed", "category": "home", "price": 8.0},
            {"title": "Mug", "category": "work", "price": 9.0}]
    assert [c.name for c in telling(PRODUCTS, rows[0], tuple(rows[1:])) or ()] == ["title"]
    near = telling(PRODUCTS, rows[0], tuple(rows[1:]), near=True)
    assert {c.name for c in near or ()} == {"category", "price"}


def test_a_row_can_be_told_without_its_own_name():
    rows = [{"title": "Oak desk", "category": "home", "price": 9.0}, {"title": "Bed", "category": "work", "price": 8.0}]
    assert "title" not in [c.name for c in telling(PRODUCTS, rows[0], (rows[1],), without="title") or ()]
    assert telling(ORDERS, {"order_id": "ord-1"}, (), without="order_id") is None
