"""Tokenizers for training examples: a small byte-level BPE trained on the run's own text, or a pretrained one.

Both speak ChatML. A pretrained tokenizer keeps its own chat template only if that template marks what the assistant
generates (`{% generation %}`); most do not, Qwen3's among them, and then `CHAT_TEMPLATE` is used in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from rayscaler.errors import ConfigError

CHAT_TEMPLATE = (files("rayscaler.training") / "chat_template.jinja").read_text(encoding="utf-8")
"""ChatML with Qwen3's tool format, with generation markers."""

_TOOL_BLOCK = re.compile(r"\{%- macro tool_block\(\) -%\}.*?\{%- endmacro -%\}", re.DOTALL)
COMPACT_TEMPLATE = _TOOL_BLOCK.sub(
    lambda _: (files("rayscaler.training") / "compact_tools.jinja").read_text(encoding="utf-8").strip(), CHAT_TEMPLATE
)
"""The same with one line per tool, as a signature, and without descriptions: `update_task(id, title?, done?: boolean)`.
A tenth of the tokens; for models that are trained from scratch and know no other form."""

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
CONTROL = (END_OF_TEXT, TURN_START, TURN_END)
"""Tokens that a decoder leaves out of the text it shows."""

MARKUP = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")
"""One token each, but part of the text: a server's tool and reasoning parsers read them."""

_MARKS = re.compile("|".join(re.escape(mark) for mark in (*CONTROL, *MARKUP)))
_GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")


def train_bpe(texts: Iterable[str], vocabulary: int, *, digits: int = 1) -> str:
    """A byte-level BPE of at most `vocabulary` tokens trained on `texts`, as the text of a `tokenizer.json`.

    Any text can be encoded and comes back to the byte. Digits are tokens of their own, so `ord-0007` and `ord-0012` are
    spelled alike; with `digits` above 1 a run of them is cut from the left into groups of so many, each group a token
    where the vocabulary has room. Control and markup tokens are never learnt from the texts. Same texts, same bytes.
    Raises ConfigError if `vocabulary` has no room for the 256 bytes and the tokens above.
    """
    floor = 256 + len(CONTROL) + len(MARKUP)
    if vocabulary < floor:
        raise ConfigError(f"vocabulary: expected at least {floor} (bytes and ChatML tokens), found {vocabulary}")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [_split_digits(digits), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(MARKUP),
        special_tokens=[AddedToken(mark, special=True, normalized=False) for mark in CONTROL],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_without_marks(texts), trainer=trainer)
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in MARKUP])
    return str(tokenizer.to_str())


def _split_digits(most: int) -> Any:
    if most == 1:
        return pre_tokenizers.Digits(individual_digits=True)
    return pre_tokenizers.Split(Regex(rf"\d{{1,{most}}}"), behavior="isolated")


def load_tokenizer(tokenizer_json: str, chat_template: str = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    """The tokenizer of a row of `tokenizers`, as transformers uses it.

    Pads with and ends at the ChatML tokens where it has them. A template that writes `bos_token` gets none.
    """
    plain = Tokenizer.from_str(tokenizer_json)
    named = {"eos_token": TURN_END, "pad_token": END_OF_TEXT}
    known = {name: token for name, token in named.items() if plain.token_to_id(token) is not None}
    tokenizer: PreTrainedTokenizerFast = PreTrainedTokenizerFast(tokenizer_object=plain, **known)  # type: ignore[no-untyped-call]
    tokenizer.chat_template = chat_template
    return tokenizer


def pretrained(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer at a local folder or hub name, with a chat template that marks what the assistant generates.

    Raises ConfigError if it cannot be loaded, if ChatML's turn tokens are not single tokens of it, or if text that is
    encoded in pieces does not come back (sentencepiece tokenizers that put a space before each piece).
    """
    # Four seconds: it imports torch, which nothing else here needs.
    from transformers import AutoTokenizer

    try:
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise ConfigError(f"curate.tokenizer {name!r}: expected a local folder or hub name; {first}") from error
    if not marks_generation(tokenizer.chat_template):
        _check_chatml(name, tokenizer)
        tokenizer.chat_template = CHAT_TEMPLATE
    probe = ("a user", " says\n", "order-0007")
    ids = [token for piece in probe for token in tokenizer.encode(piece, add_special_tokens=False)]
    if tokenizer.decode(ids) != "".join(probe):
        raise ConfigError(f"curate.tokenizer {name!r}: text encoded in pieces does not come back; use a byte-level one")
    return tokenizer


def marks_generation(chat_template: Any) -> bool:
    """Whether a chat template says which part of its text the assistant generates."""
    return isinstance(chat_template, str) and bool(_GENERATION.search(chat_template))


def _check_chatml(name: str, tokenizer: PreTrainedTokenizerBase) -> None:
    for mark in (TURN_START, TURN_END):
        if len(tokenizer.encode(mark, add_special_tokens=False)) != 1:
            raise ConfigError(
                f"curate.tokenizer {name!r}: its chat template has no generation markers, and {mark} is no token of "
                "it; choose a ChatML tokenizer (Qwen3's) or one whose template has generation markers"
            )


def _without_marks(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from (piece for piece in _MARKS.split(text) if piece)
