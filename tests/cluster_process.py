"""A small Ray cluster as its own processes, on free loopback ports, ended by process id."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rayscaler.runtime.cluster import set_environment
from s3_server import CREDENTIALS


class ClusterProcess(NamedTuple):
    """Where the cluster listens. `dashboard` takes jobs."""

    address: str
    dashboard: str


@contextmanager
def start_cluster(cpus: int = 4) -> Iterator[ClusterProcess]:
    """`ray start --head` for the time of the block."""
    set_environment()
    folder = Path(tempfile.mkdtemp(prefix="rs-", dir="/tmp"))   # short: Ray's sockets have a length limit
    port, dashboard = _free_port(), _free_port()
    command = [
        str(Path(sys.executable).with_name("ray")), "start", "--head", "--node-ip-address=127.0.0.1", f"--port={port}",
        f"--num-cpus={cpus}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}",
        f"--dashboard-agent-listen-port={_free_port()}",   # the default is taken where another Ray runs
        f"--temp-dir={folder}", "--object-store-memory=300000000", "--disable-usage-stats",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=120, env=_clean_environment()
        )
        assert done.returncode == 0, done.stdout + done.stderr
        yield ClusterProcess(f"127.0.0.1:{port}", f"http://127.0.0.1:{dashboard}")
    finally:
        end_processes(str(folder))
        shutil.rmtree(folder, ignore_errors=True)


def end_processes(mark: str) -> None:
    """End every process whose command line holds `mark`, and wait until they are gone."""
    deadline = time.monotonic() + 20
    while (pids := _pids(mark)) and time.monotonic() < deadline:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.1)


def _pids(mark: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            command = (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if mark.encode() in command and state != "Z":
            found.append(int(folder.name))
    return found


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _clean_environment() -> dict[str, str]:
    """Workers import the small works beside the tests and may write to their S3 server; no other cluster is joined."""
    kept = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    paths = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**CREDENTIALS, **kept, "PYTHONPATH": os.pathsep.join(paths)}
