"""Knobs that change how a run goes, never what it makes. They are not fingerprinted.

Ray schedules by logical CPUs. An actor pool that takes them all starves the tasks that feed it, so a pool leaves at
least one free; its workers ask for `worker_cpus` each.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rayscaler.serving import Serving


class Resources(BaseModel):
    """How many workers a stage may use, and what each of them asks of Ray."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(0, ge=0, description="Largest pool of a stage; 0: one per CPU of the cluster, less one.")
    worker_cpus: float = Field(1.0, gt=0, description="Logical CPUs of one worker.")
    worker_gpus: float = Field(0.0, ge=0, description="GPUs of one worker that embeds; one that trains takes whole "
                               "ones.")
    local_cpus: int = Field(0, ge=0, description="Logical CPUs of a Ray started here; 0 takes cores + 2.")
    grow_to_cpus: int = Field(0, ge=0, description="Logical CPUs that an autoscaling cluster may reach. A pool asks "
                              "for workers up to them, which makes the cluster grow; 0: for those that are there.")
    grow_to_gpus: int = Field(0, ge=0, description="The same for GPUs.")
    object_store_mb: int = Field(512, ge=80, description="Object store of a Ray started here, in MiB.")
    stall_timeout_s: float = Field(600.0, gt=0, description="A stage without progress for this long is ended with an "
                                   "error that says what it waited for.")
    shard_timeout_s: float = Field(300.0, gt=0, description="A worker that is at one shard for longer is ended, and "
                                   "the shard's rows are tried one by one, each for so long at most.")
    row_memory_gb: float = Field(4.0, gt=0, description="Memory that one row may take where rows are tried one by one, "
                                 "because their shard ended its worker more than once.")
    crash_budget: int = Field(16, ge=0, description="Rows of a stage that may be left out because they end, hang or "
                              "overfill their process; with one more the stage ends with an error.")
    model_calls: int = Field(256, ge=1, description="Model calls in flight per endpoint, over all workers; each worker "
                             "has an equal share, and as many conversations.")
    call_timeout_s: float = Field(300.0, gt=0, description="Longest wait for one whole answer of a model, in seconds.")
    call_retries: int = Field(6, ge=0, description="How often a model call that failed for the server's reasons (429, "
                              "5xx, no connection, no answer in time) is made again.")
    call_wait_s: float = Field(60.0, gt=0, description="Longest wait between two attempts of a call, in seconds.")
    answers: str = Field("", description="Folder or URI that keeps what models answered in refinement, so that no run "
                         "that uses it asks the same again; empty: the run's own.")
    refine_failures: int = Field(8, ge=1, description="Questions in a row that a server fails to answer, after which a "
                                 "worker asks it no more: what is left keeps the rules' result.")
    conversation_timeout_s: float = Field(3600.0, gt=0, description="Longest time that one conversation with models "
                                          "may take; it is then recorded as a failure of the infrastructure.")
    train_workers: int = Field(0, ge=0, description="Workers that train together; 0: one per GPU, one without GPUs.")
    train_cpus: float = Field(1.0, gt=0, description="Logical CPUs of one training worker.")
    train_rows: int = Field(1, ge=1, description="Packed rows that a training worker runs at once; more pays where "
                            "rows are short and the model is small.")
    train_retries: int = Field(3, ge=0, description="Times that a phase may lose its workers before the run ends.")
    checkpoint_steps: int = Field(200, ge=1, description="Optimiser steps between two checkpoints.")
    deepspeed: str = Field("", description="A DeepSpeed configuration (configs/deepspeed/zero2.json), relative to the "
                           "configuration file; empty trains with PyTorch's data parallelism.")
    attention: Literal["sdpa", "flash_attention_2", "eager"] = Field("sdpa", description="Kernel of the attention.")
    serving: Serving = Field(Serving(), description="On what the models of `serve` run, and where they listen.")
