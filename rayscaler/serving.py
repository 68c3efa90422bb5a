"""Models that rayscaler serves itself, with vLLM: what they are, and on what they run.

    serve:                                                        # changes what is said: fingerprinted
      qwen3-8b: {source: Qwen/Qwen3-8B, max_model_len: 32768}
    resources:
      serving: {models: {qwen3-8b: {max_replicas: 8}}}            # does not
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rayscaler.canonical import digest
from rayscaler.folders import folder_digest

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
"""Names of served models: Ray Serve splits at a colon, a URL at a slash."""


class ServedModel(BaseModel):
    """A model as vLLM loads it. Its name, the key in `serve`, is what requests ask for; `NAME:ADAPTER` is the model
    with one of its adapters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = Field(min_length=1, description="A name on the Hugging Face hub, a folder in its layout, or an "
                        "`s3://` or `gs://` URI of one.")
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field("auto", description="Of weights and activations; "
                                                                     "`auto` takes what the weights are stored in.")
    max_model_len: int = Field(8192, ge=16, description="Tokens of prompt and reply together. Ours.")
    quantization: str = Field("", description="As vLLM names it (`fp8`, `awq` …); empty for what the weights say.")
    tool_parser: str = Field("hermes", description="How the model writes tool calls, as vLLM names it; `hermes` is "
                             "Qwen3's. Empty: calls are left in the text, and rayscaler reads them there.")
    reasoning_parser: str = Field("qwen3", description="How it marks its reasoning, as vLLM names it; empty as above.")
    adapters: dict[str, str] = Field({}, description="LoRA adapters by name: folders as peft writes them, or URIs.")
    adapter_rank: int = Field(16, ge=1, description="The largest rank among the adapters.")
    content: str = Field("", description="Digest of source and adapters, of the files where they are folders here. "
                         "Filled in.")

    @model_validator(mode="after")
    def _adapters_have_names(self) -> ServedModel:
        for name in self.adapters:
            if not name or any(mark in name for mark in ":/ "):
                raise ValueError(f"`adapters`: a name has no colon, slash or blank, found {name!r}")
        return self

    def identity(self) -> dict[str, Any]:
        """What the fingerprint sees: everything, source and adapters by `content`."""
        return self.model_dump(mode="json", exclude={"adapter_rank", *(("source", "adapters") if self.content else ())})

    def with_content(self) -> ServedModel:
        """The same with `content`. Reads the files of folders."""
        found = {"source": _content(self.source), **{f":{name}": _content(at) for name, at in self.adapters.items()}}
        return self.model_copy(update={"content": digest(found, length=16)})


def _content(place: str) -> str:
    return folder_digest(Path(place)) if Path(place).is_dir() else place


class Replicas(BaseModel):
    """On what one served model runs. None of it changes what the model says, up to the rounding of its kernels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_replicas: int = Field(1, ge=0, description="Engines that are always there.")
    max_replicas: int = Field(1, ge=1, description="Engines that there may be; load decides between the two.")
    target_calls: int = Field(64, ge=1, description="Calls in flight per engine above which another one is started.")
    max_calls: int = Field(256, ge=1, description="Calls in flight per engine; more wait in front of it.")
    upscale_delay_s: float = Field(10.0, ge=0, description="How long the load must be high before an engine is added.")
    downscale_delay_s: float = Field(300.0, ge=0, description="How long it must be low before one is drained.")
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share one engine's weights.")
    accelerator: str = Field("", description="The GPU's type as Ray names it (`H100`); empty takes any.")
    gpu_memory: float = Field(0.9, gt=0, le=1, description="Share of a GPU's memory that an engine takes. "
                              "The engine of a checkpoint that is not named here takes what is free, up to that.")
    cpus: float = Field(1.0, ge=0, description="Logical CPUs that an engine reserves of Ray.")
    kv_cache_gb: int = Field(1, ge=1, description="Memory of the keys and values where the device is the CPU, in GiB.")
    threads: int = Field(1, ge=1, description="Threads of the matrix products where the device is the CPU.")

    @model_validator(mode="after")
    def _bounds_in_order(self) -> Replicas:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"`min_replicas` {self.min_replicas} is above `max_replicas` {self.max_replicas}")
        return self


class Serving(BaseModel):
    """Where the pool of served models listens, on which device, and how long its ends may take."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="The address that the pool and served checkpoints listen on; `0.0.0.0` "
                      "or this machine's own for other machines too.")
    port: int = Field(8000, ge=1, le=65535, description="The port that it listens on.")
    url: str = Field("", pattern="^$|^https?://", description="Where workers reach it, with its version; empty for one "
                     "machine, `http://HOST:PORT/v1`.")
    device: Literal["auto", "gpu", "cpu"] = Field("auto", description="`auto`: GPUs if the cluster has any.")
    start_s: float = Field(1800.0, gt=0, description="Longest wait until every model answers.")
    drain_s: float = Field(60.0, ge=0, description="Longest wait for calls in flight when the pool ends.")
    models: dict[str, Replicas] = Field({}, description="By the names of `serve`, and of checkpoints in "
                                       "`evaluate.models`; one that is not named has one engine.")

    def replicas(self, name: str) -> Replicas:
        """What the model `name` runs on."""
        return self.models.get(name, Replicas())
