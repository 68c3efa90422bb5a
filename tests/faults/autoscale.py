"""A cluster that starts with no worker, grows by Ray's autoscaler v2 with its fake provider, runs a stage, and shrinks.

    python autoscale.py RUN STAGE

A process of its own. Prints JSON: worker nodes over time before, most while the stage ran, and after idleness.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import yaml

from cluster_process import _free_port, end_processes
from rayscaler import pipeline
from rayscaler.config import load_config
from rayscaler.resources import Resources
from rayscaler.runtime.cluster import set_environment

ROOT = Path(__file__).parents[2]
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
HEAD_ID = "fffffffffffffffffffffffffffffffffffffffffffffffffff00000"
IDLE_MINUTES = 0.1
HEAD_TYPE = "ray.head.default"   # the fake provider knows its head by this name alone


def configuration(port: int) -> dict[str, Any]:
    """What the autoscaler reads: a head without CPUs, and workers of one CPU from none to two."""
    return {
        "cluster_name": "fake", "max_workers": 2, "idle_timeout_minutes": IDLE_MINUTES, "upscaling_speed": 10.0,
        "provider": {
            "type": "external", "module": PROVIDER, "gcs_address": f"127.0.0.1:{port}", "launch_multiple": True,
            "head_node_id": HEAD_ID, "use_node_id_as_ip": True, "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "available_node_types": {
            HEAD_TYPE: {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
        },
        "head_node_type": HEAD_TYPE, "auth": {}, "docker": {}, "file_mounts": {}, "cluster_synced_files": [],
        "initialization_commands": [], "setup_commands": [], "head_setup_commands": [], "worker_setup_commands": [],
        "head_start_ray_commands": [], "worker_start_ray_commands": [],
    }  # fmt: skip


def start_head(folder: Path, port: int) -> subprocess.Popen[bytes]:
    """`ray start --head --block` with the autoscaler in it."""
    config = folder / "autoscaler.yaml"
    config.write_text(yaml.safe_dump(configuration(port)))
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", f"--port={port}",
               "--node-ip-address=127.0.0.1", "--num-cpus=0", "--include-dashboard=false", f"--temp-dir={folder}",
               "--object-store-memory=200000000", "--disable-usage-stats", f"--autoscaling-config={config}",
               f"--ray-client-server-port={_free_port()}"]  # fmt: skip
    environment = {
        **os.environ, "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": HEAD_ID, "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
    }  # fmt: skip
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def workers() -> int:
    """Worker nodes that live."""
    import ray

    return sum(node["Alive"] and node["NodeID"] != HEAD_ID for node in ray.nodes())


def grown_and_shrunk(run: str, stage: str) -> dict[str, int]:
    """Run the stage and watch the nodes."""
    before, most, ended = workers(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.3):
            most[0] = max(most[0], workers())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    config = load_config(ROOT / "configs" / "smoke.yaml")
    pipeline.run(config.model_copy(update={"resources": Resources(grow_to_cpus=3)}), run, until=stage)
    ended.set()
    watcher.join(10)
    deadline = time.monotonic() + 180
    while workers() and time.monotonic() < deadline:
        time.sleep(0.5)
    return {"before": before, "most": most[0], "after": workers()}


def main() -> None:
    set_environment()
    import ray

    folder, port = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp")), _free_port()
    head = start_head(folder, port)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                ray.init(address=f"127.0.0.1:{port}", log_to_driver=False)
                break
            except (ConnectionError, RuntimeError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)
        print(json.dumps(grown_and_shrunk(*sys.argv[1:])))
        ray.shutdown()
    finally:
        head.send_signal(signal.SIGTERM)
        end_processes(str(folder))
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
