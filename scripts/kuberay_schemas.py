"""Make tests/cluster/kuberay-<tag>.json.xz from KubeRay's own CRDs, so that manifests are validated without a network.

    git clone --depth 1 --branch v1.7.0 https://github.com/ray-project/kuberay
    python scripts/kuberay_schemas.py kuberay v1.7.0

KubeRay is under the Apache License 2.0. Kept is the OpenAPI schema of version v1 of RayCluster, RayJob and RayService;
descriptions and list hints are left out, which takes 3.3 MB to 6 KB.
"""

from __future__ import annotations

import json
import lzma
import sys
from pathlib import Path
from typing import Any

import yaml

LEFT_OUT = ("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type")


def pruned(node: Any) -> Any:
    """The schema without its prose. A property that is called `description` stays."""
    if isinstance(node, list):
        return [pruned(item) for item in node]
    if not isinstance(node, dict):
        return node
    prose = isinstance(node.get("description"), str)
    return {k: pruned(v) for k, v in node.items() if k not in LEFT_OUT and not (prose and k == "description")}


def main() -> None:
    """Write the file."""
    checkout, tag = Path(sys.argv[1]), sys.argv[2]
    schemas = {}
    for name in ("rayclusters", "rayjobs", "rayservices"):
        path = checkout / "helm-chart" / "kuberay-operator" / "crds" / f"ray.io_{name}.yaml"
        spec = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        version = next(version for version in spec["versions"] if version["name"] == "v1")
        schemas[spec["names"]["kind"]] = pruned(version["schema"]["openAPIV3Schema"])
    target = Path(__file__).parents[1] / "tests" / "cluster" / f"kuberay-{tag}.json.xz"
    text = json.dumps(schemas, sort_keys=True, separators=(",", ":"))
    target.write_bytes(lzma.compress(text.encode()))
    print(f"{target}: {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
