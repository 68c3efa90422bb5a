"""Second filter: the database ends where gold's ends.

Decided on row-level changes from the same seeded start, up to generated ids and volatile columns and free of order
(`rayscaler.changes`); how the agent got there does not matter. A task that only reads must leave no change at all.
"""

from __future__ import annotations

from rayscaler.changes import Identity, explain_changes
from rayscaler.filters.recorded import Played, Wanted, read_changes
from rayscaler.trajectory import FilterStage, Verdict, VerdictReason

MAX_ROWS = 5
"""Differing rows that a verdict shows."""

_REASONS = {
    "missing": VerdictReason.MISSING_CHANGE,
    "extra": VerdictReason.EXTRA_CHANGE,
    "different": VerdictReason.DIFFERENT_CHANGE,
}


def misaligned(played: Played, wanted: Wanted, identity: Identity) -> Verdict | None:
    """How the final state differs from gold's, row by row, or None if it does not.

    The reason is `missing_change` or `extra_change` where that is all that is wrong, else `different_change`.
    """
    # Most runs that reach the goal made gold's very calls: equal text needs no search for a bijection of ids.
    if played.changes == wanted.gold_changes:
        return None
    differences = explain_changes(read_changes(wanted.gold_changes), read_changes(played.changes), identity)
    if not differences:
        return None
    kinds = {difference.kind for difference in differences}
    reason = _REASONS[kinds.pop()] if len(kinds) == 1 else VerdictReason.DIFFERENT_CHANGE
    shown = [f"{d.kind} {d.text}" for d in differences[:MAX_ROWS]]
    more = len(differences) - len(shown)
    detail = "; ".join(shown) + (f"; and {more} more" if more else "")
    return Verdict(kept=False, stage=FilterStage.STATE, reason=reason, detail=detail)
