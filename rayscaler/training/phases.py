"""The two phases of fine-tuning (paper section 3.2): general over all domains, then on from it on chosen verticals."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

GENERAL, VERTICAL = 1, 2


def phase_of(title: str, verticals: Sequence[str]) -> int:
    """VERTICAL if any glob of `verticals` matches the domain's `title` (case does not count), else GENERAL.

    `phase_of("Calendar events", ["calendar*"])` is 2. With no verticals, everything is phase 1.
    """
    lowered = title.lower()
    return VERTICAL if any(fnmatchcase(lowered, glob.lower()) for glob in verticals) else GENERAL
