"""A Qwen3 with random weights and a tokenizer of its own, small enough that vLLM serves it on a processor."""

from __future__ import annotations

from pathlib import Path

from rayscaler.recipes import Shape
from rayscaler.training.tokenizer import load_tokenizer, train_bpe

DOCS = Path(__file__).parents[1] / "docs"

SHAPE = Shape(layers=2, hidden=64, heads=4, kv_heads=2, head_dim=32, mlp=128)


def write_tiny_model(folder: Path, *, positions: int = 16384) -> Path:
    """A folder in Hugging Face layout with 160 thousand parameters, in bfloat16, and the project's chat template."""
    import torch
    from transformers import Qwen3ForCausalLM

    from rayscaler.runtime.models import qwen3_config

    tokenizer = load_tokenizer(train_bpe((DOCS / "design.md").read_text(encoding="utf-8").splitlines(), 1024))
    torch.manual_seed(0)
    model = Qwen3ForCausalLM(qwen3_config(SHAPE, len(tokenizer), positions)).to(torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def write_tiny_adapter(model: Path, folder: Path) -> Path:
    """Low-rank adapters for a tiny model, with random weights large enough that it says something else."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    settings = LoraConfig(r=8, lora_alpha=64, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM",
                          init_lora_weights="gaussian")  # fmt: skip
    adapted = get_peft_model(AutoModelForCausalLM.from_pretrained(model), settings)
    for name, weights in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights)
    adapted.save_pretrained(folder)
    return folder
