"""Every package that rayscaler needs at run time with its version and licence: `docs/licenses.md` and a CycloneDX SBOM.

    python scripts/licenses.py > docs/licenses.md           from what is installed here
    python scripts/licenses.py --sbom > sbom.json           the same as CycloneDX 1.6 JSON

What is listed: the packages that `pip install rayscaler` brings, found by following the requirements of what is
installed; extras are left out. The licence is what the package says of itself, in this order: its SPDX expression, its
classifiers, the first line of its licence field.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]

COPYLEFT = re.compile(r"\bA?L?GPL|GNU|MPL|Mozilla|EPL|CDDL", re.IGNORECASE)


class Package(NamedTuple):
    """One package that is needed."""

    name: str
    version: str
    license: str


def needed() -> list[Package]:
    """What rayscaler needs here, itself left out, by name."""
    found: dict[str, Package] = {}
    open_, seen = [(Requirement(text), "") for text in _declared()], set()
    while open_:
        wanted, extra = open_.pop()
        name = canonicalize_name(wanted.name)
        if wanted.marker and not wanted.marker.evaluate({"extra": extra}):
            continue
        try:
            known = distribution(wanted.name)
        except PackageNotFoundError:
            continue   # needed on another platform only, or optional there
        found[name] = Package(name, known.version, _license(known.metadata))
        for one in {*wanted.extras, ""} - {extra for other, extra in seen if other == name}:
            seen.add((name, one))
            open_ += [(Requirement(text), one) for text in known.requires or ()]
    return sorted(found.values())


def _declared() -> list[str]:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["dependencies"])


def _license(metadata: Any) -> str:
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [c.split(" :: ")[-1] for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    named = [c for c in classifiers if c != "OSI Approved"]
    field = (metadata.get("License") or "").strip().splitlines()
    return "; ".join(named) or (field[0][:60] if field else "") or "not said"


def markdown(packages: list[Package]) -> str:
    """The page."""
    strict = [p for p in packages if COPYLEFT.search(p.license)]
    lines = [
        "# Licences of what rayscaler needs",
        "",
        "Made by `python scripts/licenses.py > docs/licenses.md` from what is installed; a test fails when",
        "it is stale. rayscaler itself is under Apache 2.0. It ships none of these packages; the image of",
        "[cluster/Dockerfile](../cluster/Dockerfile) contains them, and Debian's graph-tool (LGPL-3.0-or-later).",
        "",
        f"{len(packages)} packages. Not permissive, as they say themselves: "
        + ("; ".join(f"`{p.name}` ({p.license})" for p in strict) or "none") + ".",
        "",
        "| package | version | licence |",
        "|---|---|---|",
        *(f"| {p.name} | {p.version} | {p.license.replace('|', '/')} |" for p in packages),
    ]
    return "\n".join(lines)


def sbom(packages: list[Package]) -> str:
    """The same as a CycloneDX 1.6 bill of materials."""
    components = [
        {"type": "library", "name": p.name, "version": p.version, "purl": f"pkg:pypi/{p.name}@{p.version}",
         "licenses": [{"license": {"name": p.license}}]}
        for p in packages
    ]
    whole = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
             "metadata": {"component": {"type": "application", "name": "rayscaler"}}, "components": components}
    return json.dumps(whole, indent=1)


if __name__ == "__main__":
    print(sbom(needed()) if "--sbom" in sys.argv[1:] else markdown(needed()))
