"""An example as a row of a Hugging Face dataset: `messages`, `tools`, and what the example is.

Arrow gives every row of a column one type, so values of free shape (arguments of a call, schemas of tools) are JSON
text. Arguments are spelt as chat templates spell them (`{"a": 1, "b": 2}`), so a template that writes a text as it is
and one that writes an object as JSON give the same tokens. TRL takes `tools` as JSON
text; other readers decode it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

_CALL = pa.struct([
    ("id", pa.string()), ("type", pa.string()),
    ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
])
_MESSAGE = pa.struct([
    ("role", pa.string()), ("content", pa.string()), ("reasoning_content", pa.string()),
    ("tool_calls", pa.list_(_CALL)), ("tool_call_id", pa.string()), ("name", pa.string()),
])

SCHEMA = pa.schema([
    ("messages", pa.list_(_MESSAGE)), ("tools", pa.string()),
    ("trajectory_id", pa.string()), ("task_id", pa.string()), ("environment_id", pa.string()),
    ("domain", pa.string()), ("kind", pa.string()), ("phase", pa.int32()),
    ("n_messages", pa.int32()), ("n_calls", pa.int32()), ("n_writes", pa.int32()), ("n_hops", pa.int32()),
    ("n_tokens", pa.int32()), ("n_supervised", pa.int32()), ("planted", pa.string()),
])
"""Of every exported file."""

COLUMNS = {
    "messages": "The conversation in OpenAI's form; `arguments` of a call is JSON text.",
    "tools": "JSON text: the functions that the agent was offered.",
    "trajectory_id, task_id, environment_id": "Where it comes from; trials of one task share its id.",
    "domain": "Title of the environment.",
    "kind": "`read`, `write` or `mixed`.",
    "phase": "1 general, 2 if the domain is among the chosen verticals.",
    "n_messages, n_calls": "Messages, system included; tool calls that the agent made.",
    "n_writes, n_hops": "Of the gold run: calls that write, arguments that must be looked up.",
    "n_tokens, n_supervised": "Tokens in all and under the loss, by the run's own tokenizer.",
    "planted": "A mistake that the scripted agent was told to make and that did no harm, or empty.",
}
"""What the dataset card says of the columns."""


def dataset_row(example: Mapping[str, Any], task: Mapping[str, Any], title: str, planted: str) -> dict[str, Any]:
    """A row of `SCHEMA` from a row of `examples`, its row of `tasks`, its environment's title and its mistake."""
    messages = [_message(message) for message in json.loads(example["messages"])]
    return {
        "messages": messages,
        **{name: example[name] for name in ("tools", "trajectory_id", "task_id", "environment_id", "phase")},
        "domain": title,
        "kind": task["kind"],
        "n_messages": len(messages),
        "n_calls": sum(len(message["tool_calls"] or ()) for message in messages),
        **{name: task[name] for name in ("n_writes", "n_hops")},
        **{name: example[name] for name in ("n_tokens", "n_supervised")},
        "planted": planted,
    }


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    """Every key, None where the message has none of it: as Arrow gives it back."""
    calls = [
        {**call, "function": {**call["function"], "arguments": _spelt(call["function"]["arguments"])}}
        for call in message.get("tool_calls", ())
    ]
    return {**{field.name: message.get(field.name) for field in _MESSAGE}, "tool_calls": calls or None}


def _spelt(arguments: str) -> str:
    return json.dumps(json.loads(arguments), ensure_ascii=False)
