"""vLLM's settings for a served model, the same for every way of starting it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, Literal

from rayscaler.errors import EngineMissing
from rayscaler.serving import Replicas, ServedModel

Device = Literal["gpu", "cpu"]

WHOLE_PROMPTS = 4096
"""Tokens of prompts that an engine on a CPU reads at once, or those of the longest prompt."""


def check_vllm() -> None:
    """Raise EngineMissing if vLLM is not installed."""
    if find_spec("vllm") is None:
        raise EngineMissing("vLLM is not installed here: run `make setup-vllm` (its CPU build where there is no GPU), "
                            "or serve the model elsewhere and name it with `kind: openai`")


def engine_arguments(model: ServedModel, replicas: Replicas, device: Device) -> dict[str, Any]:
    """The keyword arguments of vLLM's engine and of its OpenAI front end, in vLLM's names."""
    found: dict[str, Any] = {
        "dtype": model.dtype,
        "max_model_len": model.max_model_len,
        "tensor_parallel_size": replicas.tensor_parallel,
        "enable_prefix_caching": True,  # every turn of a conversation starts with the turns before it
    }
    if model.quantization:
        found["quantization"] = model.quantization
    if model.tool_parser:
        found |= {"enable_auto_tool_choice": True, "tool_call_parser": model.tool_parser}
    if model.reasoning_parser:
        found["reasoning_parser"] = model.reasoning_parser
    if model.adapters:
        found |= {"enable_lora": True, "max_lora_rank": model.adapter_rank, "max_loras": len(model.adapters)}
    if device == "cpu":
        found["enforce_eager"] = True  # compiling for a CPU takes longer than a small model's calls
        # vLLM 0.32 ends with "CPU Generator does not use offset" when it reads a part of a prompt that has a seed.
        found |= {"enable_chunked_prefill": False, "max_num_batched_tokens": max(model.max_model_len, WHOLE_PROMPTS)}
    else:
        found["gpu_memory_utilization"] = replicas.gpu_memory
    return found


def engine_environment(replicas: Replicas, device: Device) -> dict[str, str]:
    """Environment variables of an engine's processes."""
    shared = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if device == "gpu":
        return shared
    return shared | {
        "VLLM_CPU_KVCACHE_SPACE": str(replicas.kv_cache_gb),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": str(replicas.threads),
    }


def command_line(arguments: dict[str, Any]) -> list[str]:
    """Keyword arguments as vLLM's command line has them: `max_model_len=16` is `--max-model-len 16`."""
    words: list[str] = []
    for name, value in arguments.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", str(value)]
    return words
