"""Looking at a run: its tables as Arrow, its environments alive. Needs no Ray."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from rayscaler.environment import EnvironmentSpec
from rayscaler.environments.hosting import HostedEnvironment
from rayscaler.errors import TableError, TableNotFound
from rayscaler.record import Record
from rayscaler.runtime.claims import Holder
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.store import Ref, Store
from rayscaler.table import Table
from rayscaler.tables import CATALOGUE, LINKS, OF_STAGES, REJECTS

READERS = 16
"""Footers read at once: on a bucket each costs a round trip."""


class StageStatus(NamedTuple):
    """How far one stage has come. `rows` are of its own table; of a stage that is not whole they are those so far."""

    stage: str
    state: Literal["whole", "running", "partial", "absent"]
    table: str
    parts: int
    rows: int
    reasons: dict[str, int]
    seconds: float | None
    """How long it took; None while it is not whole."""
    silent_s: float | None
    """Seconds since its last file was written; None if none was."""


class RunStatus(NamedTuple):
    """All stages of a run in their order, and who works in it now."""

    stages: list[StageStatus]
    holder: Holder | None


class Run:
    """One run's folder or URI, as the last `rayscaler run` in it left it."""

    def __init__(self, uri: str) -> None:
        self.store = Store(uri)
        try:
            about = json.loads(self.store.read_bytes("run.json"))
        except TableNotFound as error:
            raise TableNotFound(f"{uri}: no run is there (no run.json); make one with `rayscaler run`") from error
        try:
            self.config: dict[str, Any] = about["config"]
            self._tables: dict[str, str] = about["tables"]
            self._stages: dict[str, str] = about["stages"]
        except (KeyError, TypeError) as error:
            raise TableError(f"{uri}/run.json: expected config, tables, stages; run `rayscaler run` again") from error

    def tables(self) -> list[Record]:
        """The records of all whole tables, in the order of the catalogue."""
        records = [self.store.record(ref) for ref in map(self._find, CATALOGUE) if ref]
        return [record for record in records if record is not None]

    def table(self, name: str) -> pa.Table:
        """All rows of a whole table. TableNotFound if the run has none of that name."""
        if name in OF_STAGES:
            return self._of_stages(CATALOGUE[name])
        return self.store.read(self.ref(name))

    def ref(self, name: str) -> Ref:
        """Where a whole table lies. TableNotFound if the run has none of that name."""
        ref = self._find(name)
        if ref is None or self.store.record(ref) is None:
            have = ", ".join(r.table.split("@")[0] for r in self.tables()) or "none yet"
            raise TableNotFound(f"{name}: the run {self.store.uri} has no such whole table; it has {have}")
        return ref

    def rejects(self) -> pa.Table:
        """What every stage left out, in the order of the stages."""
        return self._of_stages(REJECTS)

    def _of_stages(self, table: Table) -> pa.Table:
        refs = [Ref(table, mark) for mark in self._stages.values()]
        whole = [self.store.read(ref) for ref in refs if self.store.record(ref)]
        return pa.concat_tables([table.schema.empty_table(), *whole])

    def status(self) -> RunStatus:
        """How far each stage has come, read from the files alone. Cheap for whole stages: one record each."""
        holder = self.store.holder()
        stages: list[StageStatus] = []
        for stage, mark in self._stages.items():
            status = self._stage_status(stage, mark)
            if holder is not None and status.state != "whole" and not any(s.state == "running" for s in stages):
                status = status._replace(state="running")
            stages.append(status)
        return RunStatus(stages, holder)

    def _stage_status(self, stage: str, mark: str) -> StageStatus:
        names = [name for name, own in self._tables.items() if own == mark and name in CATALOGUE]
        refs = [Ref(CATALOGUE[name], mark) for name in names]
        records = [self.store.record(ref) for ref in refs]
        first = records[0]
        written = self.store.written(refs[0])
        silent_s = None if written is None else max(0.0, time.time() - written)
        if first is not None and all(records):
            return StageStatus(
                stage, "whole", names[0], first.files, first.rows, first.reasons, first.seconds, silent_s
            )
        parts = self.store.parts(refs[0])
        with ThreadPoolExecutor(READERS) as readers:
            rows = sum(readers.map(lambda part: self.store.part_rows(refs[0], part), parts))
        _, reasons = self.store.counts(refs[0])
        return StageStatus(
            stage, "partial" if parts else "absent", names[0], len(parts), rows, reasons, None, silent_s
        )

    def environments(self) -> list[dict[str, Any]]:
        """The environments without their bulky columns."""
        brief = ["environment_id", "title", "description", "n_tools", "n_entities", "n_reads", "n_writes"]
        rows: list[dict[str, Any]] = self.store.read(self.ref("environments"), brief).to_pylist()
        return rows

    def environment_row(self, name: str) -> dict[str, Any]:
        """The row of `environments` whose id is `name`, or the only one whose id or title contains it."""
        ref = self.ref("environments")
        environments = self.store.read(ref, ["environment_id", "title"])
        exact = environments.filter(pc.equal(environments["environment_id"], name))
        if exact.num_rows == 0:
            near = [pc.match_substring(environments[c], name, ignore_case=True) for c in ("environment_id", "title")]
            exact = environments.filter(pc.or_(*near))
        if exact.num_rows != 1:
            names = ", ".join((exact if exact.num_rows else environments)["environment_id"].to_pylist()[:20])
            raise TableNotFound(f"{name}: {exact.num_rows or 'no'} environments match; choose one of {names}")
        return Lookup(self.store, ref)[exact["environment_id"][0].as_py()]

    def environment(self, name: str) -> HostedEnvironment:
        """A live environment, by id or by a part of the title that only one has."""
        spec = EnvironmentSpec.model_validate_json(self.environment_row(name)["spec"])
        return HostedEnvironment(spec)

    def links(self, domain_id: str) -> list[dict[str, Any]]:
        """The directed links of one domain."""
        return Lookup(self.store, self.ref(LINKS.name), "domain_id").all(domain_id)

    def _find(self, name: str) -> Ref | None:
        mark = self._tables.get(name)
        return None if mark is None or name not in CATALOGUE else Ref(CATALOGUE[name], mark)


def open_run(uri: str) -> Run:
    """Open the run in a folder or URI. TableNotFound if none is there."""
    return Run(uri)


