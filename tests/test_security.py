"""What comes from outside stays in its place, nothing listens to others unasked, and what is shipped is known."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

SECRET = "root-only-7f31"
"""What stands in a file outside the specifications' folder."""

REMOTE = (
    "http://127.0.0.1:9/x.yaml#/a", "https://specs.example/x.json", "ftp://specs.example/x", "//specs.example/x.yaml",
    "file:///etc/passwd", "../secret.yaml#/secret", "../../secret.yaml", "/etc/passwd", "secret-link.yaml#/secret",
    "\\\\specs.example\\share\\x.yaml", "data:application/json,{}", "gopher://specs.example/",
)  # fmt: skip


def spec_with(reference: str) -> dict[str, Any]:
    """A document that names `reference` wherever one can stand, and has one honest operation."""
    ref = {"$ref": reference}
    answer = {"200": {"description": "x", "content": {"application/json": {"schema": ref}}}}
    return {
        "openapi": "3.0.0", "info": {"title": "Pets", "version": "1"}, "servers": [{"url": reference}],
        "externalDocs": {"url": reference},
        "paths": {
            "/pets": {"get": {"operationId": "listPets", "responses": {}}},
            "/a": {"post": {"operationId": "a", "parameters": [ref], "responses": answer, "requestBody": ref}},
            "/b": ref,
        },
        "components": {"examples": {"x": {"externalValue": reference}}, "schemas": {"X": ref}},
    }  # fmt: skip


@pytest.fixture(scope="module")
def read_hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What reading the hostile folder did."""
    top = tmp_path_factory.mktemp("hostile")
    folder = top / "specs"
    folder.mkdir()
    (top / "secret.yaml").write_text(f"secret: {{name: {SECRET}, in: query, description: {SECRET}}}")
    (folder / "secret-link.yaml").symlink_to(top / "secret.yaml")
    for number, reference in enumerate(REMOTE):
        (folder / f"{number}.json").write_text(json.dumps(spec_with(reference)))
        (folder / f"{number}.yaml").write_text(yaml.safe_dump(spec_with(reference)))
    _archives(folder)
    command = [sys.executable, str(ROOT / "tests" / "hostile_ingest.py"), str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=100)
    found: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _archives(folder: Path) -> None:
    """A zip and a tar whose members climb out, link and are devices, with a document that refers to them."""
    document = json.dumps(spec_with("../../secret.yaml#/secret"))
    with zipfile.ZipFile(folder / "slip.zip", "w") as file:
        for name in ("../slipped.json", "/slipped.json", "ok/pets.json"):
            file.writestr(name, document)
    with tarfile.open(folder / "slip.tar.gz", "w:gz") as tar:
        for name, kind in (("l.json", tarfile.SYMTYPE), ("h.json", tarfile.LNKTYPE), ("d.json", tarfile.CHRTYPE),
                           ("f.json", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "../secret.yaml"
            tar.addfile(info)
        for name in ("../slipped.json", "ok/pets.json"):
            info = tarfile.TarInfo(name)
            info.size = len(document)
            tar.addfile(info, io.BytesIO(document.encode()))


def test_hostile_specifications_reach_no_network_and_start_no_process(read_hostile: dict[str, list[str]]):
    assert read_hostile["reached"] == []
    assert sum('"list_pets"' in tool for tool in read_hostile["tools"]) >= len(REMOTE)     # they were really read


def test_hostile_specifications_and_archives_write_nothing(read_hostile: dict[str, list[str]]):
    assert read_hostile["written"] == []
    assert sum("archive" in reject for reject in read_hostile["rejects"]) >= 6             # and the archives were, too


def test_no_file_outside_the_folder_gets_into_a_tool(read_hostile: dict[str, list[str]]):
    assert [text for text in read_hostile["tools"] + read_hostile["rejects"] if SECRET in text or "root:" in text] == []


LISTENS = re.compile(r"""(dashboard-host|--host\b|\bhost["']?\s*[:=]|bind\()""")


def listening() -> Iterator[tuple[str, str]]:
    """Every address that a file of ours makes something listen on: (file, line)."""
    files = [*ROOT.glob("cluster/**/*"), *ROOT.glob("jobs/**/*.py"), *ROOT.glob("rayscaler/**/*.py")]
    for path in sorted(path for path in files if path.suffix in (".sh", ".yaml", ".py")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if LISTENS.search(line) and re.search(r"\d+\.\d+\.\d+", line):
                yield path.relative_to(ROOT).as_posix(), line.strip()


def test_what_listens_listens_on_loopback_or_inside_a_pod():
    found = list(listening())
    assert len(found) >= 4
    others = [(file, line) for file, line in found if "127.0.0.1" not in line]
    assert {file for file, _ in others} <= {f"cluster/kuberay/{n}.yaml" for n in ("raycluster", "rayjob", "rayservice")}


def test_the_list_of_licences_is_that_of_what_is_installed():
    sys.path.insert(0, str(ROOT / "scripts"))
    import licenses

    written = (ROOT / "docs" / "licenses.md").read_text(encoding="utf-8").strip()
    assert written == licenses.markdown(licenses.needed()).strip(), "python scripts/licenses.py > docs/licenses.md"
    components = json.loads(licenses.sbom(licenses.needed()))["components"]
    assert {"ray", "pyarrow", "torch", "apsw"} <= {component["name"] for component in components}


def test_the_images_dependencies_are_pinned_with_hashes_at_the_versions_that_are_tested():
    lines = (ROOT / "cluster" / "requirements.lock").read_text(encoding="utf-8").splitlines()[1:]
    pins = [re.fullmatch(r"([a-z0-9-]+)==(\S+) --hash=sha256:[0-9a-f]{64}", line) for line in lines]
    assert all(pins)
    locked = {pin[1]: pin[2] for pin in pins if pin}
    tested = {
        canonicalize_name(name): version
        for name, _, version in (line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines())
        if version
    }
    assert {name: version for name, version in locked.items() if tested.get(name, version) != version} == {}
    sys.path.insert(0, str(ROOT / "scripts"))
    import licenses

    assert {package.name for package in licenses.needed()} - locked.keys() == {"torch"}
    assert [line for line in lines if "://" in line] == []
