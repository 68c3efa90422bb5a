"""`serve` in a configuration: which endpoints it stands for, what of it the fingerprints see, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rayscaler.config import Config, parse_config
from rayscaler.endpoints import endpoints_of, with_endpoints
from rayscaler.errors import ConfigError
from rayscaler.pipeline import steps
from rayscaler.recipes import Endpoint, RefineTasks

SERVE = {"small": {"source": "Qwen/Qwen3-0.6B", "adapters": {"retail": "s3://bucket/retail"}}}


def configuration(*, model: str = "small", serve: Any = None, base: Path = Path(), **more: Any) -> Config:
    agent = {"kind": "openai", "model": model}
    return parse_config({"name": "r", "serve": SERVE if serve is None else serve, "rollout": {"agent": agent}, **more},
                        base=base)  # fmt: skip


def rollout_of(config: Config) -> str:
    """The fingerprint of the conversations."""
    return next(step.fingerprint for step in steps(config) if step.stage.NAME == "rollout")


def test_an_endpoint_without_an_address_is_a_served_model():
    config = configuration()
    assert config.recipes.rollout.agent.served == config.serve["small"]
    assert config.recipes.rollout.agent.base_url == ""


def test_an_adapter_is_named_after_its_model():
    assert configuration(model="small:retail").recipes.rollout.agent.model == "small:retail"
    with pytest.raises(ConfigError, match=r"rollout\.agent\.model: .* it has small, small:retail"):
        configuration(model="small:other")


@pytest.mark.parametrize(("serve", "says"), [({}, "it is empty"), (SERVE, "it has small, small:retail")])
def test_a_model_that_is_not_served_needs_an_address(serve, says):
    with pytest.raises(ConfigError, match=rf"rollout\.agent\.base_url: .*{says}"):
        configuration(model="other", serve=serve)


def test_an_unknown_key_of_a_served_model_suggests_the_nearest():
    with pytest.raises(ConfigError, match=r"serve\.small\.max_model_length: unknown key; did you mean `max_model_len`"):
        configuration(serve={"small": {"source": "x", "max_model_length": 10}})


def test_resources_of_a_checkpoint_go_by_its_name_in_the_evaluation(tmp_path):
    evaluate = {"models": [{"name": "mine", "folder": str(tmp_path)}, {"name": "other", "agent": {}}]}
    found = configuration(evaluate=evaluate, resources={"serving": {"models": {"mine": {"gpu_memory": 0.4}}}})
    assert found.resources.serving.replicas("mine").gpu_memory == 0.4
    with pytest.raises(ConfigError, match="no checkpoint"):
        configuration(evaluate=evaluate, resources={"serving": {"models": {"other": {"gpu_memory": 0.4}}}})


def test_resources_of_a_model_that_is_not_served_are_refused():
    with pytest.raises(ConfigError, match=r"serving\.models: `serve` has no 'smal', and no checkpoint .* it has small"):
        configuration(resources={"serving": {"models": {"smal": {}}}})
    with pytest.raises(ConfigError, match=r"`min_replicas` 3 is above `max_replicas` 2"):
        configuration(resources={"serving": {"models": {"small": {"min_replicas": 3, "max_replicas": 2}}}})


@pytest.mark.parametrize("change", [{"max_model_len": 100}, {"dtype": "float16"}, {"quantization": "fp8"},
                                    {"tool_parser": ""}, {"adapters": {"retail": "s3://bucket/other"}},
                                    {"source": "Qwen/Qwen3-4B"}])  # fmt: skip
def test_what_changes_what_a_model_says_makes_the_conversations_anew(change):
    other = configuration(serve={"small": {**SERVE["small"], **change}})
    assert rollout_of(other) != rollout_of(configuration())


def test_on_what_a_model_runs_changes_no_fingerprint():
    serving = {"port": 9000, "device": "cpu", "models": {"small": {"max_replicas": 4, "threads": 2}}}
    other = configuration(resources={"serving": serving}, serve={"small": {**SERVE["small"], "adapter_rank": 64}})
    assert rollout_of(other) == rollout_of(configuration())


def test_a_models_folder_stands_by_the_content_of_its_files(tmp_path):
    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text(text)
    a, b, c = (rollout_of(configuration(serve={"small": {"source": str(tmp_path / name)}})) for name in "abc")
    assert a == b != c


def test_an_endpoint_elsewhere_is_identified_as_if_there_were_no_pool():
    endpoint = Endpoint(model="m", base_url="http://127.0.0.1:1/v1")
    assert "served" not in endpoint.identity()


def test_endpoints_are_found_and_replaced_wherever_they_stand():
    refine = RefineTasks(model="small")
    recipes = configuration(compose={"refine": {"model": "small"}}).recipes
    assert [where for where, _ in endpoints_of(recipes)] == ["compose.refine", "rollout.agent"]
    moved = with_endpoints(recipes, lambda where, found: found.model_copy(update={"base_url": f"http://{where}/v1"}))
    assert moved.compose.refine.base_url == "http://compose.refine/v1"
    assert isinstance(moved.compose.refine, type(refine))
    assert moved.rollout.agent.base_url == "http://rollout.agent/v1"
    assert moved.ingest is recipes.ingest
