"""The byte-level BPE of a run, and pretrained tokenizers from a folder."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayscaler.errors import ConfigError
from rayscaler.messages import Message
from rayscaler.training import CHAT_TEMPLATE, COMPACT_TEMPLATE, load_tokenizer, pretrained, render, train_bpe
from rayscaler.training.tokenizer import CONTROL, MARKUP

VERBS = ["move", "cancel", "confirm", "postpone", "repeat", "share", "describe", "accept", "decline", "rename"]
TEXTS = [f"Please {verb} meeting number {n} at the harbour office." for verb in VERBS for n in range(1, 4)]
BPE = train_bpe(TEXTS, 340)
MESSAGES = [Message(role="user", content="Hello"), Message(role="assistant", content="Hi")]


@pytest.mark.slow
def test_two_processes_train_the_same_bytes():
    script = f"import sys; from rayscaler.training import train_bpe; sys.stdout.write(train_bpe({TEXTS!r}, 340))"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert other.stdout == BPE


def test_training_twice_gives_the_same_bytes():
    assert train_bpe(iter(TEXTS), 340) == BPE


@settings(max_examples=100, deadline=None)
@given(st.text())
def test_any_text_comes_back(text):
    tokenizer = load_tokenizer(BPE)
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_every_chatml_token_is_one_token_and_markup_stays_in_decoded_text():
    tokenizer = load_tokenizer(BPE)
    assert len(tokenizer) == 340
    for mark in (*CONTROL, *MARKUP):
        assert len(tokenizer.encode(mark, add_special_tokens=False)) == 1
    ids = tokenizer.encode("<tool_call>x</tool_call><|im_end|>", add_special_tokens=False)
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<tool_call>x</tool_call>"


def test_control_tokens_in_the_texts_teach_nothing():
    marked = [f"<|im_start|>user\n<tool_call>{text}</tool_call><|im_end|>" for text in TEXTS]
    vocabulary = load_tokenizer(train_bpe(marked, 340)).get_vocab()
    learnt = [token for token in vocabulary if "im_" in token or "tool" in token]
    assert sorted(learnt) == sorted([*CONTROL[1:], *(m for m in MARKUP if "tool" in m)])


def test_digits_are_cut_into_groups_from_the_left():
    tokenizer = load_tokenizer(train_bpe(["ord-4570 ord-12 ord-9 45 70 12"] * 3, 400, digits=2))
    ids = tokenizer.encode("ord-45709", add_special_tokens=False)
    assert [tokenizer.decode([token]) for token in ids][-3:] == ["45", "70", "9"]
    assert tokenizer.decode(ids) == "ord-45709"


def test_the_compact_template_tells_of_a_tool_in_one_line_and_masks_as_the_other_does():
    parameters = {
        "type": "object", "required": ["id"],
        "properties": {"id": {"type": "string"}, "done": {"type": "boolean"}, "state": {"enum": ["OPEN", "DONE"]}},
    }  # fmt: skip
    functions = (
        {"name": "update_task", "description": "Long.", "parameters": parameters},
        {"name": "now", "description": "", "parameters": {"properties": {}}},
    )
    tools = [{"type": "function", "function": function} for function in functions]
    compact, whole = (render(MESSAGES, tools, load_tokenizer(BPE, t)) for t in (COMPACT_TEMPLATE, CHAT_TEMPLATE))
    head, _, rest = compact.text.partition("<|im_end|>")
    assert head == "<|im_start|>system\n# Tools\nupdate_task(id, done?: boolean, state?: OPEN|DONE)\nnow()"
    assert rest == whole.text.partition("<|im_end|>")[2]
    assert sum(compact.loss_mask) == sum(whole.loss_mask)


def test_a_vocabulary_without_room_for_the_bytes_is_refused():
    with pytest.raises(ConfigError, match=r"expected at least 265 .* found 100"):
        train_bpe(TEXTS, 100)


def test_a_pretrained_tokenizer_without_generation_markers_gets_our_template(tmp_path):
    load_tokenizer(BPE, "{{ messages }}").save_pretrained(tmp_path)
    tokenizer = pretrained(str(tmp_path))
    assert tokenizer.chat_template == CHAT_TEMPLATE
    assert render(MESSAGES, [], tokenizer) == render(MESSAGES, [], load_tokenizer(BPE))


def test_a_pretrained_tokenizer_with_generation_markers_keeps_its_template(tmp_path):
    template = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content + ' -> ' }}{% else %}"
        "{% generation %}{{ m.content + ';' }}{% endgeneration %}{% endif %}{% endfor %}"
    )
    load_tokenizer(BPE, template).save_pretrained(tmp_path)
    assert render(MESSAGES, [], pretrained(str(tmp_path))).text == "Hello -> Hi;"


def test_a_tokenizer_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"curate.tokenizer .*absent"):
        pretrained(str(tmp_path / "absent"))


def test_a_tokenizer_without_chatml_tokens_is_refused(tmp_path):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = {c: n for n, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    plain = Tokenizer(models.BPE(vocab=alphabet, merges=[]))
    plain.pre_tokenizer, plain.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    PreTrainedTokenizerFast(tokenizer_object=plain).save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match=r"<\|im_start\|> is no token"):
        pretrained(str(tmp_path))
