"""Models for training: loaded or made from scratch, wrapped with adapters, and written in Hugging Face layout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rayscaler.errors import ConfigError
from rayscaler.recipes import Lora, Shape, TrainRecipe

SCRATCH = "scratch"

TARGETS = "all-linear"
"""Layers that adapters are put on, in peft's words."""


def load_model(name: str, recipe: TrainRecipe, *, vocabulary: int, seed: int, attention: str) -> Any:
    """The causal language model at `name` (a folder, a hub name, or `scratch`) in float32, ready to be trained.

    vocabulary: ids of the tokenizer; smaller embeddings are grown to it. The same seed gives the same new weights.
    Raises ConfigError if the model cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, Qwen3ForCausalLM

    torch.manual_seed(seed)
    model: Any
    if name == SCRATCH:
        settings = qwen3_config(recipe.shape, vocabulary, recipe.max_tokens)
        settings._attn_implementation = attention
        model = Qwen3ForCausalLM(settings)  # type: ignore[no-untyped-call]
    else:
        try:
            model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, attn_implementation=attention)
        except (OSError, ValueError, ImportError) as error:
            first = str(error).strip().splitlines()[0]
            raise ConfigError(f"train.model {name!r}: expected a model's folder or hub name; {first}") from error
        if model.get_input_embeddings().weight.shape[0] < vocabulary:
            model.resize_token_embeddings(vocabulary)
    if recipe.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    return with_adapters(model, recipe.lora) if recipe.lora else model


def qwen3_config(shape: Shape, vocabulary: int, positions: int) -> Any:
    """The transformers configuration of a Qwen3 of this shape, with tied embeddings."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.mlp,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        head_dim=shape.head_dim,
        max_position_embeddings=shape.positions or positions,
        rope_parameters={"rope_type": "default", "rope_theta": shape.rope_theta},
        tie_word_embeddings=True,
    )


def with_adapters(model: Any, lora: Lora) -> Any:
    """`model` with its weights frozen and low-rank adapters on its linear layers."""
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=TARGETS, task_type="CAUSAL_LM")
    if hasattr(model, "enable_input_require_grads"):
        model.enable_input_require_grads()  # else checkpointed layers see no input that asks for a gradient
    return get_peft_model(model, settings)


def write_model(model: Any, weights: Mapping[str, Any], tokenizer: Any, folder: Path, *, start: str) -> str:
    """Write the whole model and its tokenizer with chat template to `folder`, as transformers and vLLM load them.

    weights: all of the model's, gathered on this process. With adapters they are written to `folder/adapter` as well,
    and merged into the weights of `start`, the folder or name that the model was loaded from. Returns the SHA-256 of
    the weight files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(model, "peft_config"):
        model = _merged(model, weights, folder / "adapter", start)
        weights = model.state_dict()
    for settings in (model.config, model.generation_config):
        if settings.eos_token_id is None:  # a model from scratch: without it `generate` would not end a turn
            settings.eos_token_id, settings.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    model.save_pretrained(folder, state_dict=dict(weights))
    tokenizer.save_pretrained(folder)
    return _weights_digest(folder)


def _merged(model: Any, weights: Mapping[str, Any], adapter: Path, start: str) -> Any:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model.save_pretrained(adapter, state_dict=dict(weights))
    base = AutoModelForCausalLM.from_pretrained(start, dtype="float32")
    if base.get_input_embeddings().weight.shape != model.get_input_embeddings().weight.shape:
        base.resize_token_embeddings(model.get_input_embeddings().weight.shape[0])
    return PeftModel.from_pretrained(base, adapter).merge_and_unload()


def _weights_digest(folder: Path) -> str:
    """SHA-256 over the weight files of a model's folder, in the order of their names."""
    whole = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        whole.update(path.read_bytes())
    return whole.hexdigest()
