"""One model, served by one vLLM process on this machine for as long as a block runs. Needs no Ray.

    with served("runs/tiny/models/1a2b…/general/model") as model:
        play(Endpoint(model=model.name, base_url=model.base_url))

It is what plays a checkpoint on a laptop: a process starts in a third of the processor time that Ray Serve's parts
take, and asks Ray for nothing. A pool that has several models or replicas, or grows, is `serving_pool`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from rayscaler.errors import StageError
from rayscaler.runtime.serving_engine import Device, check_vllm, command_line, engine_arguments, engine_environment
from rayscaler.runtime.serving_health import is_healthy, warm_up
from rayscaler.serving import Replicas, ServedModel

log = logging.getLogger(__name__)

CHILD = "rayscaler.runtime.serving_child"

KILL_S = 60.0
"""How long the kernel may take to end a process."""

POLL_S = 0.5

LAST_LINES = 15
"""Lines of the server's log in the error that tells of its end."""


class Server(NamedTuple):
    """A running server: where it is (`http://127.0.0.1:PORT/v1`), its model's name, its process id and its log."""

    base_url: str
    name: str
    pid: int
    log: Path


@contextmanager
def served(
    source: str | Path, *, name: str = "model", model: ServedModel | None = None, replicas: Replicas | None = None,
    device: str = "auto", host: str = "127.0.0.1", devices: str = "", start_s: float = 900.0, drain_s: float = 10.0,
) -> Iterator[Server]:
    """vLLM with the model at `source`, a folder in Hugging Face layout (or a hub name), until the block ends.

    It listens on a free port of `host`, an address of this machine, and answers when the block begins: loaded, and one
    call made of it. Tool calls and reasoning are parsed as Qwen3 writes them unless `model` says otherwise (then only
    its other settings count). `name` is what requests ask for, `name:adapter` for its adapters. device: `gpu`, `cpu`,
    or `auto`, which takes a GPU that this process sees; devices: which GPUs, by their numbers as `nvidia-smi` has them.
    The block's end gives calls in flight `drain_s` seconds. If this process dies, the server ends too.

    Raises EngineMissing without vLLM, StageError with the last lines of its log if it does not answer in `start_s`
    seconds.
    """
    check_vllm()
    settings = (model or ServedModel(source="-")).model_copy(update={"source": str(source)})
    with tempfile.TemporaryDirectory(prefix="rayscaler-vllm-") as folder:
        port, path = free_port(host), Path(folder) / "server.log"
        command, environment = _command(name, settings, replicas or Replicas(), device)
        environment |= {"CUDA_VISIBLE_DEVICES": devices, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if devices else {}
        process = _started([*command, "--host", host, "--port", str(port)], environment, path)
        server = Server(f"http://{host}:{port}/v1", name, process.pid, path)
        try:
            _wait(process, server, start_s)
            yield server
        finally:
            _end(process, drain_s)


def free_port(host: str = "127.0.0.1") -> int:
    """A port of an address of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _command(name: str, model: ServedModel, replicas: Replicas, device: str) -> tuple[list[str], dict[str, str]]:
    """The server's command line without its address, and what its environment has besides this process's."""
    kind = device_here(device)
    words = [sys.executable, "-m", CHILD, "--model", model.source, "--served-model-name", name,
             *command_line(engine_arguments(model, replicas, kind))]  # fmt: skip
    if model.adapters:
        words += ["--lora-modules", *(f"{name}:{adapter}={path}" for adapter, path in model.adapters.items())]
    log.info("vLLM starts with %s, on the %s", model.source, kind)
    return words, engine_environment(replicas, kind)


def _started(command: list[str], environment: dict[str, str], log_path: Path) -> subprocess.Popen[bytes]:
    """The server's process, in a session of its own."""
    with log_path.open("wb") as output:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT,
            env={**os.environ, **environment}, start_new_session=True,
        )  # fmt: skip


def device_here(wanted: str) -> Device:
    """`auto` is a GPU where this process sees one."""
    if wanted == "auto":
        import torch

        return "gpu" if torch.cuda.is_available() else "cpu"
    return "gpu" if wanted == "gpu" else "cpu"


def _wait(process: subprocess.Popen[bytes], server: Server, start_s: float) -> None:
    """Until the server has answered one call."""
    began = time.monotonic()
    while not is_healthy(server.base_url):
        if process.poll() is not None:
            raise StageError(f"vLLM ended while it started (exit code {process.returncode}):\n{_last(server.log)}")
        if time.monotonic() - began > start_s:
            raise StageError(f"vLLM did not answer within {start_s:.0f} s:\n{_last(server.log)}")
        time.sleep(POLL_S)
    seconds = warm_up(server.base_url, server.name)
    log.info("vLLM answers at %s after %.0f s; its first call took %.1f s", server.base_url,
             time.monotonic() - began, seconds)


def _last(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-LAST_LINES:])


def _end(process: subprocess.Popen[bytes], drain_s: float) -> None:
    """Ask the server to end, then end all of its processes."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(drain_s)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(KILL_S)
    if process.stdin:
        process.stdin.close()
