"""Generated ids: in the API's own style, and each a number that comes back."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.environments.ids import IdStyle, style_of
from shop import SHOP

KINDS = st.sampled_from(["plain", "arn", "uuid", "email", "path"])


def entity(key: str, description: str = "", singular: str = "rotation") -> Entity:
    columns = (Column(name=key, type="TEXT", semantic=Semantic.ID, description=description, generated=True),)
    return Entity(name="rows", singular=singular, key=key, columns=columns)


@pytest.mark.parametrize("key, description, made", [
    ("id", "", "rot-0007"),
    ("RotationArn", "", "arn:aws:ssm:us-east-1:123456789012:rotation/rot-0007"),
    ("rotation", "The Amazon Resource Name (ARN) of it.", "arn:aws:ssm:us-east-1:123456789012:rotation/rot-0007"),
    ("rotation", "The name or ARN of the rotation.", "rot-0007"),
    ("contactEmail", "", "rot.0007@example.com"),
    ("resourceName", "In the form of `people/{person_id}`.", "people/rot-0007"),
])
def test_the_style_is_what_name_or_description_say(key, description, made):
    style = style_of(entity(key, description), "rot", "ssm")
    assert style.make(7) == made
    assert style.number(made) == 7


def test_a_uuid_is_one_and_neighbours_are_nothing_alike():
    style = style_of(entity("id", "A universally unique identifier."), "rot")
    one, other = uuid.UUID(style.make(7)), uuid.UUID(style.make(8))
    assert (one.version, one.variant) == (4, uuid.RFC_4122)
    assert bin(one.int ^ other.int).count("1") > 30


@given(KINDS, st.integers(1, 10**14), st.sampled_from(["a", "ord"]))
def test_every_number_comes_back(kind, number, prefix):
    style = IdStyle(kind, prefix, "people/" if kind == "path" else "")
    assert style.number(style.make(number)) == number


@given(KINDS, st.text(max_size=40))
def test_any_other_text_is_no_number_or_one_that_can_be_counted_on_from(kind, text):
    assert 0 <= IdStyle(kind, "ord").number(text) < 10**15


def test_a_session_counts_on_after_its_seeded_rows():
    key = SHOP.entity("products").column("product_id").model_copy(update={"description": "A UUID."})
    products = SHOP.entity("products").model_copy(
        update={"columns": (key, *(c for c in SHOP.entity("products").columns if c.name != "product_id"))})
    make = SHOP.tool("create_order").model_copy(update={
        "name": "add", "bindings": (), "parameters": {"type": "object", "properties": {}},
        "code": "def add(db):\n    return db.insert('products', title='New', category='toys', price=1, stock=1)\n"})
    spec = SHOP.model_copy(update={"entities": tuple(products if e.name == "products" else e for e in SHOP.entities),
                                   "tools": (make,)})
    session = HostedEnvironment(spec).start(1)
    before = {row["product_id"] for row in session.rows("products")}
    made = session.call("add", {}).value["product_id"]
    assert uuid.UUID(made).version == 4
    assert made not in before
