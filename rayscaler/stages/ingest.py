"""ingest: specification files -> tools, duplicates, rejects (paper section 2.1)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from rayscaler.canonical import digest
from rayscaler.errors import StageError
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import IngestRecipe, Refine
from rayscaler.refinement.describe import Description, describe_question, described
from rayscaler.runtime.context import Context
from rayscaler.runtime.keys import marks_of as marks_of_keys
from rayscaler.runtime.lookup import Lookup
from rayscaler.runtime.numbered import READERS, Parts, pieces_at
from rayscaler.runtime.reading import ahead
from rayscaler.runtime.refiner import Refiner, Terms, asked
from rayscaler.runtime.repeats import Repeats
from rayscaler.runtime.shards import ByRow, Output, counted, reject_rows, rewrite_part
from rayscaler.runtime.store import Ref, Store
from rayscaler.specs import (
    SIGNATURE_COLUMNS,
    SpecFile,
    find_duplicates,
    groups_of,
    list_files,
    load_bytes,
    mark_of,
    marks_of,
    neighbours,
    read_file,
    signature_of,
)
from rayscaler.table import to_arrow
from rayscaler.tables import DUPLICATES, REFINEMENTS, REJECTS, TOOLS
from rayscaler.toolspec import ToolSpec

NAME, VERSION, READS, WRITES, SEEDED, UNIT = "ingest", 2, (), (TOOLS, DUPLICATES, REJECTS), False, "files"
MADE_BY = ("pyyaml", "rayscaler.specs")

SHARD_FILES = 64
SHARD_BYTES = 2**21


def files_of(recipe: IngestRecipe, base: Path) -> list[tuple[int, SpecFile]]:
    """Every specification file with the number of its source, in a fixed order."""
    return [(n, file) for n, source in enumerate(recipe.sources) for file in list_files(source, base)]


def content_of(recipe: IngestRecipe, base: Path) -> str:
    """A digest of all specification files by content and label: what the fingerprint of `tools` starts from."""
    return digest([[n, mark_of(file, load_bytes(file))] for n, file in files_of(recipe, base)])


def run(ctx: Context[IngestRecipe]) -> None:
    """Read the files in shards, drop the operations that an earlier file already gave, record those that are alike."""
    groups = _groups(files_of(ctx.recipe, ctx.base))
    payloads = [[[n, *file, mark_of(file, load_bytes(file))] for n, file in group] for group in groups]
    del groups
    keys = ([[n, mark] for n, *_, mark in payload] for payload in payloads)
    ctx.map(ctx.payloads(payloads, keys), ReadSpecs, ctx.recipe, writes=(TOOLS, REJECTS), by_row=ByRow(_name_of))
    drop_repeats(ctx)
    ctx.map(ctx.payloads([0]), FindDuplicates, ctx.store, ctx.targets[TOOLS.name], writes=(DUPLICATES,))
    if ctx.recipe.refine is not None:
        shards = ctx.rows(TOOLS, per_shard=32)
        ctx, terms, at_once = asked(ctx, ctx.recipe.refine, shards)
        ctx.map(shards, DescribeTools, ctx.recipe.refine, terms, writes=(REFINEMENTS,), at_once=at_once)
        redescribe(ctx)


def _name_of(item: list[Any]) -> str:
    """How `rejects` names a file of a shard."""
    _, source, name, *_ = item
    return f"{source}:{name}"


class ReadSpecs:
    """Reads a group of specification files."""

    def __init__(self, recipe: IngestRecipe) -> None:
        self.recipe = recipe

    def __call__(self, payload: list[list[Any]]) -> Output:
        rows, rejects = [], []
        for number, *fields, mark in payload:
            file, source = SpecFile(*fields), self.recipe.sources[number]
            parsed = read_file(file, _load(file, mark), source, self.recipe, neighbours(file))
            rows += [tool.to_row() for tool in parsed.tools]
            rejects += parsed.rejects or ([] if parsed.tools else [_empty(file)])
        return Output({TOOLS.name: rows}, len(payload), rejects)


class FindDuplicates:
    """Compares all tools with each other; one worker, since it keeps 12 bytes of a tool, and all only of GROUPED."""

    def __init__(self, store: Store, tools: Ref) -> None:
        self.store, self.tools = store, tools

    def __call__(self, _payload: int) -> Output:
        parts, marks = [], array("I")
        names = self.store.parts(self.tools)
        read = partial(self.store.read_part, self.tools, columns=SIGNATURE_COLUMNS)
        for name, part in zip(names, ahead(read, names, readers=1), strict=True):
            parts.append((name, len(part)))
            for row in _each(part):
                marks.extend(marks_of(signature_of(row)))
        marks_N3 = np.frombuffer(marks, np.uint32).reshape(-1, 3)
        tables, rows = [DUPLICATES.schema.empty_table()], array("I")
        for group_M in groups_of(marks_N3):
            found = self._duplicates(parts, group_M)
            tables.append(to_arrow(DUPLICATES, list(found.values())))
            rows.extend(found)
        duplicates = pa.concat_tables(tables).take(pa.array(np.argsort(np.frombuffer(rows, np.uint32))))
        return Output({DUPLICATES.name: duplicates}, len(marks_N3))

    def _duplicates(self, parts: Parts, rows_M: np.ndarray) -> dict[int, dict[str, Any]]:
        """The rows of `duplicates` among some tools, by the tool's row in `tools`."""
        pieces = pieces_at(self.store, self.tools, parts, rows_M, SIGNATURE_COLUMNS)
        signatures = [signature_of(row) for piece in pieces for row in _each(piece)]
        row_of = {signature.tool_id: row for signature, row in zip(signatures, rows_M.tolist(), strict=True)}
        return {row_of[found["tool_id"]]: found for found in find_duplicates(signatures)}


