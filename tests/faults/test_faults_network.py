"""A real partition: two network namespaces, a link between them, and the link goes down while a stage runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from cluster_process import end_processes
from faults.stage_again import contents, driver, without
from rayscaler.runtime.cluster import set_environment

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(600, func_only=True)]

HEAD, OTHER, PORT = "10.77.0.1", "10.77.0.2", 6391
STAGE = "compose"

QUICK_DEATH = {
    "RAY_health_check_initial_delay_ms": "1000", "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "3000", "RAY_health_check_failure_threshold": "3",
}  # fmt: skip
"""A silent node is given up after some 12 s; Ray's defaults take a minute (measured: 65 s)."""


class Hosts(NamedTuple):
    """Two namespaces of this machine, each with an address of its own."""

    first: str
    second: str

    def inside(self, name: str, *command: str) -> list[str]:
        """`command` inside a namespace."""
        return ["ip", "netns", "exec", name, *command]

    def cut(self) -> None:
        """Take the link down: no side hears of it but by silence."""
        shell(*self.inside(self.second, "ip", "link", "set", "veth1", "down"))


def shell(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextmanager
def two_hosts() -> Iterator[Hosts]:
    """Skips where namespaces cannot be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    hosts = Hosts(f"rs{os.getpid()}a", f"rs{os.getpid()}b")
    try:
        shell("ip", "netns", "add", hosts.first)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespaces here: {error.stderr!r}")
    try:
        shell("ip", "netns", "add", hosts.second)
        shell("ip", "link", "add", "veth0", "netns", hosts.first, "type", "veth", "peer", "name", "veth1", "netns",
              hosts.second)
        for name, device, address in ((hosts.first, "veth0", HEAD), (hosts.second, "veth1", OTHER)):
            shell(*hosts.inside(name, "ip", "address", "add", f"{address}/24", "dev", device))
            shell(*hosts.inside(name, "ip", "link", "set", device, "up"))
            shell(*hosts.inside(name, "ip", "link", "set", "lo", "up"))
        yield hosts
    finally:
        for name in hosts:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True, timeout=60)


def ray_start(hosts: Hosts, name: str, address: str, folder: Path, *more: str) -> None:
    command = [str(Path(sys.executable).with_name("ray")), "start", f"--node-ip-address={address}", "--num-cpus=2",
               "--object-store-memory=200000000", "--disable-usage-stats", f"--temp-dir={folder}", *more]
    done = subprocess.run(hosts.inside(name, *command), check=False, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stage_whose_worker_is_cut_off_ends_with_the_same_tables(
    smoke_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    set_environment()
    for key, value in {**QUICK_DEATH, "RAY_worker_niceness": "0", "RAY_ENABLE_AUTO_CONNECT": "0"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    run = without(smoke_run, tmp_path / "run", STAGE)
    folders = [Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp")) for _ in range(2)]
    with two_hosts() as hosts:
        try:
            ray_start(hosts, hosts.first, HEAD, folders[0], "--head", f"--port={PORT}", "--include-dashboard=false")
            ray_start(hosts, hosts.second, OTHER, folders[1], f"--address={HEAD}:{PORT}")
            job = driver(run, STAGE, f"{HEAD}:{PORT}", *hosts.inside(hosts.first))
            parts = f"{STAGE}: started"
            deadline, seen = time.monotonic() + 300, ""
            assert job.stdout
            while parts not in seen and time.monotonic() < deadline:
                line = job.stdout.readline()
                seen += line
                assert line, seen
            time.sleep(4)                                   # workers on both sides have begun
            hosts.cut()
            output, _ = job.communicate(timeout=400)
        finally:
            for folder in folders:
                end_processes(str(folder))
                shutil.rmtree(folder, ignore_errors=True)
    assert job.returncode == 0, seen + output
    assert contents(run, STAGE) == contents(smoke_run, STAGE)
