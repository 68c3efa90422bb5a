"""Rules of ACEBench's checker, each by a case made by hand."""

from __future__ import annotations

from keyword import kwlist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.evaluation.acebench_match import mismatch
from rayscaler.evaluation.acebench_text import Call, first_list, read_calls, write_calls

BOOK = {
    "name": "book",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "nights": {"type": "integer"},
            "price": {"type": "number"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "guest": {"type": "object", "properties": {}},
            "rooms": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["city"],
    },
}
PAY = {"name": "pay", "parameters": {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}}
GUEST = {"name": "Ann", "age": 4}
ANSWER = {"city": "New York", "nights": 2, "tags": ["sea view"], "guest": GUEST, "rooms": [{"n": 1}]}


def accepted(*calls: Call, answer: dict | None = None, strict: bool = False) -> bool:
    return not mismatch(calls, answer or {"book": ANSWER}, [BOOK, PAY], strict=strict)


def booked(**changed: object) -> Call:
    return Call("book", {**ANSWER, **changed})


@pytest.mark.parametrize(
    ("changed", "official", "strict"),
    [
        ({}, True, True),
        ({"city": "new-york, NY"}, True, True),              # free of case and punctuation, the answer within it
        ({"city": "Boston"}, False, False),
        ({"city": ["New York"]}, False, False),              # another type
        ({"nights": 3}, True, False),                        # upstream compares no numbers
        ({"nights": 2.5}, False, False),
        ({"tags": ["Sea-View"]}, True, True),
        ({"tags": ["sea view", "bar"]}, False, False),
        ({"guest": {"name": "ann", "age": 4}}, True, True),
        ({"guest": {"name": "Ann", "age": 45}}, True, True),  # "4" stands in "45"
        ({"guest": {"name": "Bob", "age": 4}}, False, False),
        ({"guest": {"name": "Ann"}}, False, False),
        ({"rooms": [{"n": 2}]}, False, False),
        ({"rooms": [{"n": 1}, {"n": 1}]}, False, False),
        ({"rooms": ["n"]}, False, False),
        ({"price": 9}, False, False),                        # the answer has no such parameter
        ({"colour": "red"}, False, False),                   # the function has no such parameter
    ],
)
def test_values_are_compared_by_their_type(changed: dict, official: bool, strict: bool):
    assert accepted(booked(**changed)) == official
    assert accepted(booked(**changed), strict=True) == strict


def test_only_required_parameters_must_be_there_unless_strict():
    without = {name: value for name, value in ANSWER.items() if name != "nights"}
    assert accepted(Call("book", without))
    assert not accepted(Call("book", without), strict=True)
    assert not accepted(Call("book", {"nights": 2}))


def test_calls_are_counted_and_named():
    both = {"book": ANSWER, "pay": {"sum": 3}}
    pay = Call("pay", {"sum": 3})
    assert accepted(booked(), pay, answer=both)
    assert accepted(pay, booked(), answer=both)              # in any order
    assert not accepted(booked(), answer=both)
    assert not accepted(booked(), pay, pay, answer=both)
    assert not accepted(booked(), booked(), answer=both)
    assert not accepted(Call("pay", ANSWER))


def test_one_call_stands_for_two_of_the_answer_unless_strict():
    twice = {"pay_1": {"sum": 3}, "pay_2": {"sum": 4}}
    three, text = Call("pay", {"sum": 3}), Call("pay", {"sum": "four"})
    assert accepted(three, Call("pay", {"sum": 4}), answer=twice, strict=True)
    assert accepted(three, text, answer=twice)
    assert not accepted(three, text, answer=twice, strict=True)


def test_an_output_that_equals_the_answer_is_right_where_upstream_refuses_it():
    numbered = {"name": "go_2", "parameters": {"type": "object", "properties": {"a": {"type": "array"}}}}
    assert not mismatch([Call("go_2", {"a": []})], {"go_2": {"a": []}}, [numbered])
    assert mismatch([Call("go", {"a": []})], {"go_2": {"a": []}}, [numbered])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True).filter(lambda name: name not in kwlist)


@given(st.lists(st.builds(Call, NAMES, st.dictionaries(NAMES, VALUES, max_size=3)), min_size=1, max_size=3))
def test_written_calls_read_back_equal(calls: list[Call]):
    assert read_calls(write_calls(calls)) == calls


def test_the_written_form_is_read_and_never_run():
    assert read_calls("[a.b(unit=celsius, n=-3, when=f(x=1))]") == [
        Call("a.b", {"unit": "celsius", "n": -3, "when": {"f": {"x": 1}}})
    ]
    assert read_calls("[go(path=__import__('os').getcwd())]") == [
        Call("go", {"path": {"__import__('os').getcwd": {}}})
    ]
    for text in ("", "hello", "book()", "[book]", "[book(city='x'"):
        with pytest.raises(ValueError, match="not a"):
            read_calls(text)


@pytest.mark.parametrize("value", ["+".join("1" * 400), "not " * 500 + "1", "a" + ".a" * 600])
def test_what_is_nested_deeper_than_python_can_write_is_no_list_of_calls(value: str):
    with pytest.raises(ValueError, match="not a list of calls"):
        read_calls(f"[book(n={value})]")


def test_the_first_list_is_found_in_words():
    assert first_list("Sure: [a(x=[1, 2])] and [b()]") == "[a(x=[1, 2])]"
    assert first_list("none [here") == ""
