"""What was observed while a model trained: one JSON line per step, and the same for TensorBoard.

    {"step": 17, "loss": 2.31, "learning_rate": 1e-05, "tokens_per_s": 4890.1, "supervised_per_s": 911.0, "mfu": null …}

Seconds differ from run to run, so they stand in files beside the model and in no table. MFU is the share of the
device's peak rate that the model's own arithmetic takes, 6 FLOP per parameter and token; null where no peak is known.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

PEAK_FLOPS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "A10": 125e12}
"""Dense bfloat16 FLOP/s by a part of the device's name, from NVIDIA's data sheets."""


class Logbook:
    """Written by worker 0. `world` is the number of workers: rates are of all of them. A resumed phase goes on in a new
    file, named by the step that it begins with."""

    def __init__(self, model: Any, world: int, *, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._temporary = tempfile.TemporaryDirectory(prefix="rayscaler-log-")
        self.folder = Path(self._temporary.name)
        self.n_parameters = sum(parameter.numel() for parameter in model.parameters())
        self.peak = _peak_flops() * world
        self._board = SummaryWriter(str(self.folder / "tensorboard"))
        self._lines = self.folder / f"steps-from-{first_step}.jsonl"
        self._last = time.monotonic()

    def write(self, loss: dict[str, Any]) -> None:
        """One step, timed since the one before."""
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        rate = loss["n_tokens"] / seconds
        mfu = 6 * self.n_parameters * rate / self.peak if self.peak else None
        line = {**loss, "seconds": seconds, "tokens_per_s": rate, "supervised_per_s": loss["n_supervised"] / seconds}
        with self._lines.open("a") as file:
            file.write(json.dumps({**line, "mfu": mfu}) + "\n")
        for name in ("loss", "learning_rate", "gradient_norm", "tokens_per_s"):
            self._board.add_scalar(f"train/{name}", line[name], loss["step"])
        if mfu is not None:
            self._board.add_scalar("train/mfu", mfu, loss["step"])

    def upload(self, filesystem: pafs.FileSystem, folder: str) -> None:
        """Copy the files as they stand to `folder`."""
        self._board.flush()
        filesystem.create_dir(folder, recursive=True)
        local = pafs.LocalFileSystem()
        pafs.copy_files(str(self.folder), folder, source_filesystem=local, destination_filesystem=filesystem)

    def close(self) -> None:
        """Forget the files here; what was uploaded stays."""
        self._board.close()
        self._temporary.cleanup()


def _peak_flops() -> float:
    import torch

    if not torch.cuda.is_available():
        return 0.0
    name = torch.cuda.get_device_name()
    return next((flops for part, flops in PEAK_FLOPS.items() if part in name), 0.0)
