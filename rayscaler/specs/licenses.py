"""What a LICENSE file is, as an SPDX identifier, told by a sentence that only it has."""

from __future__ import annotations

_SENTENCES = (
    ("Apache-2.0", "Apache License"),
    ("MIT", "Permission is hereby granted, free of charge"),
    ("BSD-3-Clause", "Neither the name"),
    ("BSD-2-Clause", "Redistribution and use in source and binary forms"),
    ("CC0-1.0", "CC0 1.0 Universal"),
    ("MPL-2.0", "Mozilla Public License Version 2.0"),
)


def license_of(text: str) -> str:
    """The SPDX identifier of the licence in `text`, or empty where none of the known ones is recognised."""
    start = " ".join(text[:4000].split())
    return next((name for name, sentence in _SENTENCES if sentence in start), "")
