"""Archives as sources: read member by member, and safe against those that mean harm."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs import SpecFile, archives, list_files, load_bytes, neighbours, read_file

SPEC = {"openapi": "3.0.0", "info": {"title": "Pets", "version": "1"}, "paths": {}}
PETS = {**SPEC, "paths": {"/pets": {"get": {"operationId": "listPets", "responses": {}}}}}
JOINED = """
openapi: 3.0.0
info: {title: Desk, version: "1"}
paths:
  /tickets: {$ref: '../shared/tickets.yml'}
"""
TICKETS = "get: {operationId: listTickets, parameters: [{$ref: 'limit.yml#/Limit'}], responses: {}}"
LIMIT = "Limit: {name: limit, in: query, schema: {type: integer}}"
MIT = "MIT License. Permission is hereby granted, free of charge, to any person"
MEMBERS = {
    "acme/LICENSE": MIT,
    "acme/pets.json": json.dumps(PETS),
    "acme/desk/openapi.yaml": JOINED,
    "acme/shared/tickets.yml": TICKETS,
    "acme/shared/limit.yml": LIMIT,
    "acme/readme.md": "# nothing",
    "acme/.github/x.yml": "a: b",
}


def tar_info(name: str, size: int = 0, **more) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    for key, value in more.items():
        setattr(info, key, value)
    return info


def write_tar(path: Path, members: dict[str, str], extra: list[tarfile.TarInfo] = ()) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as tar:
        for name, text in members.items():
            tar.addfile(tar_info(name, len(text.encode())), io.BytesIO(text.encode()))
        for info in extra:
            tar.addfile(info, io.BytesIO(b"x" * info.size) if info.size else None)
    return path


def write_zip(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path


def read_all(source: Source, root: Path):
    files = list_files(source, root)
    return {f.name: read_file(f, load_bytes(f), source, IngestRecipe(), neighbours(f)) for f in files}


@pytest.mark.parametrize("name", ["acme.tar.gz", "acme.tgz", "acme.tar", "acme.zip"])
def test_members_are_read_where_they_lie_and_references_are_joined(tmp_path, name):
    (write_zip if name.endswith(".zip") else write_tar)(tmp_path / name, MEMBERS)
    before = sorted(tmp_path.rglob("*"))
    files = list_files(Source(path=name), tmp_path)
    assert [(f.source, f.name, f.license) for f in files] == [
        ("acme", f"acme/{inner}", "MIT")
        for inner in ("desk/openapi.yaml", "pets.json", "shared/limit.yml", "shared/tickets.yml")
    ]
    parsed = read_all(Source(path=name), tmp_path)
    [pets], [desk] = parsed["acme/pets.json"].tools, parsed["acme/desk/openapi.yaml"].tools
    assert (pets.name, pets.file, pets.license) == ("list_pets", "acme/pets.json", "MIT")
    assert desk.parameters["properties"] == {"limit": {"type": "integer"}}
    assert sorted(tmp_path.rglob("*")) == before
    assert neighbours(files[0])("../../../secret.yml") is None


def test_a_file_of_an_archive_travels_to_a_worker(tmp_path):
    write_tar(tmp_path / "acme.tar.gz", MEMBERS)
    [_, pets, *_] = list_files(Source(path="acme.tar.gz"), tmp_path)
    again = SpecFile(*json.loads(json.dumps(pickle.loads(pickle.dumps(pets)))))
    assert load_bytes(again) == json.dumps(PETS).encode()


def test_a_folder_and_a_glob_of_archives_give_a_source_each(tmp_path):
    write_tar(tmp_path / "acme.tar.gz", MEMBERS)
    write_zip(tmp_path / "other.zip", {"openapi.json": json.dumps(PETS)})
    (tmp_path / "plain.json").write_text(json.dumps(PETS))
    files = list_files(Source(path="."), tmp_path)
    labels = {(f.source, f.name) for f in files}
    assert {("acme", "acme/pets.json"), ("other", "other/openapi.json"), (tmp_path.name, "plain.json")} <= labels
    assert {f.source for f in list_files(Source(path="*.zip", name="mine"), tmp_path)} == {"mine"}


def test_an_archive_or_a_file_that_the_source_excludes_is_a_reject(tmp_path):
    write_tar(tmp_path / "acme.tar.gz", MEMBERS)
    write_zip(tmp_path / "bench.zip", {"openapi.json": json.dumps(PETS)})
    parsed = read_all(Source(path="*.*", exclude=("bench*", "*/desk/*")), tmp_path)
    out = {name: p.rejects[0].detail for name, p in parsed.items() if [r.reason for r in p.rejects] == ["filtered"]}
    assert out == {
        "bench/openapi.json": "the source excludes bench*",
        "acme/desk/openapi.yaml": "the source excludes */desk/*",
    }
    assert len(parsed["acme/pets.json"].tools) == 1


def test_members_that_climb_out_and_links_are_rejected_and_nothing_is_written(tmp_path):
    link = tar_info("acme/link.json", type=tarfile.SYMTYPE, linkname="/etc/passwd")
    hard = tar_info("acme/hard.json", type=tarfile.LNKTYPE, linkname="acme/pets.json")
    device = tar_info("acme/device.json", type=tarfile.CHRTYPE)
    climbs = [tar_info(name, 3) for name in ("../../climb.json", "/root.json", "acme/../../up.json")]
    write_tar(tmp_path / "acme.tar.gz", MEMBERS, [link, hard, device, *climbs])
    parsed = read_all(Source(path="acme.tar.gz"), tmp_path)
    bad = {name: p.rejects[0].detail for name, p in parsed.items() if p.rejects and "archive" in p.rejects[0].detail}
    assert len(bad) == 6
    assert sum("a link to" in detail for detail in bad.values()) == 3
    assert sum("out of the archive" in detail for detail in bad.values()) == 3
    assert len(parsed["acme/pets.json"].tools) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "acme.tar.gz"]


def test_names_that_are_no_utf8_are_readable_in_archives_and_folders(tmp_path):
    name = b"caf\xe9.json".decode("utf-8", "surrogateescape")
    write_tar(tmp_path / "a.tar.gz", {name: json.dumps(PETS)})
    (tmp_path / name).write_text(json.dumps(PETS))
    parsed = read_all(Source(path="."), tmp_path)
    assert sorted(parsed) == ["a/caf\ufffd.json", "caf\ufffd.json"]
    assert [len(found.tools) for found in parsed.values()] == [1, 1]


def test_members_of_a_zip_that_climb_out_are_rejected(tmp_path):
    names = {"../up.json": "{}", "C:/x.json": "{}", "ok.json": json.dumps(PETS), "a\\..\\b.json": "{}"}
    write_zip(tmp_path / "a.zip", names)
    parsed = read_all(Source(path="a.zip"), tmp_path)
    assert sum("out of the archive" in r.detail for p in parsed.values() for r in p.rejects) == 2
    assert len(parsed["ok.json"].tools) == 1


@pytest.mark.parametrize("kind", ["tar", "zip", "members"])
def test_bombs_are_refused_before_they_unpack(tmp_path, monkeypatch, kind):
    if kind == "members":
        monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
        write_tar(tmp_path / "bomb.tar.gz", MEMBERS)
    elif kind == "zip":
        with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("a.json", b"0" * 2**27)
    else:
        with gzip.open(tmp_path / "bomb.tar.gz", "wb", compresslevel=1) as file:
            file.write(tar_info("a.json", 2**27).tobuf())
            for _ in range(2**7):
                file.write(b"0" * 2**20)
    start = time.perf_counter()
    [(_, parsed)] = read_all(Source(path="bomb.*"), tmp_path).items()
    assert [r.reason for r in parsed.rejects] == ["too_large"]
    assert time.perf_counter() - start < 30   # unpacked, it would take minutes


NO_ARCHIVES = {"empty": b"", "text": b"no archive", "zip": b"PK\x03\x04junk", "gzip": gzip.compress(b"no tar" * 200)}


@pytest.mark.parametrize("data", NO_ARCHIVES.values(), ids=NO_ARCHIVES)
@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_what_is_no_archive_is_a_reject_and_the_others_are_read(tmp_path, data, name):
    (tmp_path / name).write_bytes(data)
    write_tar(tmp_path / "acme.tar.gz", MEMBERS)
    parsed = read_all(Source(path="*.*"), tmp_path)
    assert [r.reason for r in parsed[name].rejects] in (["unreadable"], ["no_operations"])
    assert len(parsed["acme/pets.json"].tools) == 1


def test_an_archive_that_is_cut_off_gives_what_it_holds_or_a_reject(tmp_path):
    whole = write_tar(tmp_path / "acme.tar", {"a.json": json.dumps(PETS), "b.json": " " * 5000 + json.dumps(PETS)})
    whole.write_bytes(whole.read_bytes()[:3000])
    for parsed in read_all(Source(path="acme.tar"), tmp_path).values():
        assert parsed.tools or parsed.rejects


def test_a_broken_member_of_a_zip_is_a_reject(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("a.json", json.dumps(PETS))
    path.write_bytes(path.read_bytes().replace(b"listPets", b"listCats"))                     # the checksum is wrong
    [parsed] = read_all(Source(path="a.zip"), tmp_path).values()
    assert [(r.reason, r.detail) for r in parsed.rejects] == [("unreadable", "the archive is broken at this member")]
