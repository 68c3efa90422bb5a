"""Values and names in words, checked by hand."""

from __future__ import annotations

import pytest

from rayscaler.environment import Column, Entity, Semantic
from rayscaler.tasks.columns import pointable
from rayscaler.tasks.wording import clock, column_words, noun, nouns, quoted, say, spelt
from shop import ORDER_ITEMS, ORDERS


def column(semantic: Semantic, **more: object) -> Column:
    return Column(name="x", type="TEXT", semantic=semantic, **more)


@pytest.mark.parametrize(
    ("value", "semantic", "text"),
    [
        ("2026-03-15", Semantic.DATE, "15 March 2026"),
        ("2026-03-15T15:30:00Z", Semantic.DATETIME, "15 March 2026 at 3:30 pm"),
        ("2026-03-15T00:00:00+02:00", Semantic.DATETIME, "15 March 2026 at 12 am"),
        ("2026-03-15T12:00:09.25Z", Semantic.DATETIME, "15 March 2026 at 12:00:09 pm"),
        (1773588600, Semantic.DATETIME, "15 March 2026 at 3:30 pm"),
        ("15:00", Semantic.TIME, "3 pm"),
        ("next week", Semantic.DATE, "next week"),
        (True, Semantic.BOOLEAN, "yes"),
        (0, Semantic.BOOLEAN, "no"),
        (3, Semantic.QUANTITY, "3"),
        (2.0, Semantic.NUMBER, "2"),
        (2.125, Semantic.NUMBER, "2.125"),
        (15, Semantic.PERCENT, "15%"),
        ("IN_PROGRESS", Semantic.STATUS, "in progress"),
        ("needsAction", Semantic.ENUM, "needs action"),
        ("t3.micro", Semantic.ENUM, "t3.micro"),
        ("EUR", Semantic.CURRENCY, "euros"),
        ("XTS", Semantic.CURRENCY, "XTS"),
        ("de", Semantic.LANGUAGE, "German"),
        (["a", "b", "c"], Semantic.WORD, "a, b and c"),
        ("Budget review", Semantic.TITLE, "Budget review"),
    ],
)
def test_a_value_is_said_as_a_person_says_it(value: object, semantic: Semantic, text: str) -> None:
    assert say(value, column(semantic)) == text


def test_money_has_its_currency_where_it_is_known():
    money = column(Semantic.MONEY)
    assert say(45.9, money, currency="EUR") == "45.90 euros"
    assert say(45.9, money) == "45.90"
    assert say(45.905, money, currency="USD") == "45.905 US dollars"
    assert say(4590, Column(name="price_cents", type="INTEGER", semantic=Semantic.MONEY)) == "4590 cents"


def test_a_share_is_said_in_percent():
    assert say(0.15, column(Semantic.PERCENT, maximum=1)) == "15%"


def test_noon_and_midnight_on_the_twelve_hour_clock():
    assert [clock(0, 0), clock(11, 59), clock(12, 0), clock(23, 5)] == ["12 am", "11:59 am", "12 pm", "11:05 pm"]


def test_a_column_is_called_without_the_noun_of_its_entity():
    assert column_words("orderDate", ORDERS) == "date"
    assert column_words("order_item_quantity", ORDER_ITEMS) == "quantity"
    assert column_words("isPrimary") == "primary"
    assert column_words("startTimeZone") == "start time zone"
    assert column_words("qty") == "quantity"


def test_titles_stand_in_quotation_marks_and_names_do_not():
    assert quoted("Oak desk", column(Semantic.TITLE)) == '"Oak desk"'
    assert quoted("Anna Smith", column(Semantic.PERSON)) == "Anna Smith"
    assert quoted("books", column(Semantic.ENUM, enum=("books", "toys"))) == "books"


def test_an_enumeration_is_said_without_the_name_of_its_column():
    markup = Column(name="markupSyntax", type="TEXT", semantic=Semantic.ENUM, enum=("MARKUP_SYNTAX_CHAT",))
    assert say("MARKUP_SYNTAX_CHAT", markup) == "chat"


def test_what_all_values_of_an_enumeration_share_is_not_said():
    state = Column(name="state", type="TEXT", semantic=Semantic.STATUS, enum=("JOB_PENDING", "JOB_PARTLY_DONE"))
    assert say("JOB_PARTLY_DONE", state) == "partly done"
    assert say("ONLY_ONE", Column(name="x", type="TEXT", semantic=Semantic.ENUM, enum=("ONLY_ONE",))) == "only one"


def test_acronyms_and_proper_names_are_spelt_as_their_owners_do():
    assert spelt("vpc id") == "VPC ID"
    assert spelt("acls") == "ACLs"
    assert spelt("whats app dataset") == "WhatsApp dataset"
    assert column_words("kmsKeyName") == "KMS key name"


def test_a_tag_is_said_with_its_name():
    tags = Column(name="Tags", type="TEXT", semantic=Semantic.JSON)
    assert say([{"Key": "team", "Value": "north"}], tags) == "team: north"
    assert say({"team": "north"}, tags) == "team: north"


def test_a_code_needs_no_quotation_marks():
    code = column(Semantic.CODE)
    assert [quoted(t, code) for t in ("con-2652", "amber")] == ["con-2652", '"amber"']


def test_an_object_is_said_by_its_members():
    start = Column(name="start", type="TEXT", semantic=Semantic.JSON)
    assert say({"dateTime": "2026-03-15T15:00:00Z"}, start) == "15 March 2026 at 3 pm"
    assert say({"name": "Anna", "email": "anna@example.org"}, start) == "name Anna and email anna@example.org"


def test_nobody_points_at_a_row_by_a_machine_s_code_a_switch_or_a_count_but_by_what_they_have_on_paper():
    def column(name: str, semantic: Semantic, type_: str = "TEXT") -> Column:
        return Column(name=name, type=type_, semantic=semantic)

    columns = [column("orderNumber", Semantic.CODE), column("raw", Semantic.CODE), column("pkcs7", Semantic.WORD),
               column("role", Semantic.CODE), column("sizeEstimate", Semantic.INTEGER, "INTEGER"),
               column("hidden", Semantic.BOOLEAN, "INTEGER"), column("dueDate", Semantic.DATE)]
    key = Column(name="id", type="TEXT", semantic=Semantic.ID, generated=True)
    entity = Entity(name="invoices", singular="invoice", key="id", label=None, columns=(key, *columns))
    assert [c.name for c in entity.columns if pointable(entity, c)] == ["orderNumber", "role", "dueDate"]


def test_entities_are_called_what_people_call_them():
    def entity(name: str, singular: str) -> Entity:
        key = Column(name="id", type="TEXT", semantic=Semantic.ID, generated=True)
        return Entity(name=name, singular=singular, key="id", label=None, columns=(key,))

    assert noun(entity("acl_rules", "acl_rule")) == "access rule"
    assert nouns(entity("acl_rules", "acl_rule")) == "access rules"
    assert nouns(entity("tasklists", "tasklist")) == "task lists"
    assert nouns(entity("order_items", "order_item")) == "order items"
    assert nouns(entity("key_group_2020_05_31s", "key_group_2020_05_31")) == "key groups"
