"""The KubeRay manifests against KubeRay's own schemas, made strict: an unknown key is an error, as a typo should be."""

from __future__ import annotations

import json
import lzma
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted((ROOT / "cluster" / "kuberay").glob("*.yaml"))
SCHEMAS = json.loads(lzma.decompress((Path(__file__).parent / "kuberay-v1.7.0.json.xz").read_bytes()))
"""Made by scripts/kuberay_schemas.py from KubeRay v1.7.0 (Apache License 2.0)."""


def strict(node: Any) -> Any:
    """A Kubernetes schema as JSON Schema: no unknown keys, `int-or-string`, `nullable`."""
    if isinstance(node, list):
        return [strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: strict(value) for key, value in node.items()}
    if node.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    if node.get("nullable") and isinstance(node.get("type"), str):
        made["type"] = [node["type"], "null"]
    if isinstance(node.get("properties"), dict) and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


def errors_of(manifest: dict[str, Any]) -> list[str]:
    schema = strict(SCHEMAS[manifest["kind"]])
    schema["properties"]["metadata"] = {"type": "object", "required": ["name"]}
    found = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}" for error in found]


def read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def cluster_of(manifest: dict[str, Any]) -> dict[str, Any]:
    spec = manifest["spec"]
    found: dict[str, Any] = spec.get("rayClusterSpec") or spec.get("rayClusterConfig") or spec
    return found


def containers_of(cluster: dict[str, Any]) -> list[dict[str, Any]]:
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [container for group in groups for container in group["template"]["spec"]["containers"]]


def test_there_is_one_of_each_kind():
    assert sorted(read(path)["kind"] for path in MANIFESTS) == ["RayCluster", "RayJob", "RayService"]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_manifest_fits_kuberays_schema(path: Path):
    assert errors_of(read(path)) == []


def test_typos_and_wrong_types_are_found():
    manifest = read(ROOT / "cluster" / "kuberay" / "raycluster.yaml")
    manifest["spec"]["workerGroupSpecs"][0]["minReplica"] = 0
    manifest["spec"]["workerGroupSpecs"][1]["maxReplicas"] = "8"
    manifest["spec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["imagePullPolice"] = "Always"
    assert [error.split(":")[0] for error in sorted(errors_of(manifest))] == [
        "spec/headGroupSpec/template/spec/containers/0",
        "spec/workerGroupSpecs/0",
        "spec/workerGroupSpecs/1/maxReplicas",
    ]


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_a_cluster_scales_from_its_least_with_tokens_and_one_ray(path: Path):
    import ray

    cluster = cluster_of(read(path))
    assert cluster["rayVersion"] == ray.__version__
    assert cluster["authOptions"] == {"mode": "token"}
    assert cluster["enableInTreeAutoscaling"] is True
    assert cluster["autoscalerOptions"]["version"] == "v2"
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in cluster["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for container in containers_of(cluster):
        assert container["resources"]["requests"] == container["resources"]["limits"]


def test_the_job_runs_a_configuration_that_the_image_has():
    entrypoint = shlex.split(read(ROOT / "cluster" / "kuberay" / "rayjob.yaml")["spec"]["entrypoint"])
    assert entrypoint[0] == "python"
    assert (ROOT / entrypoint[1]).is_file()
    assert (ROOT / entrypoint[entrypoint.index("--config") + 1]).is_file()


def test_the_models_configuration_fits_ray_serves_schema():
    schema = pytest.importorskip("ray.serve.schema", reason="needs ray[serve]")
    text = read(ROOT / "cluster" / "kuberay" / "rayservice.yaml")["spec"]["serveConfigV2"]
    deployed = schema.ServeDeploySchema.model_validate(yaml.safe_load(text))
    assert [app.import_path for app in deployed.applications] == ["ray.serve.llm:build_openai_app"]
