"""Five tasks on the shop, written by hand; their answers and changes come from running them, so they stay true."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.rollouts.script import at_path
from rayscaler.task import Answer, ArgumentSource, Fact, GoldCall, Intent, Task
from shop import SHOP

SEED = 7


class Plan(NamedTuple):
    """A task before it is run. Argument values: `fact:NAME`, `CALL:PATH` (an earlier output) or a constant."""

    name: str
    opening: str
    facts: tuple[Fact, ...]
    calls: tuple[tuple[str, dict[str, Any]], ...]
    answers: tuple[tuple[int, tuple[str | int, ...]], ...] = ()


@cache
def shop() -> HostedEnvironment:
    return HostedEnvironment(SHOP)


@cache
def shop_tasks() -> tuple[Task, ...]:
    """Cancel an order; total of an order; new order with an item; new address; a price and a phone number."""
    return tuple(_run(plan) for plan in _plans())


def task_named(name: str) -> Task:
    return next(task for task in shop_tasks() if task.task_id == name)


def _plans() -> list[Plan]:
    session = shop().start(SEED)
    customers, orders, products = (session.rows(t) for t in ("customers", "orders", "products"))
    session.close()
    by_id = {row["customer_id"]: row for row in customers}
    pending = next(row for row in orders if row["status"] == "pending")
    last = next(row for row in reversed(orders) if by_id[row["customer_id"]]["phone"])
    buyer, reader = by_id[pending["customer_id"]], by_id[last["customer_id"]]
    product = next(row for row in products if row["stock"] >= 3)
    shelf = [row for row in products if row["category"] == product["category"]]
    place = shelf.index(product)
    mine = [row for row in orders if row["customer_id"] == reader["customer_id"]]
    open_orders = [row for row in orders if row["customer_id"] == buyer["customer_id"] and row["status"] == "pending"]

    def email(row: dict[str, Any]) -> Fact:
        return Fact(name="email", value=row["email"], text=row["email"])

    def known(name: str, value: Any, text: str | None = None, said: bool = False) -> Fact:
        return Fact(name=name, value=value, text=text or str(value), said=said)

    find = ("search_customers", {"query": "fact:email"})
    customer = (0, ("customers", 0, "customer_id"))
    return [
        Plan(
            "cancel",
            f"Hello, I have an order that has not been sent yet and I want to cancel it. My email is {buyer['email']}.",
            (email(buyer), known("cancel_reason", "ordered by mistake", "ordered by mistake")),
            (find, ("list_orders", {"customer_id": customer, "status": "pending"}),
             ("cancel_order", {"order_id": (1, ("orders", open_orders.index(pending), "order_id")),
                               "cancel_reason": "fact:cancel_reason"})),
        ),
        Plan(
            "total", "Hi there. What does my latest order come to, and where is it at?",
            (known("email", reader["email"]),),
            (find, ("list_orders", {"customer_id": customer}),
             ("get_order", {"order_id": (1, ("orders", len(mine) - 1, "order_id"))})),
            ((2, ("total",)), (2, ("status",))),
        ),
        Plan(
            "order", f"Good morning! Please send me three of something from {product['category']}, I will "
            f"tell you what. I'm registered as {buyer['email']}.",
            (email(buyer), known("category", product["category"], said=True), known("quantity", 3, "three", said=True),
             known("delivery_date", "2026-02-03", "3 February 2026"), known("product_title", product["title"])),
            (find, ("list_products", {"category": "fact:category"}),
             ("create_order", {"customer_id": customer, "delivery_date": "fact:delivery_date"}),
             ("add_order_item", {"order_id": (2, ("order_id",)), "product_id": (1, ("products", place, "product_id")),
                                 "quantity": "fact:quantity"})),
        ),
        Plan(
            "address", f"I have moved and need my address changed. You know me as {reader['email']}.",
            (email(reader), known("street", "14 Mill Lane"), known("city", "Norwich"), known("postcode", "NR1 3QA")),
            (find, ("update_customer", {"customer_id": customer, "street": "fact:street", "city": "fact:city",
                                        "postcode": "fact:postcode"})),
        ),
        Plan(
            "price", f"How much is \"{product['title']}\" from {product['category']}, and which phone number do you "
            f"have for {reader['email']}?", (email(reader), known("category", product["category"], said=True)),
            (("list_products", {"category": "fact:category"}), find),
            ((0, ("products", place, "price")), (1, ("customers", 0, "phone"))),
        ),
    ]


def _run(plan: Plan) -> Task:
    session, gold = shop().start(SEED), list[GoldCall]()
    facts = {fact.name: fact for fact in plan.facts}
    for tool, bound in plan.calls:
        arguments, sources = {}, {}
        for name, value in bound.items():
            if isinstance(value, tuple):
                call, path = value
                arguments[name] = at_path(gold[call].value, path)
                sources[name] = ArgumentSource(kind="output", call=call, path=path)
            elif isinstance(value, str) and value.startswith("fact:"):
                fact = facts[value.removeprefix("fact:")]
                arguments[name], sources[name] = fact.value, ArgumentSource(kind="fact", fact=fact.name)
            else:
                arguments[name], sources[name] = value, ArgumentSource(kind="constant")
        result = session.call(tool, arguments)
        assert result.ok, f"{plan.name}: {tool}: {result.error}"
        gold.append(GoldCall(tool=tool, arguments=arguments, sources=sources, value=result.value,
                             writes=bool(result.changes), changes=result.changes))
    changes = session.changes()
    session.close()
    answers = [(call, path, at_path(gold[call].value, path)) for call, path in plan.answers]
    return Task(
        task_id=plan.name, environment_id=SHOP.environment_id, seed=SEED, split="train",
        kind="mixed" if changes else "read", intent=Intent(opening=plan.opening, facts=plan.facts), gold=tuple(gold),
        gold_changes=changes, answers=tuple(Answer(call=c, path=p, value=v, text=str(v)) for c, p, v in answers),
    )
