"""Which format a document is in, told by its content alone."""

from __future__ import annotations

from typing import Any

from rayscaler.errors import SpecError
from rayscaler.reasons import Reason
from rayscaler.specs import (
    apibank,
    apizoo,
    aws,
    functions,
    google,
    mcp,
    openapi,
    postman,
    sealtools,
    swagger,
    taskbench,
    toolalpaca,
    toolbench,
    unsupported,
)
from rayscaler.specs.operation import Format

FORMATS: tuple[Format, ...] = (
    openapi.FORMAT,
    aws.FORMAT,
    google.FORMAT,
    postman.FORMAT,
    toolbench.FORMAT,
    apizoo.FORMAT,
    sealtools.FORMAT,
    apibank.FORMAT,
    taskbench.FORMAT,
    toolalpaca.FORMAT,
    *unsupported.FORMATS,
    mcp.FORMAT,
    functions.FORMAT,
    swagger.FORMAT,
)
"""Tried in this order, those with an explicit mark first. A new adapter is a module with a FORMAT and a line here."""


def format_of(document: Any) -> Format:
    """The first format that recognises `document`.

    Raises SpecError: NO_OPERATIONS for an empty document, UNKNOWN_FORMAT where no format recognises it.
    """
    if document in ({}, [], None):
        raise SpecError(Reason.NO_OPERATIONS, "an empty document")
    for candidate in FORMATS:
        if candidate.recognise(document):
            return candidate
    raise SpecError(Reason.UNKNOWN_FORMAT, f"no adapter recognises {_shape(document)}")


def _shape(document: Any) -> str:
    if isinstance(document, dict):
        return f"an object with the keys {', '.join(sorted(map(str, document))[:8])[:200] or '(none)'}"
    if isinstance(document, list):
        return f"a list of {len(document)}, first: {type(document[0]).__name__ if document else 'nothing'}"
    return f"a lone {type(document).__name__}"
