"""The GPUs of this machine: how much of their memory is free, and which of them an engine should take.

Engines that Ray Serve starts have GPUs of their own. One that is started beside them, for a checkpoint, looks for
itself: it takes the GPUs with the most free memory, and no more of that than is free.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

from rayscaler.errors import StageError
from rayscaler.serving import Replicas

log = logging.getLogger(__name__)

SMI = ("nvidia-smi", "--query-gpu=index,uuid,memory.free,memory.total", "--format=csv,noheader,nounits")

RESERVE = 0.05
"""Share of a GPU's memory that is left to its context and to what moves beside the engine."""

SMALLEST = 0.1
"""Share below which no engine is started."""


class Gpu(NamedTuple):
    """One GPU: its number, its name for good, and its memory in MiB."""

    number: str
    uuid: str
    free_mb: float
    total_mb: float

    @property
    def free(self) -> float:
        """The share of its memory that is free."""
        return self.free_mb / self.total_mb


def gpus(environment: Mapping[str, str]) -> list[Gpu]:
    """The GPUs that a process with this environment sees; none where there is no `nvidia-smi` to say so."""
    try:
        said = subprocess.run(SMI, check=True, capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("nvidia-smi does not say which GPUs there are, so none is chosen: %s", error)
        return []
    return visible(read_gpus(said), environment.get("CUDA_VISIBLE_DEVICES"))


def read_gpus(said: str) -> list[Gpu]:
    """What `nvidia-smi` prints, one GPU a line: `0, GPU-5f…, 142811, 143771`."""
    rows = [[part.strip() for part in line.split(",")] for line in said.splitlines() if line.strip()]
    return [Gpu(number, uuid, float(free), float(total)) for number, uuid, free, total in rows]


def visible(found: list[Gpu], devices: str | None) -> list[Gpu]:
    """Those that CUDA_VISIBLE_DEVICES names, by number or name; all of them where it is not set."""
    if devices is None:
        return found
    named = [one.strip() for one in devices.split(",") if one.strip()]
    return [gpu for gpu in found if gpu.number in named or any(gpu.uuid.startswith(name) for name in named)]


def placed(wanted: Replicas, found: list[Gpu], *, fixed: bool) -> tuple[Replicas, str]:
    """What an engine runs on here, and its GPUs by number: those with the most free memory.

    fixed: the share of `wanted` is the user's word; else it is what is free, up to that share. Raises StageError if
    there are too few GPUs, or too little memory is free.
    """
    best = sorted(found, key=lambda gpu: -gpu.free)[: wanted.tensor_parallel]
    if len(best) < wanted.tensor_parallel:
        raise StageError(f"tensor_parallel asks for {wanted.tensor_parallel} GPUs, this process sees {len(found)}")
    devices = ",".join(gpu.number for gpu in best)
    free = min(gpu.free for gpu in best) - RESERVE
    if fixed and wanted.gpu_memory <= free + RESERVE:
        return wanted, devices
    if fixed or free < SMALLEST:
        raise StageError(
            f"GPU {best[-1].number} has {free + RESERVE:.0%} of its memory free, and a checkpoint's engine would take "
            f"{wanted.gpu_memory if fixed else SMALLEST:.0%} or more; other engines hold the rest: set "
            "resources.serving.models.NAME.gpu_memory of each model on that GPU, so that they fit together"
        )
    return wanted.model_copy(update={"gpu_memory": round(min(wanted.gpu_memory, free), 3)}), devices
