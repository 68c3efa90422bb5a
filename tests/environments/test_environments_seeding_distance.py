"""The distance between states, by hand."""

from __future__ import annotations

import pytest

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.environments.seeding_distance import state_distance

THINGS = Entity(name="things", singular="thing", key="id", columns=(
    Column(name="id", type="TEXT", semantic=Semantic.ID), Column(name="title", type="TEXT", semantic=Semantic.TITLE),
    Column(name="open", type="INTEGER", semantic=Semantic.BOOLEAN),
    Column(name="owner", type="TEXT", semantic=Semantic.REFERENCE, references="things"),
))


def things(*rows: tuple[str, str, bool]) -> dict[str, list[dict[str, object]]]:
    return {"things": [dict(zip(("id", "title", "open"), row, strict=True), owner="1") for row in rows]}


def test_a_state_is_at_no_distance_from_itself_in_any_order():
    rows = [("1", "a", True), ("2", "b", False)]
    assert state_distance(things(*rows), things(*reversed(rows)), [THINGS]) == (0, 0, 0, 0)


def test_each_share_counts_values_as_often_as_they_occur():
    one = things(("1", "a", True), ("2", "a", True), ("3", "b", False), ("4", "c", True))
    other = things(("1", "a", True), ("8", "b", True), ("9", "d", True), ("7", "d", True))
    # Equal rows without keys and references: (a, True) once. Titles in common: a, b. Booleans in common: True 3 times.
    assert state_distance(one, other, [THINGS]) == pytest.approx((3 / 4, 2 / 4, 1 / 4, 3 / 4))


def test_a_table_without_rows_adds_nothing():
    assert state_distance({"things": []}, {"things": []}, [THINGS]) == (0, 0, 0, 0)
