"""Words in circles: loops are found, lists and quotes are not."""

from __future__ import annotations

import re

from hypothesis import example, given
from hypothesis import strategies as st

from rayscaler.filters.repetition import _may_loop, _words, repeated_words

LINE = "Thank you for waiting, I am still looking into this for you and will be back soon."


def loops(*spoken: str, quoted: tuple[str, ...] = ()) -> bool:
    return bool(repeated_words(spoken, quoted, n=10, max_repeats=3))


def test_one_sentence_in_four_messages_is_a_loop_and_in_three_is_not():
    assert loops(*[LINE] * 4)
    assert not loops(*[LINE] * 3)


def test_a_loop_inside_one_message_is_found_with_and_without_full_stops():
    assert loops("I will check that. " * 12)
    assert loops("let me think about it once more " * 10)
    assert loops("the " * 40)


def test_case_spacing_and_punctuation_do_not_hide_a_loop():
    assert loops(LINE, LINE.upper(), LINE.replace(" ", "  "), LINE.replace(",", " -"))


def test_a_list_of_rows_is_not_a_loop_however_alike_its_rows():
    rows = [f"- Order {1000 + 7 * i} was placed by you in our online shop last month and its status is "
            f"{['pending', 'delivered'][i % 2]}, total {20 + i}.50 euros" for i in range(12)]
    assert not loops("Here are your orders:\n" + "\n".join(rows))


def test_the_same_row_again_and_again_is_a_loop():
    row = "- Order 1000 was placed by you in our online shop last month and its status is pending, total 20.50 euros\n"
    assert loops(row * 5)


def test_words_that_a_tool_answered_may_be_quoted_often():
    text = "This garden chair is made of solid oak and comes with a five year guarantee"
    spoken = [f"{text}." for _ in range(6)]
    assert loops(*spoken)
    assert not loops(*spoken, quoted=(f'{{"products":[{{"description":"{text}"}}]}}',))


def test_a_closing_line_under_different_messages_is_a_habit():
    closing = "Is there anything else that I can help you with today?"
    spoken = [f"{said} {closing}" for said in ("Your order is cancelled.", "The address is new.", "It costs 5.",
                                               "Your phone number is on file.", "All three are on their way.")]
    assert not loops(*spoken)


def test_short_words_repeated_are_no_loop():
    assert not loops(*["Let me look that up."] * 20)


WORDS = st.lists(st.sampled_from(["the", "order", "is", "yours", "now", "and", "sent", "to", "you"]), max_size=12)


@given(sentence=st.lists(st.sampled_from(LINE.split()), min_size=10, max_size=20), between=st.lists(WORDS, max_size=6))
def test_a_message_said_again_and_again_is_found_whatever_stands_between(sentence, between):
    others = [" ".join(words) for words in between]
    spoken = [text for other in [*others, ""] for text in (" ".join(sentence), other)] + [" ".join(sentence)] * 4
    assert loops(*spoken)


@given(text=st.text(st.characters(max_codepoint=130), max_size=60))
@example(text="Order_7:\tA-1,\x1cb\x00C 42 \x7f")
def test_law_words_are_those_of_the_pattern_also_where_text_is_ascii(text):
    assert _words(text) == re.findall(r"\w+", text.lower())


@given(words=st.lists(st.sampled_from("abcde"), max_size=40), n=st.integers(1, 5), most=st.integers(0, 4))
def test_law_the_cheap_question_finds_every_run_of_frequent_words(words, n, most):
    often = [words.count(word) > most for word in words]
    runs = any(all(often[start:start + n]) for start in range(len(words) - n + 1))
    assert _may_loop(words, n, most) == (runs and len(words) >= n + most)
