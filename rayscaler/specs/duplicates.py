"""Tools that say again what another tool says: found by digests, recorded, never dropped.

    version   the same operation of an older version of the API
    route     the same method, route and parameters of the same vendor, from another file or API; not for AWS and
              Google, whose APIs have a host each and share routes such as POST /v1/{name}
    text      the same name, description and parameters, under another vendor, API or file

Leaving out every tool that a row names as `tool_id` leaves one of each operation: `other` leads, in at most two steps,
to a tool that is not named. Linear in the number of tools: a tool is compared with the first few that share a digest
with it, never with all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from rayscaler.canonical import digest
from rayscaler.specs.files import version_order

MIN_SIMILARITY = 0.5
"""Share of parameter names in common from which one route is one operation."""

MAX_COMPARED = 4
"""Tools of one route that a further one is compared with."""

COLUMNS = ["tool_id", "vendor", "api", "version", "name", "method", "path", "description", "parameters", "format"]
"""The columns of `tools` that a signature is made of."""

_PARAMETER = re.compile(r"\{[^{}]*\}")
_VERSION = re.compile(r"/v?\d+(?:\.\d+)*(?=/|$)")


class Signature(NamedTuple):
    """What of a tool is compared. `route` and `text` are digests, empty where the tool has none to compare."""

    tool_id: str
    vendor: str
    api: str
    version: str
    name: str
    parameters: tuple[str, ...]
    route: str
    text: str


def signature_of(row: dict[str, Any]) -> Signature:
    """The signature of one row of `tools` (COLUMNS of it)."""
    names = tuple(sorted(json.loads(row["parameters"]).get("properties", {})))
    path = _VERSION.sub("", _PARAMETER.sub("{}", row["path"].lower())).rstrip("/")
    named = any(part and part != "{}" for part in path.split("/")) and row["format"] not in ("aws", "google")
    return Signature(
        tool_id=row["tool_id"],
        vendor=row["vendor"],
        api=row["api"],
        version=row["version"],
        name=row["name"],
        parameters=names,
        route=digest([row["vendor"], row["method"], path], length=24) if named else "",
        text=digest([row["name"], row["description"], names], length=24) if row["description"] else "",
    )


def find_duplicates(signatures: Iterable[Signature]) -> list[dict[str, Any]]:
    """Rows of `duplicates`, in the order of the tools; of two tools the earlier stands, of two versions the newer."""
    tools = list(signatures)
    newest: dict[tuple[str, str, str], Signature] = {}
    for tool in tools:
        key = (tool.vendor, tool.api, tool.name)
        if key not in newest or version_order(tool.version) > version_order(newest[key].version):
            newest[key] = tool
    routes: dict[str, list[Signature]] = {}
    texts: dict[str, Signature] = {}
    rows = []
    for tool in tools:
        found = _older(tool, newest) or _same_route(tool, routes) or _same_text(tool, texts)
        if found:
            # A tool that repeats another is nothing for a third to repeat: so no two name each other in a circle.
            rows.append(found)
            continue
        if tool.route and len(routes.setdefault(tool.route, [])) < MAX_COMPARED:
            routes[tool.route].append(tool)
        if tool.text:
            texts.setdefault(tool.text, tool)
    return rows


def _older(tool: Signature, newest: dict[tuple[str, str, str], Signature]) -> dict[str, Any] | None:
    other = newest[tool.vendor, tool.api, tool.name]
    if other.version == tool.version:
        return None
    return _row(tool, other, "version", f"version {tool.version or '(none)'} of {tool.api}; {other.version} is newer")


def _same_route(tool: Signature, routes: dict[str, list[Signature]]) -> dict[str, Any] | None:
    for other in routes.get(tool.route, []) if tool.route else ():
        if not _versions(tool, other) and similarity(tool, other) >= MIN_SIMILARITY:
            return _row(tool, other, "route", f"the same method and route of {tool.vendor}")
    return None


def _same_text(tool: Signature, texts: dict[str, Signature]) -> dict[str, Any] | None:
    other = texts.get(tool.text) if tool.text else None
    if other is None or _versions(tool, other):
        return None
    return _row(tool, other, "text", "the same name, description and parameters")


def _versions(a: Signature, b: Signature) -> bool:
    """Whether the two are one operation in two versions, of which the older names the newer."""
    return (a.vendor, a.api, a.name) == (b.vendor, b.api, b.name)


def similarity(a: Signature, b: Signature) -> float:
    """Parameter names in common, as a share of all that either has; 1.0 where neither has one."""
    ours, theirs = set(a.parameters), set(b.parameters)
    return len(ours & theirs) / len(ours | theirs) if ours or theirs else 1.0


def _row(tool: Signature, other: Signature, kind: str, why: str) -> dict[str, Any]:
    return {
        "tool_id": tool.tool_id,
        "other": other.tool_id,
        "kind": kind,
        "similarity": similarity(tool, other),
        "why": why,
    }
