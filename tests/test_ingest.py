"""The ingest stage without Ray: its work and its accounting, on a store of its own."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

from rayscaler.recipes import IngestRecipe, Source
from rayscaler.resources import Resources
from rayscaler.runtime.context import Context
from rayscaler.runtime.shards import reject_rows
from rayscaler.runtime.store import Ref, Store
from rayscaler.specs import mark_of
from rayscaler.stages import ingest
from rayscaler.table import check, to_arrow
from rayscaler.tables import DUPLICATES, REJECTS, TOOLS

PET = {"get": {"operationId": "getPet", "parameters": [{"name": "id", "in": "query", "schema": {"type": "string"}}]}}


def spec(title: str, path: str = "/pets", version: str = "1") -> str:
    servers = [{"url": "https://api.acme.com"}]
    return json.dumps({"openapi": "3.0.0", "info": {"title": title, "version": version}, "servers": servers,
                       "paths": {path: PET}})


def context(tmp_path: Path, files: dict[str, str]) -> Context[IngestRecipe]:
    """A stage's view of an empty run; the files are in an archive."""
    with tarfile.open(tmp_path / "pool.tar.gz", "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    recipe = IngestRecipe(sources=(Source(path="pool.tar.gz"),))
    targets = {table.name: Ref(table, "ab") for table in ingest.WRITES}
    store = Store(str(tmp_path / "run"))
    return Context("ingest", recipe, 0, store, {}, targets, Resources(), tmp_path, lambda done, total: None)


def read_each_file(ctx: Context[IngestRecipe]) -> None:
    """What Ray's workers do: each file a shard, its tools and rejects a part."""
    work = ingest.ReadSpecs(ctx.recipe)
    for number, (source, file) in enumerate(ingest.files_of(ctx.recipe, ctx.base)):
        data = ingest.load_bytes(file)
        output = work([[source, *file, mark_of(file, data)]])
        part = f"part-{number:05}.parquet"
        ctx.store.write_part(ctx.targets["tools"], part, to_arrow(TOOLS, output.rows["tools"]))
        ctx.store.write_part(ctx.targets["rejects"], part, to_arrow(REJECTS, reject_rows("ingest", output.rejects)))


def test_operations_that_a_later_file_repeats_are_rejected_and_near_ones_recorded(tmp_path):
    ctx = context(tmp_path, {
        "a.json": spec("Pets"), "b.json": spec("Pets"), "c.json": spec("Zoo", "/v1/pets/"),
        "d.json": spec("Pets", version="2"), "e.json": "{broken", "f.yml": "type: object",
    })
    read_each_file(ctx)
    ingest.drop_repeats(ctx)
    tools = ctx.store.read(ctx.targets["tools"])["tool_id"].to_pylist()
    assert tools == ["acme/pets/1/getPet", "acme/zoo/1/getPet", "acme/pets/2/getPet"]
    rejects = ctx.store.read(ctx.targets["rejects"]).to_pylist()
    assert sorted((row["key"], row["reason"]) for row in rejects) == [
        ("pool:b.json#/paths/~1pets/get", "duplicate"), ("pool:e.json", "malformed"), ("pool:f.yml", "unknown_format"),
    ]
    duplicates = ingest.FindDuplicates(ctx.store, ctx.targets["tools"])(0).rows["duplicates"]
    assert [(row["tool_id"], row["other"], row["kind"]) for row in check(DUPLICATES, duplicates).to_pylist()] == [
        ("acme/pets/1/getPet", "acme/pets/2/getPet", "version"),
        ("acme/pets/2/getPet", "acme/zoo/1/getPet", "route"),
    ]


def test_what_the_fingerprint_starts_from_is_content_not_place(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = (context(tmp_path / name, {"a.json": spec("Pets")}) for name in ("one", "two"))
    assert ingest.content_of(one.recipe, one.base) == ingest.content_of(two.recipe, two.base)
    three = context(tmp_path / "two", {"a.json": spec("Pet")})
    assert ingest.content_of(one.recipe, one.base) != ingest.content_of(three.recipe, three.base)


def test_whatever_changes_the_rows_changes_the_content_and_a_move_does_not(tmp_path):
    def content(folder: str) -> str:
        return ingest.content_of(IngestRecipe(sources=(Source(path="api.json"),)), tmp_path / folder)

    schema = {"$ref": "parts.txt#/Pet"}
    paths = {"/pets": {"get": {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}}}
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "api.json").write_text(json.dumps({**json.loads(spec("Pets")), "paths": paths}))
        (tmp_path / folder / "parts.txt").write_text("{}")
    seen = [content("here")]
    assert content("there") == seen[0]
    (tmp_path / "here" / "parts.txt").write_text('{"Pet": {"type": "object"}}')
    seen.append(content("here"))
    (tmp_path / "here" / "LICENSE").write_text("Permission is hereby granted, free of charge, to any person")
    seen.append(content("here"))
    assert len(set(seen)) == 3
