"""Equality of changes, against a slow obvious implementation that tries every bijection of inserted rows."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.changes import Changes, Identity, RowChange, explain_changes, same_changes

IDENTITY = Identity(
    generated={"orders": ("order_id", "created_at"), "items": ("item_id",), "notes": ("note_id",)},
    references={
        "items": {"order_id": "orders", "twin": "items"},
        "notes": {"order_id": "orders", "item_id": "items"},
        "orders": {"replaces": "orders"},
    },
    volatile={"orders": ("updated_at",)},
)


def insert(table: str, key: str, **row: Any) -> RowChange:
    column = {"orders": "order_id", "items": "item_id", "notes": "note_id", "tags": "name"}[table]
    return RowChange(table=table, op="insert", key={column: key}, after={column: key, **row})


def update(key: str, **after: Any) -> RowChange:
    before = dict.fromkeys(after, "old")
    return RowChange(table="orders", op="update", key={"order_id": key}, before=before, after=after)


def delete(key: str) -> RowChange:
    return RowChange(table="orders", op="delete", key={"order_id": key}, before={"order_id": key})


def slowly_same(a: Changes, b: Changes) -> bool:
    """Try every renaming of the rows that `a` inserted to those that `b` inserted, and compare as sets of text."""
    if len(_told(a, {})) != len(_told(b, {})):
        return False
    new_a = [(c.table, next(iter(c.key.values()))) for c in a if c.op == "insert"]
    new_b = [(c.table, next(iter(c.key.values()))) for c in b if c.op == "insert"]
    if len(new_a) != len(new_b):
        return False
    target = _told(b, {row: i for i, row in enumerate(new_b)})
    for order in permutations(range(len(new_b))):
        if all(new_a[i][0] == new_b[j][0] for i, j in enumerate(order)) and target == _told(
            a, {row: order[i] for i, row in enumerate(new_a)}
        ):
            return True
    return False


def _told(changes: Changes, numbers: dict[tuple[str, Any], int]) -> list[str]:
    told = []
    for c in changes:
        silent = (*IDENTITY.generated.get(c.table, ()), *IDENTITY.volatile.get(c.table, ()))
        row = {k: v for k, v in (c.after or {}).items() if k not in silent}
        if c.op == "update" and not row:
            continue
        refs = IDENTITY.references.get(c.table, {})
        row = {k: ("new", numbers[refs[k], v]) if k in refs and (refs[k], v) in numbers else v for k, v in row.items()}
        me = numbers.get((c.table, next(iter(c.key.values()))), c.key)
        told.append(repr((c.table, c.op, me, sorted(row.items()))))
    return sorted(told)


KEYS = st.sampled_from(["n1", "n2", "n3"])
OLD = st.sampled_from(["old1", "old2"])
WORD = st.sampled_from(["x", "y"])


@st.composite
def change_sets(draw: Any) -> Changes:
    changes = []
    for key in draw(st.sets(KEYS)):
        replaces = draw(st.one_of(st.none(), KEYS, OLD))
        changes.append(insert("orders", key, status=draw(WORD), replaces=replaces, updated_at=draw(WORD),
                              created_at=draw(WORD)))
    for key in draw(st.sets(KEYS)):
        changes.append(insert("items", key, order_id=draw(st.one_of(KEYS, OLD)), twin=draw(st.one_of(st.none(), KEYS))))
    if draw(st.booleans()):
        changes.append(insert("notes", "n1", order_id=draw(KEYS), item_id=draw(KEYS)))
    edits = (lambda k: update(k, status="x"), lambda k: update(k, status="y"), lambda k: update(k, updated_at="z"),
             lambda k: update(k, replaces="n1"), delete)
    changes += [draw(st.sampled_from(edits))(key) for key in sorted(draw(st.sets(OLD)))]
    new = {(c.table, *c.key.values()) for c in changes if c.op == "insert"}
    return tuple(_without_dangling(c, new) for c in changes)


def _without_dangling(change: RowChange, new: set[tuple[Any, ...]]) -> RowChange:
    """Ids that look new and belong to no inserted row become old ones: a database would refuse them."""
    refs = IDENTITY.references.get(change.table, {})
    after = {k: "old1" if k in refs and str(v).startswith("n") and (refs[k], v) not in new else v
             for k, v in (change.after or {}).items()}
    return change if change.after is None else change.model_copy(update={"after": after})


def renamed(changes: Changes, names: dict[str, str]) -> Changes:
    """The same changes with other generated ids, in another order."""
    def swap(row: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if row is None else {k: names.get(v, v) if k not in ("status", "created_at") else v
                                         for k, v in row.items()}

    found = [RowChange(table=c.table, op=c.op, key=swap(c.key) or {}, before=c.before, after=swap(c.after))
             for c in changes]
    return tuple(reversed(found))


@settings(max_examples=300, deadline=None)
@given(change_sets(), change_sets())
def test_equality_is_the_slow_one(a, b):
    assert same_changes(a, b, IDENTITY) == slowly_same(a, b)
    assert bool(explain_changes(a, b, IDENTITY)) != same_changes(a, b, IDENTITY)


@settings(max_examples=200, deadline=None)
@given(change_sets(), st.permutations(["n1", "n2", "n3"]), st.data())
def test_other_ids_and_another_order_are_the_same(changes, names, data):
    other = renamed(changes, dict(zip(["n1", "n2", "n3"], names, strict=True)))
    assert slowly_same(changes, other)
    assert same_changes(changes, other, IDENTITY)
    if other:
        dropped = data.draw(st.sampled_from(range(len(other))))
        less = other[:dropped] + other[dropped + 1 :]
        assert same_changes(changes, less, IDENTITY) == slowly_same(changes, less)


def test_equal_content_is_told_apart_by_what_refers_to_it():
    a = (insert("orders", "1", status="x"), insert("orders", "2", status="x"),
         insert("items", "1", order_id="1"), insert("items", "2", order_id="2"))
    b = (*a[:3], insert("items", "2", order_id="1"))
    assert not same_changes(a, b, IDENTITY)
    assert explain_changes(a, b, IDENTITY)


def test_cycles_of_new_rows_are_compared_whole():
    def ring(*keys: str) -> list[RowChange]:
        return [insert("items", k, twin=n) for k, n in zip(keys, [*keys[1:], keys[0]], strict=True)]

    six, two_threes = tuple(ring(*"abcdef")), (*ring(*"abc"), *ring(*"def"))
    assert not same_changes(six, two_threes, IDENTITY)
    assert same_changes(six, tuple(ring(*"fdbace")), IDENTITY)


def test_a_key_with_meaning_is_compared():
    assert not same_changes((insert("tags", "red"),), (insert("tags", "blue"),), IDENTITY)


def test_numbers_are_compared_as_sql_does_and_never_with_text():
    assert same_changes((update("o", total=1),), (update("o", total=1.0),), IDENTITY)
    assert not same_changes((update("o", total=1),), (update("o", total="1"),), IDENTITY)


def test_the_explanation_names_what_is_missing_extra_and_different():
    gold = (update("o1", status="cancelled"), insert("orders", "o8", status="pending"), delete("o3"))
    found = (update("o1", status="delivered"), insert("orders", "o9", status="pending"), delete("o4"))
    kinds = [(d.kind, d.text) for d in explain_changes(gold, found, IDENTITY)]
    assert kinds == [
        ("different", "update of orders 'o1': status should be 'cancelled', found 'delivered'"),
        ("missing", "delete of orders 'o3'"),
        ("extra", "delete of orders 'o4'"),
    ]


def test_a_changed_child_does_not_make_its_parent_different():
    gold = (insert("orders", "a", status="x"), insert("items", "b", order_id="a", twin=None))
    found = (insert("orders", "c", status="x"), insert("items", "d", order_id="old1", twin=None))
    assert [(d.kind, d.table) for d in explain_changes(gold, found, IDENTITY)] == [("different", "items")]


@pytest.mark.timeout(60)
def test_thousands_of_equal_rows_are_compared_without_trying_every_pairing():
    a = tuple(insert("items", f"k{i}", order_id="old1", twin=f"k{i ^ 1}") for i in range(0, 3000))
    rows = tuple(insert("items", f"k{i}", order_id="old1", twin=None) for i in range(3000))
    assert same_changes(rows, tuple(reversed(rows)), IDENTITY)
    assert same_changes(a[:200], tuple(reversed(a[:200])), IDENTITY)
