"""Who plays the agent in an evaluation: a scripted side, an endpoint, or a checkpoint that is served meanwhile."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as pafs

from rayscaler.errors import ConfigError
from rayscaler.recipes import Agent, Endpoint
from rayscaler.recipes_evaluate import EvaluatedModel, EvaluateRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.gpus import gpus, placed
from rayscaler.runtime.serving_address import check_reach, reached_at
from rayscaler.runtime.serving_process import device_here, served
from rayscaler.serving import ServedModel
from rayscaler.tables import CHECKPOINTS

log = logging.getLogger(__name__)


@contextmanager
def agent_of(model: EvaluatedModel, ctx: Context[EvaluateRecipe]) -> Iterator[Agent]:
    """The agent's side, for the time of the block. A checkpoint is served by vLLM on this machine, on the address that
    `resources.serving.host` gives, and on the GPUs with the most free memory.

    Raises ConfigError for a phase that the run has not trained, or if workers on other machines could not reach it;
    StageError if no GPU has room for it; EngineMissing without vLLM.
    """
    if model.agent is not None:
        yield model.agent
        return
    serving = ctx.resources.serving
    check_reach(serving.model_copy(update={"url": ""}), f"the checkpoint of evaluate.models.{model.name}")
    host, device = reached_at(serving.host), device_here(serving.device)
    wanted, devices = serving.replicas(model.name), ""
    if device == "gpu" and (found := gpus(os.environ)):
        wanted, devices = placed(wanted, found, fixed=model.name in serving.models)
    log.info("%s is served on %s, %s", model.name, host,
             f"on GPU {devices}, {wanted.gpu_memory:.0%} of its memory" if devices else f"on the {device}")
    settings = ServedModel(source="-", max_model_len=model.max_model_len, reasoning_parser=model.reasoning_parser)
    with _folder(model, ctx) as folder, served(
        folder, name=model.name, model=settings, replicas=wanted, device=device, host=host, devices=devices,
    ) as server:
        yield Endpoint(model=model.name, base_url=server.base_url, temperature=model.temperature,
                       max_tokens=model.max_tokens)


@contextmanager
def _folder(model: EvaluatedModel, ctx: Context[EvaluateRecipe]) -> Iterator[Path]:
    """Where the checkpoint's files lie on this machine; those of a bucket are fetched."""
    if model.folder:
        yield ctx.base / model.folder
        return
    folders = {row["phase"]: row["folder"] for row in ctx.read(CHECKPOINTS, ["phase", "folder"]).to_pylist()}
    if model.phase not in folders:
        raise ConfigError(f"evaluate.models.{model.name}.phase: the run trained {', '.join(folders) or 'none'}, "
                          f"found {model.phase!r}")
    place, path = ctx.store.place, ctx.store.path(folders[model.phase])
    if place.is_local:
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="rayscaler-checkpoint-") as fetched:
        pafs.copy_files(path, fetched, source_filesystem=place.fs)
        yield Path(fetched)
