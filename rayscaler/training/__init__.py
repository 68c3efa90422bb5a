"""Kept trajectories -> training examples: chat template, tokenizer, loss mask of eq. 2, phases (paper section 3.2)."""

from rayscaler.training.phases import GENERAL, VERTICAL, phase_of
from rayscaler.training.render import Rendered, Span, render
from rayscaler.training.tokenizer import CHAT_TEMPLATE, COMPACT_TEMPLATE, load_tokenizer, pretrained, train_bpe

__all__ = [
    "CHAT_TEMPLATE",
    "COMPACT_TEMPLATE",
    "GENERAL",
    "VERTICAL",
    "Rendered",
    "Span",
    "load_tokenizer",
    "phase_of",
    "pretrained",
    "render",
    "train_bpe",
]
