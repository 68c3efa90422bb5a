"""The stages of a run, in order. Each is a module with NAME, VERSION, READS, WRITES, SEEDED, UNIT and `run(ctx)`.

A stage's first written table is its own; the others (`rejects`, intermediate rows) belong to it. VERSION grows with
every change of code that changes the rows, so that old tables are not taken for new ones.
"""

from __future__ import annotations

from typing import Any, Protocol

from rayscaler.runtime.context import Context
from rayscaler.stages import (
    compose,
    connect,
    curate,
    embed,
    evaluate,
    filter,
    ingest,
    link,
    materialize,
    partition,
    rollout,
    score,
    train,
)  # fmt: skip
from rayscaler.table import Table


class Stage(Protocol):
    """What the pipeline needs of a stage module."""

    @property
    def NAME(self) -> str:  # noqa: N802  the names of module constants
        """The verb."""

    @property
    def VERSION(self) -> int:  # noqa: N802
        """Grows with every change of code that changes the rows."""

    @property
    def READS(self) -> tuple[Table, ...]:  # noqa: N802
        """Tables of earlier stages. A stage with a function `reads(recipe)` reads those of them that it gives."""

    @property
    def WRITES(self) -> tuple[Table, ...]:  # noqa: N802
        """The stage's own table first."""

    @property
    def SEEDED(self) -> bool:  # noqa: N802
        """Whether the run's seed changes the rows."""

    @property
    def UNIT(self) -> str:  # noqa: N802
        """What goes in, in words: what `rows_in` counts."""

    @property
    def MADE_BY(self) -> tuple[str, ...]:  # noqa: N802
        """Libraries whose version, and packages of ours whose data files, change the rows (`runtime.makers`)."""

    def run(self, ctx: Context[Any]) -> None:
        """Make the written tables from the read ones."""


STAGES: tuple[Stage, ...] = (
    ingest, embed, connect, partition, link, materialize, compose, rollout, filter, curate, train,
    evaluate, score,
)  # fmt: skip
