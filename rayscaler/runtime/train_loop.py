"""What each worker of a phase runs: rows in, gradients, steps, checkpoints. `runtime.fine_tune` starts it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain, groupby
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.fs as pafs

from rayscaler.errors import StageError
from rayscaler.recipes import Phase, TrainRecipe
from rayscaler.resources import Resources
from rayscaler.runtime.attempts import Attempts, something_ended, work_under
from rayscaler.runtime.engines import Engine, make_engine
from rayscaler.runtime.logbook import Logbook
from rayscaler.runtime.models import write_model
from rayscaler.training.packing import IGNORED, Row
from rayscaler.training.schedule import learning_rate
from rayscaler.training.tokenizer import load_tokenizer

PROGRESS, MODEL = "progress.json", "model"
"""Inside a checkpoint: the losses so far, and (in the last one) the model."""

READ_AHEAD_BYTES = 128 << 20
"""Packed rows that one dataset of `datasets_of` may have. Ray Data's executor runs inside the worker and, in Ray 2.60,
takes most of a core as long as it holds blocks back; what it can hand over at once it hands over, and is done."""

BYTES_PER_TOKEN = 12
"""Of a packed row: its id, its label and its position, 4 bytes each."""


class Job(NamedTuple):
    """One phase. It pickles: every training worker gets it.

    packs: paths of the Parquet files of the packed rows, in order, each with `steps_per_pack` steps. root: where
    checkpoints and logs go, a folder of `filesystem`. start: `scratch`, a model's name, or a folder of `filesystem`
    with the model of the phase before.
    """

    phase: Phase
    recipe: TrainRecipe
    resources: Resources
    seed: int
    n_steps: int
    packs: tuple[str, ...]
    steps_per_pack: int
    filesystem: pafs.FileSystem
    root: str
    start: str
    start_is_ours: bool
    tokenizer_json: str
    chat_template: str
    deepspeed: dict[str, Any] | None


class Trained(NamedTuple):
    """What a phase left: one row of losses per step, and the model's size and digest."""

    losses: list[dict[str, Any]]
    n_parameters: int
    content: str


