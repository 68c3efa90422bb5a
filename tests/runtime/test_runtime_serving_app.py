"""What Ray Serve and vLLM are told of a configuration's models. No engine is started here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rayscaler.config import load_config
from rayscaler.display.serving import manifest_text
from rayscaler.runtime.serving_app import app_arguments, app_name
from rayscaler.runtime.serving_engine import command_line, engine_arguments, engine_environment
from rayscaler.serving import Replicas, ServedModel, Serving

ROOT = Path(__file__).parents[2]

QWEN = ServedModel(source="Qwen/Qwen3-8B", dtype="bfloat16", max_model_len=32768)


def test_the_papers_pool_and_the_rayservice_are_the_same_application():
    manifest = yaml.safe_load((ROOT / "cluster" / "kuberay" / "rayservice.yaml").read_text())
    printed = manifest_text(load_config(ROOT / "configs" / "paper.yaml"))
    assert yaml.safe_load(printed) == yaml.safe_load(manifest["spec"]["serveConfigV2"])


@pytest.mark.vllm
@pytest.mark.timeout(600)
@pytest.mark.parametrize("device", ["gpu", "cpu"])
def test_ray_takes_the_papers_pool_as_it_is_written(device):
    """Ray's own classes read every key; nothing is started, and no GPU was at hand."""
    from ray.serve.llm import LLMServingArgs

    config = load_config(ROOT / "configs" / "paper.yaml")
    serving = config.resources.serving.model_copy(update={"models": {}} if device == "cpu" else {})
    [found] = LLMServingArgs.model_validate(app_arguments(config.serve, serving, device)).llm_configs
    assert (found.model_id, found.model_loading_config.model_source) == ("qwen3-8b", "Qwen/Qwen3-8B")
    assert found.accelerator_config.kind == device
    assert found.accelerator_type == ("H100" if device == "gpu" else None)
    engine = found.get_engine_config()
    assert engine.tensor_parallel_degree == 1
    assert engine.engine_kwargs["max_model_len"] == 32768
    bounds = found.deployment_config.get("autoscaling_config", {"min_replicas": 1, "max_replicas": 1})
    assert (bounds["min_replicas"], bounds["max_replicas"]) == ((1, 8) if device == "gpu" else (1, 1))


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_vllm_takes_every_word_of_the_command_line():
    try:
        from vllm.entrypoints.launchers.cli_args import make_arg_parser, validate_parsed_serve_args
    except ImportError:  # before 0.32
        from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    model = QWEN.model_copy(update={"quantization": "fp8", "adapters": {"retail": "/adapters/retail"}})
    parser = make_arg_parser(FlexibleArgumentParser())
    words = command_line(engine_arguments(model, Replicas(tensor_parallel=2), "gpu"))
    parsed = parser.parse_args(["--model", model.source, *words])
    validate_parsed_serve_args(parsed)
    assert (parsed.tool_call_parser, parsed.reasoning_parser, parsed.quantization) == ("hermes", "qwen3", "fp8")
    assert (parsed.tensor_parallel_size, parsed.max_lora_rank, parsed.max_loras) == (2, 16, 1)
    assert parsed.enable_auto_tool_choice
    assert parsed.enable_lora
    assert not parsed.enforce_eager
    parsed = parser.parse_args(["--model", model.source, *command_line(engine_arguments(model, Replicas(), "cpu"))])
    assert parsed.enforce_eager
    assert (parsed.enable_chunked_prefill, parsed.max_num_batched_tokens) == (False, 32768)


def test_keyword_arguments_become_flags():
    found = command_line({"max_model_len": 16, "enforce_eager": True, "enable_chunked_prefill": False})
    assert found == ["--max-model-len", "16", "--enforce-eager", "--no-enable-chunked-prefill"]


def test_a_cpu_engine_is_bounded_in_memory_and_threads_and_compiles_nothing():
    replicas = Replicas(kv_cache_gb=3, threads=2)
    environment = engine_environment(replicas, "cpu")
    assert (environment["VLLM_CPU_KVCACHE_SPACE"], environment["OMP_NUM_THREADS"]) == ("3", "2")
    assert engine_arguments(QWEN, replicas, "cpu")["enforce_eager"] is True
    assert "gpu_memory_utilization" not in engine_arguments(QWEN, replicas, "cpu")


def test_parsers_that_are_not_wanted_are_not_named():
    plain = engine_arguments(QWEN.model_copy(update={"tool_parser": "", "reasoning_parser": ""}), Replicas(), "gpu")
    assert not {"tool_call_parser", "enable_auto_tool_choice", "reasoning_parser"} & set(plain)


def only(serving: Serving, model: ServedModel = QWEN, device: str = "gpu") -> dict[str, Any]:
    [config] = app_arguments({"m": model}, serving, device)["llm_configs"]
    return config


def test_bounds_that_differ_autoscale_and_equal_ones_do_not():
    fixed = only(Serving(models={"m": Replicas(min_replicas=3, max_replicas=3)}))["deployment_config"]
    moving = only(Serving(models={"m": Replicas(min_replicas=0, max_replicas=3, target_calls=9)}))["deployment_config"]
    assert fixed["num_replicas"] == 3
    assert "autoscaling_config" not in fixed
    assert moving["autoscaling_config"]["target_ongoing_requests"] == 9
    assert (moving["autoscaling_config"]["min_replicas"], moving["autoscaling_config"]["max_replicas"]) == (0, 3)
    assert "num_replicas" not in moving


def test_a_folder_is_told_by_its_whole_path_and_a_name_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    here, there = only(Serving(), ServedModel(source="model")), only(Serving())
    assert here["model_loading_config"]["model_source"] == str(tmp_path / "model")
    assert there["model_loading_config"]["model_source"] == "Qwen/Qwen3-8B"


def test_other_models_are_another_pool_and_other_resources_are_not():
    assert app_name({"m": QWEN}) != app_name({"m": QWEN.model_copy(update={"max_model_len": 100})})
    assert app_name({"m": QWEN}) != app_name({"n": QWEN})
