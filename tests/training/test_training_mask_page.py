"""The page that shows what the loss looks at: every token once, supervised where the mask says so, text escaped."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

from rayscaler.display.mask_page import mask_page, pieces
from rayscaler.messages import Message
from rayscaler.training import load_tokenizer, render, train_bpe
from rayscaler.training.tokenizer import CONTROL, MARKUP

TOKENIZER = load_tokenizer(train_bpe(["a few words"], 300))
MESSAGES = [
    Message(role="user", content="Is 3 < 4 <b>here</b>? 日本"),
    Message(role="assistant", content="Yes: “ß” & 日本."),
]
RENDERED = render(MESSAGES, [], TOKENIZER)
ROW = {"trajectory_id": "t<1>", "phase": 1, "input_ids": RENDERED.input_ids, "loss_mask": RENDERED.loss_mask}


class Marked(HTMLParser):
    """The text of all elements `i`, and of those with the class of supervised tokens."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.supervised, self.inside = "", "", ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == "i":
            self.inside = "i " + (dict(attributes).get("class") or "")

    def handle_endtag(self, tag):
        self.inside = "" if tag == "i" else self.inside

    def handle_data(self, data):
        if self.inside:
            self.text += data
            self.supervised += data if "s" in self.inside.split()[1:] else ""


def the_page() -> str:
    return mask_page([ROW], TOKENIZER, control=(*CONTROL, *MARKUP), title="what <it> sees")


def test_the_page_holds_the_whole_text_and_marks_what_the_assistant_says():
    marked = Marked(the_page())
    assert marked.text == RENDERED.text
    assert marked.supervised == "Yes: “ß” & 日本.<|im_end|>"


def test_pieces_are_whole_characters_and_all_tokens_in_order():
    found = list(pieces(RENDERED.input_ids, RENDERED.loss_mask, TOKENIZER))
    assert [token for piece in found for token in piece.ids] == RENDERED.input_ids
    assert not any("\ufffd" in piece.text for piece in found)
    assert all(set(RENDERED.loss_mask[p.place:p.place + len(p.ids)]) == {int(p.supervised)} for p in found)


def test_the_page_asks_for_nothing_from_elsewhere_and_escapes_what_it_shows():
    page = the_page()
    assert not re.search(r"<script|<link|src=|url\(|https?:", page)
    assert "<b>" not in page
    assert unescape(re.search(r"<h2>(.*?)</h2>", page)[1]) == "t<1>"
