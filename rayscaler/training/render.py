"""A conversation as token ids with the loss mask of eq. 2 (paper section 3.2).

The loss looks at what the assistant generates: reasoning, reply, tool calls, and the token that ends its turn. It never
looks at system, user and tool turns, nor at the header of an assistant turn.

Two things make the mask exact. Each piece of text is encoded apart: a supervised span is split off from the header
before it, as it is when a server generates it, so no token lies across the border. And text inside a message can never
become a control token: wherever a message, an argument or a tool's description spells one (`<|im_start|>assistant`,
`<tool_call>`), a separator that occurs nowhere else is put after its first character before the template runs, and the
text is encoded in two pieces there. The ids still decode to the same text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from rayscaler.errors import MaskError
from rayscaler.messages import Message
from rayscaler.training.tokenizer import CONTROL, MARKUP

_NONCHARACTERS = tuple(chr(code) for code in range(0xFDD0, 0xFDF0))
"""Code points that Unicode reserves for a program's own use: they are in no text that is meant for interchange."""

_TAG = re.compile(r"[<\[].*[>\]]")


class Span(NamedTuple):
    """A supervised stretch of the rendered text, in characters, end excluded."""

    start: int
    stop: int


class Rendered(NamedTuple):
    """One training example. `loss_mask[t]` is 1 where token `t` is supervised; both lists have length T."""

    input_ids: list[int]
    loss_mask: list[int]
    text: str
    spans: tuple[Span, ...]


def render(
    messages: Sequence[Message], tools: Sequence[dict[str, Any]], tokenizer: PreTrainedTokenizerBase
) -> Rendered:
    """`messages` and `tools` (OpenAI form) through the tokenizer's chat template, one span per assistant turn.

    Raises MaskError if the roles are out of order, an assistant turn is empty, or nothing would be supervised.
    """
    check_roles(messages)
    rows = [message.to_template() for message in messages]
    separator = _separator([rows, list(tools)])
    marks = _marks_of(tokenizer)
    text, spans = _apply_template(_disarm(rows, marks, separator), _disarm(list(tools), marks, separator), tokenizer)
    n_assistant = sum(message.role == "assistant" for message in messages)
    if len(spans) != n_assistant:
        raise MaskError(f"the chat template marks {len(spans)} generation spans for {n_assistant} assistant messages")
    input_ids: list[int] = []
    loss_mask: list[int] = []
    for piece, supervised in _pieces(text, spans, separator):
        ids = tokenizer.encode(piece, add_special_tokens=False)
        input_ids += ids
        loss_mask += [int(supervised)] * len(ids)
    if not any(loss_mask):
        raise MaskError(f"{len(messages)} messages render to {len(input_ids)} tokens of which none is supervised")
    return Rendered(input_ids, loss_mask, text.replace(separator, ""), _without_separator(text, spans, separator))


def check_roles(messages: Sequence[Message]) -> None:
    """MaskError unless: system first if at all, user and assistant take turns, each call is answered, in order."""
    previous = ""
    pending: list[str] = []
    for number, message in enumerate(messages):
        where = f"message {number} ({message.role})"
        if message.role == "system" and number:
            raise MaskError(f"{where}: a system message may only be the first")
        if message.role == "tool":
            if not pending:
                raise MaskError(f"{where}: answers no open tool call")
            if message.tool_call_id != pending[0]:
                raise MaskError(f"{where}: expected the answer to call {pending[0]!r}, found {message.tool_call_id!r}")
            pending = pending[1:]
        elif pending:
            raise MaskError(f"{where}: expected the answer to call {pending[0]!r} first")
        elif message.role == previous:
            raise MaskError(f"{where}: follows another {previous} message")
        if message.role == "assistant":
            if not (message.content or message.reasoning or message.tool_calls):
                raise MaskError(f"{where}: expected a reply or a tool call, found nothing")
            pending = [call.id for call in message.tool_calls]
        previous = message.role
    if pending:
        raise MaskError(f"the conversation ends before the answer to call {pending[0]!r}")


def _apply_template(rows: Any, tools: Any, tokenizer: PreTrainedTokenizerBase) -> tuple[str, list[Span]]:
    special: dict[str, Any] = dict(tokenizer.special_tokens_map)
    rendered: Any = render_jinja_template(
        [rows],
        tools=tools or None,
        chat_template=tokenizer.chat_template,
        return_assistant_tokens_mask=True,
        **special,
    )
    texts, generations = rendered
    return texts[0], [Span(start, stop) for start, stop in generations[0]]


def _pieces(text: str, spans: list[Span], separator: str) -> Iterator[tuple[str, bool]]:
    """The text in the pieces that are encoded apart, each with whether it is supervised."""
    end = 0
    for start, stop in spans:
        yield from ((piece, False) for piece in text[end:start].split(separator) if piece)
        yield from ((piece, True) for piece in text[start:stop].split(separator) if piece)
        end = stop
    yield from ((piece, False) for piece in text[end:].split(separator) if piece)


def _without_separator(text: str, spans: list[Span], separator: str) -> tuple[Span, ...]:
    return tuple(
        Span(start - text.count(separator, 0, start), stop - text.count(separator, 0, stop)) for start, stop in spans
    )


def _separator(value: Any) -> str:
    used = set("".join(_strings(value)))
    for character in _NONCHARACTERS:
        if character not in used:
            return character
    raise MaskError("the conversation uses all of U+FDD0 to U+FDEF, which Unicode keeps out of text; remove them")


def _marks_of(tokenizer: PreTrainedTokenizerBase) -> re.Pattern[str]:
    """Where a text spells a token that only the template may write: at its first character, overlaps included."""
    added = tokenizer.added_tokens_decoder.values()
    theirs = {token.content for token in added if token.special or _TAG.fullmatch(token.content)}
    marks = sorted({mark for mark in (*CONTROL, *MARKUP, *theirs) if len(mark) > 1})
    return re.compile(f"(?s)(?=(?:{'|'.join(map(re.escape, marks))}))(.)")


def _disarm(value: Any, marks: re.Pattern[str], separator: str) -> Any:
    """`value` with the separator put after the first character of every mark that one of its texts spells."""
    if isinstance(value, str):
        return marks.sub(lambda found: found[1] + separator, value)
    if isinstance(value, dict):
        return {_disarm(key, marks, separator): _disarm(item, marks, separator) for key, item in value.items()}
    if isinstance(value, list):
        return [_disarm(item, marks, separator) for item in value]
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
