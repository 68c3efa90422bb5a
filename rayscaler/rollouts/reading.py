"""What a model wrote -> a message: reasoning kept apart, tool calls read in the API's form or out of the text.

    <think>
    The user wants order 17.
    </think>

    Let me look.
    <tool_call>
    {"name": "get_order", "arguments": {"order_id": 17}}
    </tool_call>

is how Qwen3's chat template writes a reply; servers that parse it give `reasoning_content` (or `reasoning`) and
`tool_calls` instead. Both give the same message. What cannot be read is named, never guessed: an agent that writes half
a JSON object has made no call.
"""

from __future__ import annotations

import json
import re
from typing import Any

from rayscaler.messages import Message, ToolCall
from rayscaler.rollouts.chat import Reply

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_THOUGHT_ENDS = "</think>"
_THOUGHT_BEGINS = "<think>"


def read_reply(raw: dict[str, Any], *, n_calls: int, finish_reason: str = "") -> Reply:
    """The reply in `raw`, a message of OpenAI's API. `n_calls`: calls made so far, from which ids are numbered.

    Ids of the API are replaced by `call_0`, `call_1`, …: servers repeat theirs or make them up at random.
    """
    reasoning, content = split_reasoning(_words(raw.get("content")))
    reasoning = str(raw.get("reasoning_content") or raw.get("reasoning") or "").strip() or reasoning
    found = raw.get("tool_calls") or []
    fault = ""
    try:
        drafts = [_api_call(call) for call in found]
        if not found and "<tool_call>" in content:
            content, drafts = _text_calls(content)
        json.dumps([raw, drafts], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        drafts, fault, raw, content = [], "the reply holds half a character (a lone surrogate)", {}, ""
    except (ValueError, RecursionError) as error:
        drafts, fault = [], str(error)
    if not fault and finish_reason == "length":
        fault = "the reply was cut off at the longest length that a reply may have"
    if not fault and "</tool_call>" in content:
        fault = "a </tool_call> without a <tool_call> before it"
    if fault:
        return Reply(Message(role="assistant", content=_as_written(raw, content)), malformed=fault)
    calls = tuple(
        ToolCall(id=f"call_{n_calls + i}", name=name, arguments=values) for i, (name, values) in enumerate(drafts)
    )
    return Reply(Message(role="assistant", content=content.strip(), reasoning=reasoning, tool_calls=calls))


def _words(content: Any) -> str:
    """The text of a message's content: text, nothing, or a list of parts of which some are text."""
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return str(content or "")


def split_reasoning(text: str) -> tuple[str, str]:
    """The thoughts and the words of `text`. Where the prompt opened the thought, only its end is in the text; where a
    thought does not end, there are no words.
    """
    before, ended, after = text.rpartition(_THOUGHT_ENDS)
    if ended:
        return before.replace(_THOUGHT_BEGINS, "").replace(_THOUGHT_ENDS, "").strip(), after.strip()
    words, begun, thought = text.partition(_THOUGHT_BEGINS)
    return (thought.strip(), words.strip()) if begun else ("", text.strip())


def _api_call(call: Any) -> tuple[str, dict[str, Any]]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        raise ValueError(f"a tool call without a function: {str(call)[:80]}")
    return str(function.get("name") or ""), _arguments(function.get("name"), function.get("arguments"))


def _text_calls(content: str) -> tuple[str, list[tuple[str, dict[str, Any]]]]:
    """The words around the calls, and the calls."""
    drafts = []
    for block in _CALL.findall(content):
        call = _json(block.strip(), "a <tool_call>")
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise ValueError(f"a <tool_call> must hold an object with name and arguments, found {block.strip()[:80]!r}")
        drafts.append((call["name"], _arguments(call["name"], call.get("arguments", call.get("parameters")))))
    return _CALL.sub("", content), drafts


def _arguments(name: Any, given: Any) -> dict[str, Any]:
    """The arguments as an object; the API has them as text, and none at all are none."""
    if given is None or (isinstance(given, str) and not given.strip()):
        return {}
    values = _json(given, f"arguments of the call to {name}") if isinstance(given, str) else given
    if not isinstance(values, dict):
        raise ValueError(f"arguments of the call to {name} must be a JSON object, found {str(values)[:80]!r}")
    return values


def _json(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{what}: no JSON ({error}): {text[:80]!r}") from None


def _as_written(raw: dict[str, Any], content: str) -> str:
    """The reply as text, for telling the model what could not be read."""
    calls = [f"<tool_call>\n{json.dumps(call.get('function', call))}\n</tool_call>" if isinstance(call, dict) else
             str(call) for call in raw.get("tool_calls") or []]
    return "\n".join([part for part in (content, *calls) if part])
