"""One phase of fine-tuning on Ray Train: packed rows in, a model in Hugging Face layout out.

What is deterministic: the rows of every step, their order, the learning rate, the new weights of a model from scratch.
Each worker reads all packed rows in order and trains on its share of each step's slots, so a resumed phase, or one on
another number of workers, sees the same batches; losses then differ by rounding at most. A checkpoint holds the step it
was made after and all losses up to it. After a kill, Ray Train gives back the newest checkpoint that it registered, and
the steps since are made again.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from rayscaler.errors import StageError
from rayscaler.resources import Resources
from rayscaler.runtime.attempts import Attempts
from rayscaler.runtime.train_loop import MODEL, PROGRESS, Job, Trained, datasets_of, train_loop
from rayscaler.runtime.watchdog import NEVER, Watch, patience_s

STATE = "state"
"""Folder of a phase that Ray Train resumes from; of no use once the phase has ended."""


LOOK_S = 2.0
"""How often the driver looks whether the phase has ended or stands still."""


def fine_tune(job: Job) -> Trained:
    """Train the phase and leave its model in `<root>/model`, and what a resumed job needs in `<root>/state`.

    A process of its own leads Ray Train, because Ray Train waits without end for workers that it cannot have or that
    hang: so the driver can watch the phase and end it. A leader that dies is started again, `train_retries` times, and
    goes on from the newest checkpoint.

    Raises StageError with the workers' own error if they cannot finish, and one that names what the phase waits for if
    nothing goes on for `stall_timeout_s`.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    attempts, limits, asks = Attempts(), job.resources, _asks_of(job.resources)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    leader = ray.remote(_lead).options(
        num_cpus=0, scheduling_strategy=here, max_retries=limits.train_retries,
        retry_exceptions=[ray.exceptions.RayActorError],
    )  # fmt: skip
    watch = Watch("train", asks, attempts, patience_s(limits, waits=False))
    ending, ended = leader.remote(job, attempts), False
    try:
        while not (ended := bool(ray.wait([ending], timeout=LOOK_S)[0])):
            watch.check()
        found: Trained | str = ray.get(ending, timeout=limits.stall_timeout_s)
    except ray.exceptions.RayError as error:
        raise StageError(f"train: phase {job.phase.name} could not finish: {error}") from error
    finally:
        if not ended:   # Ray 2.60 ends the driver where a task is cancelled in the moment that it ends
            ray.cancel(ending, force=True)   # its workers end with it
        attempts.forget()
    if isinstance(found, str):
        raise StageError(f"train: phase {job.phase.name} {found}")
    return found


def _asks_of(resources: Resources) -> dict[str, float]:
    """What one training worker asks of Ray."""
    gpus = math.ceil(resources.worker_gpus)
    return {"CPU": resources.train_cpus, **({"GPU": gpus} if gpus else {})}


def _lead(job: Job, attempts: Attempts) -> Trained | str:
    """Ray Train, in the process that leads it; what the phase left, or what went wrong with it."""
    import ray.data
    import ray.train
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    train: Any = ray.train  # its classes are chosen at import; type checkers see those of the first version

    asks = _asks_of(job.resources)
    gpus = "GPU" in asks
    # The watch is the driver's. Ray Data's own guard would end a phase that takes its rows slowly.
    ray.data.DataContext.get_current().execution_no_progress_timeout_s = NEVER
    options = ray.data.ExecutionOptions(preserve_order=True)
    trainer = TorchTrainer(
        train_loop,
        train_loop_config={"job": job, "attempts": attempts},
        scaling_config=train.ScalingConfig(
            num_workers=workers_of(job.resources), use_gpu=gpus, resources_per_worker=asks
        ),
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo"),
        datasets={
            name: ray.data.read_parquet(list(files), filesystem=job.filesystem)
            for name, files in datasets_of(job).items()
        },
        dataset_config=train.DataConfig(datasets_to_split=[], execution_options=options),
        run_config=train.RunConfig(
            name=STATE,
            storage_path=job.root,
            storage_filesystem=job.filesystem,
            failure_config=train.FailureConfig(max_failures=job.resources.train_retries),
            checkpoint_config=train.CheckpointConfig(num_to_keep=2),
            worker_runtime_env={"env_vars": {} if gpus else {"DS_ACCELERATOR": "cpu"}},
        ),
    )
    try:
        result = trainer.fit()
        return _collect(job, result.checkpoint) if result.checkpoint else f"ended without a checkpoint in {job.root}"
    except TrainingFailedError as error:
        return f"could not finish: {error}"


def workers_of(resources: Resources) -> int:
    """How many workers train together: where it is not said, as many as there are GPUs or may come to be."""
    import ray

    if resources.train_workers:
        return resources.train_workers
    if not resources.worker_gpus:
        return 1
    there = ray.cluster_resources().get("GPU", 0)  # type: ignore[no-untyped-call]
    return max(1, int(max(there, resources.grow_to_gpus) // math.ceil(resources.worker_gpus)))


def _collect(job: Job, checkpoint: Any) -> Trained | str:
    """Copy the model of the last checkpoint to its place; or say that it is not the last step's."""
    with checkpoint.as_directory() as folder:
        trained = Trained(**json.loads((Path(folder) / PROGRESS).read_text()))
        if len(trained.losses) != job.n_steps:
            return f"ended after {len(trained.losses)} of {job.n_steps} steps"
        job.filesystem.create_dir(f"{job.root}/{MODEL}", recursive=True)
        pafs.copy_files(
            str(Path(folder) / MODEL), f"{job.root}/{MODEL}",
            source_filesystem=pafs.LocalFileSystem(), destination_filesystem=job.filesystem,
        )  # fmt: skip
    return trained
