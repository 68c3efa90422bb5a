"""One spelling for every JSON value, and the digests made of it.

Equal values give equal bytes: keys sorted, no spaces, UTF-8, no NaN. Everything that is fingerprinted, stored as a JSON
column or compared by bytes goes through `dumps`.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from pydantic import BaseModel

from rayscaler.errors import FingerprintError


def dumps(value: Any) -> str:
    """`value` as canonical JSON. Pydantic models are dumped first.

    Raises FingerprintError for NaN, infinities, and objects without a JSON form: they have no stable identity.
    """
    return json.dumps(_plain(value, "$"), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any, *, length: int = 64) -> str:
    """The first `length` hexadecimal digits of SHA-256 over `dumps(value)`."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()[:length]


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(mode="json"), where)
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise FingerprintError(f"{where}: keys must be text, found {type(key).__name__} {key!r}")
        return {key: _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        raise FingerprintError(f"{where}: {value} has no JSON form; store null or a number")
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    raise FingerprintError(f"{where}: {type(value).__name__} has no stable identity; use text, numbers, lists, dicts")
