"""Who plays the agent in an evaluation: a scripted side, an endpoint, or a checkpoint that is served meanwhile."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.fs as pafs

from rayscaler.errors import ConfigError
from rayscaler.recipes import Agent, Endpoint
from rayscaler.recipes_evaluate import EvaluatedModel, EvaluateRecipe
from rayscaler.runtime.context import Context
from rayscaler.runtime.serving_process import served
from rayscaler.serving import ServedModel
from rayscaler.tables import CHECKPOINTS


@contextmanager
def agent_of(model: EvaluatedModel, ctx: Context[EvaluateRecipe]) -> Iterator[Agent]:
    """The agent's side, for the time of the block. A checkpoint is served by vLLM on this machine.

    Raises ConfigError for a phase that the run has not trained, EngineMissing without vLLM.
    """
    if model.agent is not None:
        yield model.agent
        return
    settings = ServedModel(source="-", max_model_len=model.max_model_len, reasoning_parser=model.reasoning_parser)
    with _folder(model, ctx) as folder, served(folder, name=model.name, model=settings) as server:
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
