"""Pins with hashes for the shipped image, from what pip resolves: `cluster/requirements.lock`.

    python -m pip install --dry-run --ignore-installed --report report.json -c constraints.txt '.[report]'
    python scripts/lock.py report.json > cluster/requirements.lock

One line per package: `name==version --hash=sha256:…` of the file that pip would install for the Python and platform
that it was asked on. Where the files come from is not in it. PyTorch is left out: its build (CPU or CUDA) is chosen by
index, and each has a hash of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

LEFT_OUT = ("rayscaler", "torch")


def lines(report: dict[str, Any]) -> list[str]:
    """The lock file's lines. ValueError for a file without a SHA-256."""
    found = []
    for item in report["install"]:
        name, version = canonicalize_name(item["metadata"]["name"]), item["metadata"]["version"]
        if name in LEFT_OUT or name.startswith(("nvidia-", "cuda-")) or name == "triton":
            continue
        hashes = item["download_info"].get("archive_info", {}).get("hashes", {})
        if "sha256" not in hashes:
            raise ValueError(f"{name} {version}: pip's report has no sha256 of it")
        found.append(f"{name}=={version} --hash=sha256:{hashes['sha256']}")
    return sorted(found)


def main() -> None:
    report = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    where = report["environment"]
    print(f"# Made by scripts/lock.py for CPython {where['python_version']} on {where['sys_platform']} "
          f"{where['platform_machine']}: the image's. PyTorch is pinned in constraints.txt, by version.")
    print("\n".join(lines(report)))


if __name__ == "__main__":
    main()
