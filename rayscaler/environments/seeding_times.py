"""The life of a row: when it was made, changed, starts, ends. All its dates come from one life, so they agree."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from numpy.random import Generator

from rayscaler.environment import Column, Semantic
from rayscaler.environments.seeding_words import TIME_ROLES
from rayscaler.toolspec import words

_SHORT = 4
_QUARTER = timedelta(minutes=15)


class Life:
    """Dates of one row: parent's creation <= created <= updated, done <= now; created <= start < end."""

    def __init__(self, now: datetime, created: datetime, draw: Generator) -> None:
        self.now, self.created, self._draw = now, created, draw
        self._known: dict[str, datetime] = {"created": created}

    def at(self, role: str) -> datetime:
        """The moment with this role; the same one each time."""
        if role not in self._known:
            self._known[role] = self._make(role)
        return self._known[role]

    def _make(self, role: str) -> datetime:
        if role in ("updated", "done"):
            return self.created + (self.now - self.created) * float(self._draw.random())
        if role == "birth":
            return self.now - timedelta(days=365.25 * float(self._draw.uniform(19, 80)))
        if role == "end":
            length = [timedelta(minutes=30), timedelta(hours=2), timedelta(days=2), timedelta(days=14)]
            return self.at("start") + length[int(self._draw.integers(len(length)))]
        # Starts stand around now, most of them in the coming weeks: they can still be moved or cancelled.
        start = self.now + timedelta(days=float(self._draw.uniform(-20, 45)))
        day = start.replace(hour=8 + int(self._draw.integers(10)), minute=15 * int(self._draw.integers(4)), second=0)
        return max(day, self.created + _QUARTER)


def begin_life(now: str, parent: Life | None, draw: Generator) -> Life:
    """A life that began after its parent's, or within the last two years."""
    today = datetime.fromisoformat(now.replace("Z", "+00:00"))
    today = today if today.tzinfo else today.replace(tzinfo=UTC)
    if parent is None:
        created = today - timedelta(days=float(draw.uniform(20, 700)))
    else:
        created = parent.created + (today - parent.created) * float(draw.uniform(0.05, 0.9))
    return Life(today, created, draw)


def role_of(column: Column) -> str:
    """What a date column is in the life of its row, by the words of its name: the last that says something."""
    said = list(reversed(words(column.name)))
    named = next((TIME_ROLES[word] for word in said if word in TIME_ROLES), "")
    # A participle that is not listed (`performedTime`) tells of something that has happened.
    happened = said in (["timestamp"], ["time"]) or any(w.endswith("ed") and len(w) > _SHORT for w in said)
    named = named or ("done" if happened else "start")
    if column.generated and named != "end":
        return "updated" if column.volatile else "created"
    return named


def written(moment: datetime, column: Column) -> Any:
    """A moment as this column stores it: ISO text, or seconds since 1970 in a number column."""
    moment = moment.astimezone(UTC).replace(microsecond=0)
    if column.type != "TEXT":
        seconds = int(moment.timestamp())
        return seconds if column.type == "INTEGER" else float(seconds)
    if column.semantic is Semantic.DATE:
        return moment.strftime("%Y-%m-%d")
    if column.semantic is Semantic.TIME:
        return moment.strftime("%H:%M")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
