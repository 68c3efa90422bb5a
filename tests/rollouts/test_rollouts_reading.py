"""Replies of models: calls in the API's form and in text, thoughts apart, and what cannot be read is named."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rayscaler.messages import Message, ToolCall
from rayscaler.rollouts.reading import read_reply, split_reasoning
from rayscaler.rollouts.text_tools import as_text, tools_prompt

CALL = {"id": "x9", "type": "function", "function": {"name": "get_order", "arguments": '{"order_id": 17}'}}
BLOCK = '<tool_call>\n{"name": "get_order", "arguments": {"order_id": 17}}\n</tool_call>'
READ = ToolCall(id="call_3", name="get_order", arguments={"order_id": 17})


@pytest.mark.parametrize(
    "raw",
    [
        {"content": "Let me see.", "tool_calls": [CALL], "reasoning_content": "Order 17."},
        {"content": "Let me see.", "tool_calls": [CALL], "reasoning": "Order 17."},
        {"content": "<think>\nOrder 17.\n</think>\n\nLet me see.", "tool_calls": [CALL]},
        {"content": f"<think>\nOrder 17.\n</think>\n\nLet me see.\n{BLOCK}", "tool_calls": None},
        {"content": f"Order 17.\n</think>\n\nLet me see.\n{BLOCK}"},
        {"content": f"Let me see.\n{BLOCK.removesuffix('</tool_call>')}", "reasoning_content": "Order 17."},
        {"content": f"Let me see.\n{BLOCK}".replace("arguments", "parameters"), "reasoning": "Order 17."},
        {"content": [{"type": "text", "text": "Let me see."}], "tool_calls": [CALL], "reasoning": "Order 17."},
    ],
)
def test_the_api_s_form_and_qwen_s_text_give_the_same_message(raw):
    reply = read_reply(raw, n_calls=3)
    assert reply.malformed == ""
    expected = Message(role="assistant", content="Let me see.", reasoning="Order 17.", tool_calls=(READ,))
    assert reply.message == expected


def test_several_calls_keep_their_order_and_are_numbered_on():
    second = BLOCK.replace("17", "18")
    reply = read_reply({"content": f"{BLOCK}\n{second}"}, n_calls=0)
    assert [(c.id, c.arguments) for c in reply.message.tool_calls] == [
        ("call_0", {"order_id": 17}), ("call_1", {"order_id": 18})]
    assert reply.message.content == ""


@pytest.mark.parametrize("arguments", ["", "  ", None, "{}", {}])
def test_no_arguments_are_an_empty_object(arguments):
    call = {"function": {"name": "list_orders", "arguments": arguments}}
    assert read_reply({"tool_calls": [call]}, n_calls=0).message.tool_calls[0].arguments == {}


@pytest.mark.parametrize(
    ("raw", "reason", "named"),
    [
        ({"tool_calls": [{"function": {"name": "get", "arguments": '{"a": '}}]}, "", "arguments of the call to get"),
        ({"tool_calls": [{"function": {"name": "get", "arguments": "[1]"}}]}, "", "must be a JSON object"),
        ({"tool_calls": [{"id": "a"}]}, "", "without a function"),
        ({"content": "<tool_call>{'name': 'get'}</tool_call>"}, "", "no JSON"),
        ({"content": '<tool_call>["get"]</tool_call>'}, "", "must hold an object"),
        ({"content": '{"name": "get"}</tool_call>'}, "", "without a <tool_call>"),
        ({"content": "I think that"}, "length", "cut off"),
        ({"content": f"{BLOCK} <tool_call>"}, "", "no JSON"),
        ({"content": "half \ud83d of a smile"}, "", "half a character"),
        ({"tool_calls": [{"function": {"name": "get", "arguments": '{"a": "\\ud83d"}'}}]}, "", "half a character"),
    ],
)
def test_what_cannot_be_read_is_named_and_makes_no_call(raw, reason, named):
    reply = read_reply(raw, n_calls=0, finish_reason=reason)
    assert named in reply.malformed
    assert reply.message.tool_calls == ()
    reply.message.content.encode()


def test_a_thought_that_does_not_end_leaves_no_words():
    assert split_reasoning("<think>\nHm, let me") == ("Hm, let me", "")
    assert split_reasoning("Yes. <think>so") == ("so", "Yes.")
    assert split_reasoning("plain") == ("", "plain")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text("abcdef", min_size=1, max_size=4), VALUES, max_size=3), max_size=3))
def test_calls_written_as_text_are_read_back(arguments):
    calls = tuple(ToolCall(id=f"call_{i}", name="put", arguments=a) for i, a in enumerate(arguments))
    said = Message(role="assistant", content="Here.", tool_calls=calls)
    if any("tool_call>" in json.dumps(a) for a in arguments):
        return
    written = as_text([Message(role="system", content="Be kind."), said], [])[1]
    assert read_reply(written, n_calls=0).message == said


def test_as_text_has_qwen_s_roles_and_the_tools_in_the_system_prompt():
    tools = [{"type": "function", "function": {"name": "get_order", "parameters": {}}}]
    messages = [
        Message(role="system", content="Be kind."), Message(role="user", content="Where are my orders?"),
        Message(role="assistant", tool_calls=(READ, READ.model_copy(update={"id": "call_4"}))),
        Message(role="tool", content="1", tool_call_id="call_3", name="get_order"),
        Message(role="tool", content="2", tool_call_id="call_4", name="get_order"),
    ]
    rows = as_text(messages, tools)
    assert [row["role"] for row in rows] == ["system", "user", "assistant", "user"]
    assert rows[0]["content"] == f"Be kind.\n\n{tools_prompt(tools)}"
    assert rows[2]["content"] == f"{BLOCK}\n{BLOCK}"
    assert rows[3]["content"] == (
        "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>")
    assert '<tools>\n{"type": "function", "function": {"name": "get_order", "parameters": {}}}\n</tools>' in (
        rows[0]["content"])
