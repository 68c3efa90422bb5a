"""Sources and encodings."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest
import yaml

from rayscaler.errors import ConfigError
from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs import FORMATS, list_files, load_bytes, neighbours, read_file
from rayscaler.specs.files import version_order
from specs.reading import read

SPEC = {
    "openapi": "3.0.0",
    "info": {"title": "Café", "version": "1"},
    "paths": {"/a": {"get": {"summary": "Größe", "responses": {}}}},
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pool" / "b").mkdir(parents=True)
    (tmp_path / "pool" / "b" / "openapi.json").write_text(json.dumps(SPEC))
    (tmp_path / "pool" / "a.yaml").write_text(json.dumps(SPEC))
    (tmp_path / "pool" / "packed.json.gz").write_bytes(gzip.compress(json.dumps(SPEC).encode()))
    (tmp_path / "pool" / "LICENSE").write_text("MIT License\nPermission is hereby granted, free of charge, to any")
    (tmp_path / "pool" / "readme.md").write_text("# no specification")
    return tmp_path


def test_a_folder_is_searched_in_the_order_of_names_with_its_licence(folder):
    files = list_files(Source(path="pool"), folder)
    assert [(f.source, f.name, f.license) for f in files] == [
        ("pool", name, "MIT") for name in ("a.yaml", "b/openapi.json", "packed.json.gz")
    ]
    tools = [read_file(f, load_bytes(f), Source(path="pool"), IngestRecipe()).tools[0] for f in files]
    assert [tool.description for tool in tools] == ["Größe"] * 3


def test_a_file_and_a_glob(folder):
    assert [f.name for f in list_files(Source(path="pool/a.yaml", name="mine", license="CC0"), folder)] == ["a.yaml"]
    assert [f.name for f in list_files(Source(path="pool/**/*.json"), folder)] == ["b/openapi.json"]


@pytest.mark.parametrize("path", ["nowhere", "pool/*.xml"])
def test_a_source_without_files_says_so(folder, path):
    with pytest.raises(ConfigError, match=r"nowhere|xml"):
        list_files(Source(path=path), folder)


def test_neighbours_never_leave_the_source(folder):
    (folder / "secret.yaml").write_text("a: b")
    [_, file, _] = list_files(Source(path="pool"), folder)
    beside = neighbours(file)
    assert beside("../a.yaml") is not None
    assert beside("../../secret.yaml") is None
    assert beside("gone.yaml") is None


def test_packages_give_the_newest_version_of_each_api_and_name_the_older_ones(tmp_path):
    source = Source(package="botocore", apis=("cloudfront", "sqs"))
    files = list_files(source, tmp_path)
    newest = [f for f in files if not f.superseded_by]
    assert [f.name.split("/")[0] for f in newest] == ["cloudfront", "sqs"]
    assert len(files) > 2
    older = next(f for f in files if f.superseded_by)
    parsed = read_file(older, load_bytes(older), source, IngestRecipe())
    assert (parsed.tools, [r.reason for r in parsed.rejects]) == ([], ["filtered"])
    google = list_files(Source(package="google-api-python-client", apis=("admin", "calendar")), tmp_path)
    assert [f.name for f in google if not f.superseded_by] == [
        "admin.datatransfer_v1.json", "admin.directory_v1.json", "admin.reports_v1.json", "calendar.v3.json",
    ]


def test_versions_sort_stable_over_beta_then_by_number():
    ordered = ["v2beta1", "v3p1beta1", "v1", "v1.10", "v2", "v3.5", "v10", "2012-11-05", "2017-08-08"]
    shuffled = ordered[4:] + ordered[:4]
    assert sorted(shuffled, key=version_order) == ordered


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(encoding):
    text = json.dumps(SPEC, ensure_ascii=False)
    assert read(text.encode(encoding)).tools[0].description == "Größe"


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.json", "unreadable"),
        (b"\x1f\x8bbroken", "a.json.gz", "unreadable"),
        (b"{}", "a.json", "no_operations"),
        (b'{"a": 1 "b": 2}', "a.json", "malformed"),
        (b"a: [b", "a.yaml", "malformed"),
        (b"a: &x {b: *x}", "a.yaml", "malformed"),
        (b"just text", "a.yaml", "unknown_format"),
        (b"plain", "a.json", "malformed"),
        (b'{"hello": 1}', "a.json", "unknown_format"),
        (b'{"swagger": "2.0", "paths": {}}', "a.json", "no_operations"),
    ],
)
def test_every_unusable_file_is_one_reject_with_a_reason(data, name, reason):
    parsed = read(data + b"\0" if name.endswith("gz") else data, name)
    assert (parsed.tools, [r.reason for r in parsed.rejects]) == ([], [reason])


def test_a_trailing_comma_does_not_cost_the_file():
    text = json.dumps(SPEC)
    assert len(read(text[:-1] + ",}").tools) == 1


def test_a_file_beyond_the_bound_is_too_large():
    parsed = read(b" " * 2**20 + b"{}{}", recipe=IngestRecipe(max_file_mb=1))
    assert [r.reason for r in parsed.rejects] == ["too_large"]


def test_every_format_is_documented_and_the_configuration_shown_there_is_valid():
    page = (Path(__file__).parents[2] / "docs" / "specifications.md").read_text(encoding="utf-8")
    read = [found.name for found in FORMATS if found.read is not None and found.name != "mcp-server"]
    assert [name for name in read if f"| `{name}` |" not in page] == []
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", page, re.DOTALL)[1])
    assert len(IngestRecipe.model_validate(shown["ingest"]).sources) == 6