def datasets_of(job: Job) -> dict[str, tuple[str, ...]]:
    """The packs as datasets, one to be read after another: name -> files, small enough to be read at once."""
    pack = job.steps_per_pack * job.recipe.batch * job.recipe.max_tokens * BYTES_PER_TOKEN
    at_once = max(1, READ_AHEAD_BYTES // pack)
    starts = range(0, len(job.packs), at_once)
    return {f"steps-{start * job.steps_per_pack}": job.packs[start : start + at_once] for start in starts}


class Slot(NamedTuple):
    """One packed row of a step, and how many supervised tokens the whole step has."""

    step: int
    epoch: int
    row: Row
    step_supervised: int


def train_loop(settings: dict[str, Any]) -> None:
    """Ray Train calls it on every worker with `{"job": Job, "attempts": Attempts}`."""
    import ray.train

    job: Job = settings["job"]
    context = ray.train.get_context()
    at = At(settings["attempts"], job.phase.name, context.get_world_rank(), context.get_world_size())
    at.mark("the model")
    with _start(job) as start:
        worker = Worker(job, start, at)
        try:
            worker.run()
        finally:
            if worker.logbook:
                worker.logbook.close()


@contextmanager
def _start(job: Job) -> Iterator[str]:
    """The name or local folder that the model is loaded from."""
    if not job.start_is_ours:
        yield job.start
        return
    from ray.train import Checkpoint

    with Checkpoint(job.start, job.filesystem).as_directory() as folder:
        yield folder


class At:
    """What one of `world` workers is at, told to whoever watches the phase."""

    def __init__(self, attempts: Attempts, phase: str, rank: int, world: int) -> None:
        self.attempts, self.phase, self.rank, self.world = attempts, phase, rank, world
        work_under(attempts)

    def mark(self, what: str) -> None:
        """It takes this up now."""
        where = f"phase {self.phase}, worker {self.rank} of {self.world}"
        self.attempts.at(f"{self.rank}", f"{what} of {where}")


class Worker:
    """One of several workers. All of them hold the same losses; worker 0 writes them down."""

    def __init__(self, job: Job, start: str, at: At) -> None:
        self.job, self.start, self.at = job, start, at
        self.rank, self.world = rank, world = at.rank, at.world
        self.passes = -(-job.recipe.batch // (world * job.resources.train_rows))
        """How often each worker accumulates per step: collectives wait for all workers, so all do as often."""
        self.tokenizer = load_tokenizer(job.tokenizer_json, job.chat_template)
        self.engine: Engine = make_engine(
            start, job.recipe, job.resources, job.deepspeed,
            vocabulary=len(self.tokenizer), seed=job.seed, passes=self.passes, world=world,
        )  # fmt: skip
        self.losses = _resume(self.engine)
        self.logbook = Logbook(self.engine.model, world, first_step=len(self.losses)) if rank == 0 else None

    def run(self) -> None:
        """All steps that are missing."""
        if self.job.n_steps == 0:
            self._report()
            return
        for slots in _steps(self.job, after=len(self.losses)):
            self.losses.append(self._step(slots))
            if self.logbook:
                self.logbook.write(self.losses[-1])
            if len(self.losses) == self.job.n_steps or len(self.losses) % self.job.resources.checkpoint_steps == 0:
                self._report()

    def _step(self, slots: list[Slot]) -> dict[str, Any]:
        """One optimiser step over the step's slots; a worker without a slot of its own runs the first at scale 0."""
        first, mine, at_once = slots[0], slots[self.rank :: self.world], self.job.resources.train_rows
        self.at.mark(f"step {first.step}")
        total = 0.0
        for number in range(self.passes):
            rows = [slot.row for slot in mine[number * at_once : (number + 1) * at_once]]
            scale = 1 / first.step_supervised if rows else 0.0
            loss = self.engine.accumulate(rows or [first.row], scale, last=number == self.passes - 1)
            total += loss if rows else 0.0
            something_ended()
        peak, warmup = self.job.phase.learning_rate, self.job.recipe.warmup
        rate = learning_rate(first.step, steps=self.job.n_steps, peak=peak, warmup=warmup)
        norm = self.engine.update(rate)
        return {
            "phase": self.job.phase.name,
            "step": first.step,
            "epoch": first.epoch,
            "loss": self._sum_over_workers(total) / first.step_supervised,
            "gradient_norm": norm,
            "learning_rate": rate,
            "n_tokens": sum(len(slot.row.input_ids_T) for slot in slots),
            "n_supervised": sum(label != IGNORED for slot in slots for label in slot.row.labels_T),
        }

    def _sum_over_workers(self, value: float) -> float:
        if self.world == 1:
            return value
        import ray.train.torch
        import torch
        import torch.distributed as dist

        total = torch.tensor(value, dtype=torch.float64, device=ray.train.torch.get_device())
        dist.all_reduce(total)
        return float(total)

    def _report(self) -> None:
        """Hand a checkpoint to Ray Train; the last one has the model. Every worker calls it."""
        import ray.train
        from ray.train import Checkpoint

        is_last = len(self.losses) == self.job.n_steps
        self.at.mark(f"the checkpoint after {len(self.losses)} steps")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self.engine.save(folder)
            weights = self.engine.weights() if is_last else {}
            if self.logbook:
                content = ""
                if is_last:
                    model = folder / MODEL
                    content = write_model(self.engine.model, weights, self.tokenizer, model, start=self.start)
                trained = Trained(self.losses, self.logbook.n_parameters, content)
                (folder / PROGRESS).write_text(json.dumps(trained._asdict()))
                self.logbook.upload(self.job.filesystem, f"{self.job.root}/logs")
            ray.train.report({"step": len(self.losses)}, checkpoint=Checkpoint.from_directory(name))


def _resume(engine: Engine) -> list[dict[str, Any]]:
    """The losses up to the newest checkpoint, loaded into the engine; none without one."""
    import ray.train

    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return []
    with checkpoint.as_directory() as folder:
        engine.load(Path(folder))
        trained = Trained(**json.loads((Path(folder) / PROGRESS).read_text()))
    return trained.losses


def _steps(job: Job, *, after: int) -> Iterator[list[Slot]]:
    """The slots of each step from step `after` on. StageError if the rows come out of order."""
    expected = after
    for step, slots in groupby(_slots(job, after), key=lambda slot: slot.step):
        if step != expected:
            raise StageError(f"train: expected the packed rows of step {expected}, found step {step}")
        expected += 1
        yield list(slots)


def _slots(job: Job, after: int) -> Iterator[Slot]:
    import ray.train

    end = 0
    for name, files in datasets_of(job).items():
        end += len(files) * job.steps_per_pack
        if end <= after:
            continue
        batches = ray.train.get_dataset_shard(name).iter_batches(batch_size=64, batch_format="pyarrow")
        for found in chain.from_iterable(batch.to_pylist() for batch in batches):
            if found["step"] >= after:
                row = Row(found["input_ids"], found["labels"], found["position_ids"])
                yield Slot(found["step"], found["epoch"], row, found["step_supervised"])
