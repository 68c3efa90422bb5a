"""Bytes of a specification file -> the value that it spells: JSON, JSON lines, YAML or CSV.

Encodings: UTF-8 and UTF-16 with a byte order mark, else UTF-8, else Windows-1252, else Latin-1. JSON that is broken in
ways that YAML forgives (a trailing comma) is taken. A JSON lines file gives a list of its lines' values; a broken line
is None, so that one bad row does not cost the file.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from pathlib import PurePosixPath
from typing import Any

from rayscaler.errors import SpecError
from rayscaler.reasons import Reason
from rayscaler.specs import yaml_values

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_LONE_SURROGATE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)


def decode(data: bytes, name: str) -> Any:
    """The value in `data`; `name` tells JSON, YAML and CSV apart where the content does not.

    Raises SpecError: UNREADABLE for what is no text, MALFORMED for broken JSON or YAML, TOO_LARGE beyond a bound.
    """
    text = text_of(data)
    suffix = PurePosixPath(name.removesuffix(".gz")).suffix.lower()
    if suffix == ".csv":
        return _csv(text)
    start = text.lstrip()[:1]
    if start in ("{", "["):
        return _json_or_nearly(text)
    if suffix in (".json", ".jsonl"):
        raise SpecError(Reason.MALFORMED, f"a {suffix} file that starts with {text.lstrip()[:20]!r}, not with {{ or [")
    return yaml_values.load(text)


def text_of(data: bytes) -> str:
    """`data` as text. Raises SpecError UNREADABLE for an empty file and for binary content."""
    if not data.strip():
        raise SpecError(Reason.UNREADABLE, "the file is empty")
    text = _text(data)
    if "\0" in text:
        raise SpecError(Reason.UNREADABLE, "binary content (a NUL byte); expected JSON or YAML text")
    return text


def _text(data: bytes) -> str:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    for encoding in ("utf-8", "cp1252"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def _json(text: str) -> Any:
    if "\\ud" in text or "\\uD" in text:
        # Half a surrogate pair has no UTF-8 form; it would break every table that it reached.
        text = _LONE_SURROGATE.sub(r"\\ufffd", text)
    return json.loads(text, strict=False, parse_constant=lambda _: None)


def _json_or_nearly(text: str) -> Any:
    try:
        return _json(text)
    except RecursionError:
        raise SpecError(Reason.TOO_LARGE, "JSON nested deeper than the parser's limit of about 1,000 levels") from None
    except ValueError as error:
        lines = _json_lines(text)
        if lines is not None:
            return lines
        try:
            # YAML is JSON that forgives trailing commas and comments, which people leave in specifications.
            return yaml_values.load(text.replace("\t", " "))
        except SpecError:
            raise SpecError(Reason.MALFORMED, f"no JSON: {str(error)[:160]}") from None


def _json_lines(text: str) -> list[Any] | None:
    values: list[Any] = []
    for line in text.splitlines():
        if line.strip():
            try:
                values.append(_json(line))
            except (ValueError, RecursionError):
                values.append(None)
        if values and values[0] is None:
            break
    if not values or values[0] is None or values.count(None) > len(values) // 2:
        return None
    return values


def _csv(text: str) -> list[dict[str, str]]:
    try:
        return [{str(k): str(v) for k, v in row.items()} for row in csv.DictReader(io.StringIO(text))]
    except csv.Error as error:
        raise SpecError(Reason.MALFORMED, f"no CSV: {error}") from None
