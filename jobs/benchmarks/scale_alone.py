"""`bench.py scale`, one measurement in a process of its own: a whole stage with one worker, both in this process.

    python -m benchmarks.scale_alone STAGE FOLDER SHARDS   ->  {"seconds": 3.2, "held_mb": 240.0, "rss_mb": 340.0}

FOLDER is one that `scale.enlarged` made: `given.json` names the tables that are there. The stage's own `run` plans, and
the worker does the first SHARDS shards of each pass: more of them leave memory as it is, unless something keeps what it
should not. A pass of one shard, which sees everything, is done whole. At the end every table is looked through as the
pipeline does. Ray's own memory is not in the figure, and rows do not pass through its object store. Of `ingest` it is
what comes after the files are read, of `train` what comes before the models.

`held_mb` is anonymous memory, which a process has until it gives it back; `rss_mb` has the pages of files in it, those
of libraries and of mapped side inputs, which the system takes when it needs them.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import MIB, own_peak_mb, peak_held
from rayscaler.recipes import IngestRecipe, Phase, TrainRecipe
from rayscaler.recipes_all import Recipes
from rayscaler.resources import Resources
from rayscaler.runtime.context import Context
from rayscaler.runtime.memory import give_back
from rayscaler.runtime.shards import Job, Shard, payload_of, write_output
from rayscaler.runtime.store import Ref, Store
from rayscaler.runtime.survey import survey
from rayscaler.stages.ingest import FindDuplicates, drop_repeats
from rayscaler.stages.order import STAGES
from rayscaler.stages.train_packs import make_packs
from rayscaler.table import Table
from rayscaler.tables import CATALOGUE, DUPLICATES, TOOLS

WHOLE = ("connect", "filter")
"""Stages whose second pass needs all that the first wrote."""

TAKEN = ("tools", "phrases", "signatures", "tokenizers", "benchmark_texts")
"""Tables that a stage writes and that are taken from the run: a sample of shards cannot make them."""

MARK, OUT = "given", "made"
"""Fingerprints of the tables that are there, and of those that a measurement makes."""


class Alone(Context[Any]):
    """A stage's view of a run in which this process is the only worker."""

    def map(
        self, shards: list[Shard], make_work: Callable[..., Any], *arguments: Any, writes: tuple[Table, ...],
        **_how: Any,
    ) -> None:
        """Do the first of the shards; nothing where the tables are there already."""
        targets = tuple(self.targets[table.name] for table in writes if table.name not in TAKEN)
        if writes[0].name in TAKEN:
            return
        job = Job(self.stage, self.store, make_work, arguments, targets)
        work = make_work(*arguments)
        n_done = len(shards) if self.stage in WHOLE else self.resources.workers
        for shard in shards[:n_done]:
            write_output(shard, work(payload_of(self.store, shard)), job)
        del work
        gc.collect()   # the next pass has workers of its own


def repeats_alone(ctx: Context[IngestRecipe]) -> None:
    """`ingest` from where all files are read."""
    drop_repeats(ctx)
    ctx.map(ctx.payloads([0]), FindDuplicates, ctx.store, ctx.targets[TOOLS.name], writes=(DUPLICATES,))


def packs_alone(ctx: Context[TrainRecipe]) -> None:
    """`train` up to where models are loaded."""
    make_packs(ctx, None)


HALVES: dict[str, Callable[[Any], None]] = {"ingest": repeats_alone, "train": packs_alone}
"""Stages of which a part is measured."""


def main(stage_name: str, folder: str, shards: int) -> None:
    """Measure one stage; prints one line of JSON."""
    give_back()
    store = Store(str(Path(folder) / "run"))
    given = {name: Ref(CATALOGUE[name], MARK) for name in json.loads(Path(folder, "given.json").read_text())}
    stage = next(s for s in STAGES if stage_name == s.NAME)
    inputs = {table.name: given[table.name] for table in stage.READS}
    targets = {t.name: given[t.name] if t.name in TAKEN and t.name in given else Ref(t, OUT) for t in stage.WRITES}
    general = TrainRecipe(phases=(Phase(name="general"),))
    recipe = general if stage_name == "train" else getattr(Recipes(), stage_name)
    began = time.perf_counter()
    resources = Resources(workers=shards)
    with peak_held() as held:
        run = HALVES.get(stage_name, stage.run)
        run(Alone(stage_name, recipe, 7, store, inputs, targets, resources, Path(folder), lambda *_: None))
        for ref in targets.values():
            survey(store, ref)
    print(json.dumps({"seconds": time.perf_counter() - began, "held_mb": held[0] / MIB, "rss_mb": own_peak_mb()}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
