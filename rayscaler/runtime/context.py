"""What a stage is given: its recipe, its inputs, and one way to make its outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, cast

import pyarrow as pa

from rayscaler.errors import TableNotFound
from rayscaler.recipes import Recipe
from rayscaler.resources import Resources
from rayscaler.runtime.pool import run_shards
from rayscaler.runtime.shards import ByRow, Job, Shard, Work, payload_shards, table_shards
from rayscaler.runtime.store import Ref, Store
from rayscaler.table import Table

R = TypeVar("R", bound=Recipe)


class Context(NamedTuple, Generic[R]):
    """A stage's view of a run. `inputs` and `targets` map table names to the versions that it reads and writes."""

    stage: str
    recipe: R
    seed: int
    store: Store
    inputs: dict[str, Ref]
    targets: dict[str, Ref]
    resources: Resources
    base: Path
    progress: Callable[[int, int], None]

    def input(self, table: Table) -> Ref:
        """The version of `table` that this run reads."""
        try:
            return self.inputs[table.name]
        except KeyError:
            raise TableNotFound(f"{self.stage} does not declare that it reads {table}") from None

    def read(self, table: Table, columns: list[str] | None = None) -> pa.Table:
        """All rows of an input, or of an output that is already written, or only the chosen columns."""
        ref = self.targets.get(table.name) or self.input(table)
        return self.store.read(ref, columns)

    def rows(self, table: Table, *, per_shard: int, columns: tuple[str, ...] = ()) -> list[Shard]:
        """An input's rows as shards, with all columns or those that the work reads. `per_shard` is part of the layout
        of the output files, so it is no knob.
        """
        ref = self.targets.get(table.name) or self.input(table)
        return table_shards(self.store, ref, rows=per_shard, columns=columns)

    def payloads(self, payloads: list[Any], keys: Iterable[Any] | None = None) -> list[Shard]:
        """Shards of JSON payloads, named by their content or by `keys`, of which one at a time is asked for."""
        return payload_shards(payloads, cast(list[Any] | None, keys))

    def map(
        self, shards: list[Shard], make_work: Callable[..., Work], *arguments: Any, writes: tuple[Table, ...],
        gpus: float = 0.0, at_once: int = 1, by_row: ByRow | None = None, keep: Sequence[Shard] = (),
    ) -> None:
        """Run the shards on Ray. `make_work(*arguments)` is built once per worker; all of it must pickle.

        gpus: how many of them each worker asks of Ray. at_once: shards that one worker has in work, in threads.
        by_row: how to find the row that ends its process, where shards are lists of rows; it goes to `rejects`.
        keep: shards of other passes over the same tables, whose parts stay.
        """
        targets = tuple(self.targets[table.name] for table in writes)
        names = {shard.name for shard in (*shards, *keep)}
        for ref in targets:
            self.store.discard(ref, names)
        job = Job(self.stage, self.store, make_work, arguments, targets, gpus, at_once, by_row)
        run_shards(shards, job, self.resources, self.progress)
