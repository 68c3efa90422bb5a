"""The pool as Ray Serve is told of it: plain values, the same for a run here and for a RayService on Kubernetes.

They are what `ray.serve.llm:build_openai_app` takes (Ray 2.60): one `LLMConfig` per model, one ingress for all of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rayscaler.canonical import digest
from rayscaler.runtime.serving_engine import Device, engine_arguments, engine_environment
from rayscaler.serving import Replicas, ServedModel, Serving

BUILDER = "ray.serve.llm:build_openai_app"

ADAPTED = "rayscaler.runtime.serving_adapters.AdaptedServer"
"""The server of a model with adapters: Ray's own reads them from buckets only."""

HEALTH_S, HEALTH_ANSWER_S = 10.0, 30.0
"""Seconds between two looks at a replica's health, and how long an answer may take: three too late end the replica."""

Models = dict[str, ServedModel]


def app_name(models: Models) -> str:
    """The pool's name in Ray Serve: another for other models, so that nobody takes one pool for another."""
    return "rayscaler-" + digest({name: model.identity() for name, model in models.items()}, length=8)


def app_arguments(models: Models, serving: Serving, device: Device) -> dict[str, Any]:
    """The arguments of `build_openai_app`."""
    configs = [_model(name, model, serving, device) for name, model in models.items()]
    ingress: dict[str, Any] = {"graceful_shutdown_timeout_s": serving.drain_s}  # calls in flight pass through it
    if device == "cpu":  # one machine: one ingress, which asks Ray for nothing
        ingress |= {"num_replicas": 1, "autoscaling_config": None, "ray_actor_options": {"num_cpus": 0}}
    return {"llm_configs": configs, "ingress_deployment_config": ingress}


def serve_config(models: Models, serving: Serving) -> dict[str, Any]:
    """The whole of `serveConfigV2` in a RayService, for GPUs."""
    arguments = app_arguments(models, serving, "gpu")
    return {"applications": [{"name": "models", "import_path": BUILDER, "route_prefix": "/", "args": arguments}]}


def reserved_cpus(models: Models, serving: Serving) -> float:
    """Logical CPUs that the pool's engines reserve at most."""
    return sum(serving.replicas(name).cpus * serving.replicas(name).max_replicas for name in models)


def _model(name: str, model: ServedModel, serving: Serving, device: Device) -> dict[str, Any]:
    replicas = serving.replicas(name)
    found: dict[str, Any] = {
        "model_loading_config": {"model_id": name, "model_source": _absolute(model.source)},
        "deployment_config": _deployment(replicas, serving, device),
        "engine_kwargs": engine_arguments(model, replicas, device),
        "runtime_env": {"env_vars": engine_environment(replicas, device)},
    }
    if device == "cpu":
        bundle = {"CPU": replicas.cpus}
        found |= {"accelerator_config": {"kind": "cpu"}, "placement_group_config": {"bundles": [bundle]}}
    elif replicas.accelerator:
        found["accelerator_type"] = replicas.accelerator
    if model.adapters:
        folders = {adapter: _absolute(place) for adapter, place in model.adapters.items()}
        found |= {
            "server_cls": ADAPTED,
            "lora_config": {"max_num_adapters_per_replica": len(folders)},
            "experimental_configs": {"adapters": folders},
        }
    return found


def _deployment(replicas: Replicas, serving: Serving, device: Device) -> dict[str, Any]:
    """How many replicas there are, what each takes, and how it ends."""
    found: dict[str, Any] = {
        "max_ongoing_requests": replicas.max_calls,
        "graceful_shutdown_timeout_s": serving.drain_s,
        "health_check_period_s": HEALTH_S,
        "health_check_timeout_s": HEALTH_ANSWER_S,
        "ray_actor_options": {"num_cpus": 0 if device == "cpu" else replicas.cpus},
    }
    if replicas.min_replicas == replicas.max_replicas:
        return {"num_replicas": replicas.max_replicas, **found}
    bounds = {
        "min_replicas": replicas.min_replicas,
        "max_replicas": replicas.max_replicas,
        "target_ongoing_requests": replicas.target_calls,
        "upscale_delay_s": replicas.upscale_delay_s,
        "downscale_delay_s": replicas.downscale_delay_s,
    }
    return {"autoscaling_config": bounds, **found}


def _absolute(place: str) -> str:
    """A folder here by its whole path: replicas start elsewhere."""
    return str(Path(place).resolve()) if Path(place).is_dir() else place
