"""Sessions: what a call gives and changes, and what snapshot, restore, fork and reset keep."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rayscaler.changes import RowChange, same_changes
from rayscaler.environment import Semantic, ToolErrorKind
from rayscaler.environments.hosting import HostedEnvironment
from shop import SHOP

ENVIRONMENT = HostedEnvironment(SHOP)
NOW = SHOP.now


@pytest.fixture
def session():
    return ENVIRONMENT.start(7)


def slowly_same(a: dict[str, list[dict[str, Any]]], b: dict[str, list[dict[str, Any]]], old: set[str]) -> bool:
    """Try every renaming of the new orders and items of `a` to those of `b`; compare whole databases as sorted text."""
    def new(state: dict[str, list[dict[str, Any]]], table: str, key: str) -> list[str]:
        return [row[key] for row in state[table] if row[key] not in old]

    def told(state: dict[str, list[dict[str, Any]]], names: dict[str, str]) -> list[str]:
        return sorted(repr((table, {k: names.get(v, v) if k.endswith("_id") else v for k, v in row.items()
                                    if k not in ("updated_at",)})) for table, rows in state.items() for row in rows)

    parts = [(new(a, *pair), new(b, *pair)) for pair in (("orders", "order_id"), ("order_items", "order_item_id"))]
    if any(len(mine) != len(theirs) for mine, theirs in parts):
        return False
    target = told(b, {})
    return any(told(a, dict([*zip(parts[0][0], orders, strict=True), *zip(parts[1][0], items, strict=True)])) == target
               for orders in permutations(parts[0][1]) for items in permutations(parts[1][1]))


STEPS = st.one_of(
    st.tuples(st.just("create_order"), st.integers(0, 1)), st.tuples(st.just("add_order_item"), st.integers(-2, -1)),
    st.tuples(st.just("update_customer"), st.integers(0, 1)), st.tuples(st.just("delete_order_item"), st.just(-1)),
)


def take(session: Any, name: str, number: int) -> None:
    """One call of the kind `name` about the row with this number."""
    arguments = {
        "create_order": lambda: {"customer_id": session.rows("customers")[number]["customer_id"]},
        "update_customer": lambda: {"customer_id": session.rows("customers")[number]["customer_id"], "city": "Ulm"},
        "add_order_item": lambda: {"order_id": session.rows("orders")[number]["order_id"], "quantity": 1,
                                   "product_id": session.rows("products")[0]["product_id"]},
        "delete_order_item": lambda: {"order_item_id": session.rows("order_items")[number]["order_item_id"]},
    }[name]()
    session.call(name, arguments)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=5), st.lists(STEPS, max_size=5), st.randoms())
def test_states_are_equal_exactly_when_a_renaming_of_new_rows_makes_them_so(one, other, random):
    shuffled = random.sample(one, len(one)) if random.random() < 0.6 else other
    a, b = ENVIRONMENT.start(4), ENVIRONMENT.start(4)
    old = {key for table in ("orders", "order_items") for row in a.rows(table) for key in row.values()}
    for session, steps in ((a, one), (b, shuffled)):
        for step in steps:
            take(session, *step)
    states = [{e.name: s.rows(e.name) for e in SHOP.entities} for s in (a, b)]
    assert (a.diff(b) == []) == slowly_same(states[0], states[1], old)


def test_sessions_from_different_starts_have_no_diff(session):
    with pytest.raises(ValueError, match=r"different states \(seeds 7 and 8\)"):
        session.diff(ENVIRONMENT.start(8))


def pending(session: Any) -> dict[str, Any]:
    return next(row for row in session.rows("orders") if row["status"] == "pending")


def test_a_write_gives_the_row_and_says_what_changed(session):
    order = pending(session)
    result = session.call("cancel_order", {"order_id": order["order_id"], "cancel_reason": "no longer needed"})
    assert result.value == {**order, "status": "cancelled", "cancel_reason": "no longer needed", "updated_at": NOW}
    assert result.changes == (RowChange(
        table="orders", op="update", key={"order_id": order["order_id"]},
        before={"status": "pending", "cancel_reason": None, "updated_at": order["updated_at"]},
        after={"status": "cancelled", "cancel_reason": "no longer needed", "updated_at": NOW},
    ),)
    assert session.changes() == result.changes


def test_a_read_changes_nothing_and_sees_what_was_written(session):
    customer = session.rows("customers")[3]
    created = session.call("create_order", {"customer_id": customer["customer_id"]}).value
    before = session.digest()
    assert session.call("get_order", {"order_id": created["order_id"]}).value == {**created, "items": [], "total": 0}
    listed = session.call("list_orders", {"customer_id": customer["customer_id"], "status": "pending"}).value["orders"]
    assert created in listed
    assert session.digest() == before


def test_generated_columns_are_filled_and_count_on(session):
    customer_id = session.rows("customers")[0]["customer_id"]
    ids = [session.call("create_order", {"customer_id": customer_id}).value["order_id"] for _ in range(3)]
    last = session.rows("orders")[-4]["order_id"]
    assert [int(i.removeprefix("ord-")) for i in ids] == [int(last.removeprefix("ord-")) + n for n in (1, 2, 3)]
    assert session.changes()[0].after["created_at"] == NOW


def test_an_insert_that_is_deleted_again_leaves_no_net_change(session):
    order, product = pending(session), next(p for p in session.rows("products") if p["stock"] > 3)
    added = session.call("add_order_item", {"order_id": order["order_id"], "product_id": product["product_id"],
                                            "quantity": 2})
    assert [(c.table, c.op) for c in added.changes] == [("order_items", "insert"), ("products", "update")]
    taken = session.call("delete_order_item", {"order_item_id": added.value["order_item_id"]})
    assert [(c.table, c.op) for c in taken.changes] == [("order_items", "delete"), ("products", "update")]
    assert session.changes() == ()


@pytest.mark.parametrize("call, kind, field, words", [
    (("get_order", {}), "invalid_argument", "order_id", "order_id is required"),
    (("get_order", {"order_id": 3}), "invalid_argument", "order_id", 'order_id: 3 is not of type "string"'),
    (("get_order", {"id": "x"}), "invalid_argument", "id", "there is no argument 'id'; the tool takes order_id"),
    (("get_order", {"order_id": "ord-0"}), "not_found", "order_id", "no order with order_id 'ord-0'"),
    (("create_order", {"customer_id": "cus-0"}), "not_found", "customer_id", "no customer with customer_id 'cus-0'"),
    (("list_orders", {"status": "lost"}), "invalid_argument", "status", "is not one of"),
    (("delete_everything", {}), "unknown_tool", "", "there is no tool 'delete_everything'"),
])
def test_an_error_names_the_argument_to_mend(session, call, kind, field, words):
    result = session.call(*call)
    assert (result.error.kind, result.error.field, result.changes) == (kind, field, ())
    assert words in result.error.message
    assert session.changes() == ()


def test_a_condition_that_does_not_hold_is_said(session):
    order = next(row for row in session.rows("orders") if row["status"] == "delivered")
    result = session.call("cancel_order", {"order_id": order["order_id"], "cancel_reason": "no longer needed"})
    assert result.error.kind is ToolErrorKind.PRECONDITION_FAILED
    assert result.to_json() == {"error": {
        "kind": "precondition_failed", "message": "only a pending order can be cancelled; this one is delivered",
    }}


def test_a_taken_unique_value_is_a_conflict_on_its_field(session):
    first, second = session.rows("customers")[:2]
    result = session.call("update_customer", {"customer_id": first["customer_id"], "email": second["email"]})
    assert (result.error.kind, result.error.field) == (ToolErrorKind.CONFLICT, "email")
    assert session.changes() == ()


def test_rows_come_as_python_values_by_key(session):
    rows = session.rows("customers")
    assert [r["customer_id"] for r in rows] == sorted(r["customer_id"] for r in rows)
    assert all(type(r["newsletter"]) is bool for r in rows)
    with pytest.raises(KeyError, match="no table 'clients'; there are customers"):
        session.rows("clients")


def test_the_digest_leaves_volatile_columns_out(session):
    customer = session.rows("customers")[0]
    before = session.digest()
    session.call("update_customer", {"customer_id": customer["customer_id"], "city": customer["city"] or "X"})
    session.call("update_customer", {"customer_id": customer["customer_id"], "city": customer["city"]})
    if customer["city"]:
        assert session.rows("customers")[0]["updated_at"] != customer["updated_at"]
        assert session.digest() == before
        assert same_changes(session.changes(), (), SHOP.identity)


def test_a_fork_goes_its_own_way_and_keeps_the_changes(session):
    customer_id = session.rows("customers")[0]["customer_id"]
    session.call("create_order", {"customer_id": customer_id})
    fork = session.fork()
    assert (fork.digest(), fork.changes()) == (session.digest(), session.changes())
    one, other = (s.call("create_order", {"customer_id": customer_id}).value for s in (session, fork))
    assert one == other
    fork.call("create_order", {"customer_id": customer_id})
    assert len(fork.changes()) == len(session.changes()) + 1


def test_a_snapshot_is_small_and_restores_rows_counters_and_changes(session):
    customer_id = session.rows("customers")[0]["customer_id"]
    session.call("create_order", {"customer_id": customer_id})
    state, digest, changes = session.snapshot(), session.digest(), session.changes()
    after = session.call("create_order", {"customer_id": customer_id})
    assert len(state) < 2_000
    for target in (session, ENVIRONMENT.start(99), HostedEnvironment(SHOP).start(1)):
        target.restore(state)
        assert (target.digest(), target.changes()) == (digest, changes)
        assert target.call("create_order", {"customer_id": customer_id}) == after


def test_a_snapshot_of_another_environment_or_other_rows_is_refused(session):
    other = HostedEnvironment(SHOP.model_copy(update={"environment_id": "other"})).start(7)
    with pytest.raises(ValueError, match="is of 'other', this is 'shop'"):
        session.restore(other.snapshot())
    with pytest.raises(ValueError, match="other rows"):
        session.restore(HostedEnvironment(SHOP, rows=5).start(7).snapshot())


def test_reset_goes_back_to_the_start_or_to_another_seed(session):
    start = session.digest()
    session.call("create_order", {"customer_id": session.rows("customers")[0]["customer_id"]})
    session.reset()
    assert (session.digest(), session.changes()) == (start, ())
    session.reset(8)
    assert session.digest() == ENVIRONMENT.start(8).digest() != start
    session.reset(7)
    assert session.digest() == start


def test_loaded_rows_are_the_new_start(session):
    given = [
        {"customer_id": "yusuf_9620", "name": "Yusuf", "email": "y@example.com", "newsletter": True},
        {"customer_id": "cus-9998", "name": "Ann", "email": "a@example.com", "newsletter": False, "city": "Bonn"},
    ]
    session.load_rows("customers", given)
    cities = [(r["customer_id"], r["city"]) for r in session.rows("customers")]
    assert cities == [("cus-9998", "Bonn"), ("yusuf_9620", None)]
    assert session.changes() == ()
    assert session.call("update_customer", {"customer_id": "yusuf_9620", "city": "Ulm"}).ok
    fork, state, digest = session.fork(), session.snapshot(), session.digest()
    session.reset()
    assert len(session.rows("customers")) == 2
    session.restore(state)
    assert session.digest() == fork.digest() == digest
    session.reset(7)
    assert len(session.rows("customers")) == 12
    with pytest.raises(ValueError, match="row 0: no column 'surname'"):
        session.load_rows("customers", [{"surname": "x"}])
    with pytest.raises(ValueError, match="needs a value for name"):
        session.load_rows("customers", [{"customer_id": "c"}])
    assert len(session.rows("customers")) == 12


def test_two_runs_agree_to_the_byte():
    def run() -> tuple[Any, ...]:
        session = HostedEnvironment(SHOP).start(11)
        customer, product = session.rows("customers")[0], session.rows("products")[0]
        order = session.call("create_order", {"customer_id": customer["customer_id"]})
        item = session.call("add_order_item", {"order_id": order.value["order_id"], "product_id": product["product_id"],
                                               "quantity": 1})
        return order, item, session.snapshot(), session.digest()

    assert run() == run()


def test_cascades_are_among_the_changes():
    drop = SHOP.tool("get_order").model_copy(update={
        "name": "drop_order", "code": "def drop_order(db, order_id: str):\n"
                                      "    return db.delete('orders', db.get('orders', order_id=order_id))\n"})
    session = HostedEnvironment(SHOP.model_copy(update={"tools": (drop,)})).start(2)
    order_id = session.rows("order_items")[0]["order_id"]
    gone = {r["order_item_id"] for r in session.rows("order_items") if r["order_id"] == order_id}
    result = session.call("drop_order", {"order_id": order_id})
    assert {next(iter(c.key.values())) for c in result.changes} == {order_id, *gone}
    fork = session.fork()
    assert (fork.digest(), fork.changes()) == (session.digest(), session.changes())


def test_json_and_boolean_columns_keep_their_values():
    column = SHOP.entity("products").column("title").model_copy(
        update={"name": "tags", "semantic": Semantic.JSON, "unique": False, "nullable": True})
    products = SHOP.entity("products").model_copy(update={"columns": (*SHOP.entity("products").columns, column)})
    tool = SHOP.tool("list_products").model_copy(update={
        "name": "tag", "bindings": (), "parameters": {"type": "object", "properties": {"tags": {}}},
        "code": "def tag(db, tags: list):\n    db.update('products', db.find('products')[0], tags=tags)\n"
                "    return db.find('products', tags=tags)\n"})
    entities = tuple(products if e.name == "products" else e for e in SHOP.entities)
    session = HostedEnvironment(SHOP.model_copy(update={"entities": entities, "tools": (tool,)})).start(1)
    for value in (["a", {"b": [1, None, True]}], {"x": 1.5}, "text", 0, False, []):
        result = session.call("tag", {"tags": value})
        assert [row["tags"] for row in result.value] == [value]
    assert result.changes[0].after == {"tags": "[]"}


class Shopping(RuleBasedStateMachine):
    """Random calls: per-call changes add up to the net changes, and the database is what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.session = ENVIRONMENT.start(4)
        self.digests: dict[str, str] = {}
        self.start = {e.name: self.stored(e.name) for e in SHOP.entities}

    def stored(self, table: str) -> dict[str, dict[str, Any]]:
        key = SHOP.entity(table).key
        return {row[key]: {k: int(v) if isinstance(v, bool) else v for k, v in row.items()}
                for row in self.session.rows(table)}

    @rule(i=st.integers(0, 30), j=st.integers(0, 30), n=st.integers(1, 3))
    def add(self, i: int, j: int, n: int) -> None:
        orders, products = self.session.rows("orders"), self.session.rows("products")
        self.call("add_order_item", order_id=orders[i % len(orders)]["order_id"],
                  product_id=products[j % len(products)]["product_id"], quantity=n)

    @rule(i=st.integers(0, 30))
    def take(self, i: int) -> None:
        items = self.session.rows("order_items")
        if items:
            self.call("delete_order_item", order_item_id=items[i % len(items)]["order_item_id"])

    @rule(i=st.integers(0, 30))
    def order(self, i: int) -> None:
        self.call("create_order", customer_id=self.session.rows("customers")[i % 12]["customer_id"])

    @rule(i=st.integers(0, 30))
    def cancel(self, i: int) -> None:
        orders = self.session.rows("orders")
        self.call("cancel_order", order_id=orders[i % len(orders)]["order_id"], cancel_reason="no longer needed")

    @rule()
    def through_a_snapshot(self) -> None:
        state = self.session.snapshot()
        self.session.reset(9)
        self.session.restore(state)

    def call(self, name: str, **arguments: Any) -> None:
        before = {e.name: self.stored(e.name) for e in SHOP.entities}
        result = self.session.call(name, arguments)
        assert applied(before, result.changes) == {e.name: self.stored(e.name) for e in SHOP.entities}

    @invariant()
    def the_net_changes_lead_from_the_start_to_here(self) -> None:
        assert applied(self.start, self.session.changes()) == {e.name: self.stored(e.name) for e in SHOP.entities}


    @invariant()
    def states_have_one_digest_exactly_when_their_rows_are_equal(self) -> None:
        rows = {e.name: [[row[c.name] for c in e.columns if not c.volatile] for row in self.session.rows(e.name)]
                for e in SHOP.entities}
        assert self.digests.setdefault(repr(rows), self.session.digest()) == self.session.digest()
        assert len(set(self.digests.values())) == len(self.digests)


def applied(tables: dict[str, dict[str, dict[str, Any]]], changes: Any) -> dict[str, dict[str, dict[str, Any]]]:
    result = {name: dict(rows) for name, rows in tables.items()}
    for change in changes:
        key = next(iter(change.key.values()))
        if change.op == "delete":
            assert result[change.table].pop(key) == change.before
        elif change.op == "insert":
            assert key not in result[change.table]
            result[change.table][key] = change.after
        else:
            old = result[change.table][key]
            assert {k: old[k] for k in change.before} == change.before
            result[change.table][key] = {**old, **change.after}
    return result


TestShopping = Shopping.TestCase
TestShopping.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
