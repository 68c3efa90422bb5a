"""LoRA adapters in the pool: `NAME:ADAPTER` asks the model NAME with one of its adapters.

Ray's server looks for adapters in a bucket while it runs. Here the configuration names each of them, and a replica
loads one when it is first asked for: from a folder, or copied from any URI that pyarrow opens.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.fs as pafs
from fastapi import HTTPException
from ray.serve.llm import LLMConfig
from ray.serve.llm.deployment import LLMServer


class Adapter(NamedTuple):
    """An adapter in a folder of this machine, as the engine takes it."""

    model_id: str
    local_path: str


class Adapters:
    """Finds the adapters that a model's configuration names."""

    def __init__(self, **_: Any) -> None:
        self._found: dict[str, str] = {}

    async def load_model_from_config(self, lora_model_id: str, llm_config: LLMConfig) -> Adapter:
        """The adapter of `NAME:ADAPTER`. Raises HTTPException 404 where the configuration has none of that name."""
        known = llm_config.experimental_configs["adapters"]
        name = lora_model_id.partition(":")[2]
        if name not in known:
            raise HTTPException(404, f"no adapter {name!r}; there are {', '.join(sorted(known))}")
        if name not in self._found:
            self._found[name] = await asyncio.to_thread(fetched, known[name])
        return Adapter(lora_model_id, self._found[name])


def fetched(place: str) -> str:
    """A folder of this machine with the files at `place`, a folder or a URI."""
    if "://" not in place:
        return place
    folder = tempfile.mkdtemp(prefix="rayscaler-adapter-")
    source, path = pafs.FileSystem.from_uri(place)
    pafs.copy_files(path, folder, source_filesystem=source, destination_filesystem=pafs.LocalFileSystem())
    return str(Path(folder))


class AdaptedServer(LLMServer):
    """Ray's server of one model, with adapters that its configuration names."""

    async def __init__(self, llm_config: LLMConfig, **options: Any) -> None:  # type: ignore[misc]  # as Ray has it
        await super().__init__(llm_config, **{**options, "model_downloader": Adapters})
