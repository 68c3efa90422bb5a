"""What decides the tools of one specification file: its content, its labels, and the files that its references name."""

from __future__ import annotations

import hashlib
import posixpath
import re

from rayscaler.canonical import digest
from rayscaler.specs.files import SpecFile, neighbours

MAX_BESIDE = 20_000
"""Files that one specification may pull in before the rest is no longer followed."""

_REFERENCE = re.compile(rb"""\$ref["']?\s*:\s*["']?([^"'#\s,}][^"'#\n,}]*)""")


def mark_of(file: SpecFile, data: bytes) -> str:
    """A digest that changes with everything that may change the rows made of `file`: never with where it lies."""
    beside = neighbours(file)
    found: dict[str, str] = {}
    waiting = _references("", data)
    while waiting and len(found) < MAX_BESIDE:
        name = waiting.pop()
        if name in found:
            continue
        other = beside(name)
        found[name] = "" if other is None else hashlib.sha256(other).hexdigest()
        waiting += _references(name, other or b"")
    labels = [file.source, file.name, file.license, file.superseded_by, file.problem]
    return digest([labels, hashlib.sha256(data).hexdigest(), sorted(found.items())])


def _references(name: str, data: bytes) -> list[str]:
    """Files that `data` names, relative to the specification; `name` is where `data` itself lies, relative to it."""
    texts = {found.decode("utf-8", "replace").strip() for found in _REFERENCE.findall(data)}
    here = posixpath.dirname(name)
    return sorted(posixpath.normpath(posixpath.join(here, text)) for text in texts if "://" not in text)