def _each(rows: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows of a part, of which a few at a time are Python's: a decoded one takes ten times its bytes."""
    for batch in rows.to_batches(max_chunksize=256):
        yield from batch.to_pylist()


class DescribeTools:
    """Asks a model for descriptions of a group of tools. Called for several groups at once."""

    def __init__(self, refine: Refine, terms: Terms) -> None:
        self.refiner = Refiner(refine, terms)

    def __call__(self, payload: list[dict[str, Any]]) -> Output:
        _, rows = descriptions([ToolSpec.from_row(row) for row in payload], self.refiner)
        return Output({REFINEMENTS.name: rows}, len(payload))


def descriptions(tools: list[ToolSpec], refiner: Refiner) -> tuple[list[ToolSpec], list[dict[str, Any]]]:
    """Tools in a model's words where they pass, and the rows of `refinements`."""
    done, rows = [], []
    for tool, refined in zip(tools, refiner.ask([describe_question(tool) for tool in tools]), strict=True):
        done.append(tool if refined.answer is None else described(tool, refined.answer))
        rows.append(refined.standing(done[-1].description).row)
    return done, rows


def redescribe(ctx: Context[IngestRecipe]) -> None:
    """Write the accepted descriptions into `tools`, part by part. Doing it twice changes nothing more, so a kill in
    between is mended by the next start; all questions are answered by then, and none is asked of a changed tool.
    """
    tools = ctx.targets[TOOLS.name]
    answers = Lookup(ctx.store, ctx.targets[REFINEMENTS.name], "subject", columns=("status", "answer"))
    for part in ctx.store.parts(tools):
        arrow = ctx.store.read_part(tools, part)
        rows = [_redescribed(row, answers) for row in arrow.to_pylist()]
        written = to_arrow(TOOLS, rows)
        if not written.equals(arrow):
            ctx.store.write_part(tools, part, counted(written, ctx.store.part_counts(tools, part)))


def _redescribed(row: dict[str, Any], answers: Lookup) -> dict[str, Any]:
    found = answers.get(row["tool_id"])
    if found is None or found["status"] != "accepted":
        return row
    return described(ToolSpec.from_row(row), Description.model_validate_json(found["answer"])).to_row()


def drop_repeats(ctx: Context[IngestRecipe]) -> None:
    """Leave the first of several tools with one id, in file order; the others go to `rejects`.

    Parts are rewritten one by one, `rejects` first, so that a kill in between loses nothing: the next start finds the
    repeated tool still there and names it again.
    """
    tools, rejects = ctx.targets[TOOLS.name], ctx.targets[REJECTS.name]
    suspects, seen = _suspects(ctx.store, tools), set[str]()
    for part in ctx.store.parts(tools) if len(suspects) else ():
        ids = ctx.store.read_part(tools, part, ["tool_id"])
        keep = []
        for tool_id, suspected in zip(ids["tool_id"].to_pylist(), np.isin(marks_of_keys(ids), suspects), strict=True):
            keep.append(tool_id not in seen)
            if suspected:
                seen.add(tool_id)
        if all(keep):
            continue
        arrow = ctx.store.read_part(tools, part)
        repeats = arrow.filter(pa.array([not k for k in keep])).select(["tool_id", "source", "file", "pointer"])
        named = [_repeat(row) for row in repeats.to_pylist()]
        kept = arrow.filter(pa.array(keep))
        rewrite_part(ctx.store, part, tools, kept, rejects=rejects, more=reject_rows(NAME, named))


def _suspects(store: Store, tools: Ref) -> np.ndarray:
    """Marks of the ids that occur more than once, and perhaps of a few others."""
    repeats = Repeats()
    for ids in ahead(partial(store.read_part, tools, columns=["tool_id"]), store.parts(tools), readers=READERS):
        repeats.add(marks_of_keys(ids))
    return repeats.found()


def _repeat(row: dict[str, str]) -> Rejected:
    where = f"{row['source']}:{row['file']}#{row['pointer']}"
    return Rejected(where, Reason.DUPLICATE, f"another file gave the tool {row['tool_id']} before")


def _empty(file: SpecFile) -> Rejected:
    return Rejected(f"{file.source}:{file.name}", Reason.NO_OPERATIONS, "the file declares no operation")


def _groups(files: list[tuple[int, SpecFile]]) -> list[list[tuple[int, SpecFile]]]:
    """Neighbouring files together, at most SHARD_FILES of them and about SHARD_BYTES."""
    groups: list[list[tuple[int, SpecFile]]] = []
    size = 0
    for item in files:
        if not groups or len(groups[-1]) == SHARD_FILES or size + item[1].size > SHARD_BYTES:
            groups.append([])
            size = 0
        groups[-1].append(item)
        size += item[1].size
    return groups


def _load(file: SpecFile, mark: str) -> bytes:
    """The file's bytes, which must be the ones that were planned with: a worker may have another version."""
    data = load_bytes(file)
    if mark_of(file, data) != mark:
        raise StageError(
            f"{file.source}/{file.name}: this worker has another version of the file than the driver; "
            "give every node the same packages and the same specification folder"
        )
    return data
