"""The state of a benchmark's world: tables of JSON records that many conversations share, and what one of them changed.

A record is copied when a conversation first takes it, so a world costs what it touches, not what there is. Two worlds
on the same tables are in the same state exactly when the records that either took are alike.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Tables = Mapping[str, Mapping[str, Any]]
"""Table -> key -> record. Never changed once it is shared."""


class Database:
    """One conversation's view of shared tables."""

    def __init__(self, shared: Tables) -> None:
        self.shared = shared
        self._own: dict[str, dict[str, Any]] = {name: {} for name in shared}

    def has(self, table: str, key: str) -> bool:
        """Whether there is such a record. Raises TypeError for a key that cannot be one (a list)."""
        return key in self._own[table] or key in self.shared[table]

    def take(self, table: str, key: str) -> Any:
        """The conversation's own copy of a record, to read or to change. KeyError if there is none."""
        if key not in self._own[table]:
            self._own[table][key] = copy.deepcopy(self.shared[table][key])
        return self._own[table][key]

    def add(self, table: str, key: str, record: Any) -> None:
        """A new record."""
        self._own[table][key] = record

    def rows(self, table: str) -> Iterator[tuple[str, Any]]:
        """All records in their order, new ones last. To read only."""
        own = self._own[table]
        for key, record in self.shared[table].items():
            yield key, own.get(key, record)
        for key, record in own.items():
            if key not in self.shared[table]:
                yield key, record

    def whole(self) -> dict[str, dict[str, Any]]:
        """Every table as it is now."""
        return {name: dict(self.rows(name)) for name in self.shared}

    def taken(self) -> list[tuple[str, str]]:
        """Table and key of each record that was taken or added."""
        return [(name, key) for name, own in self._own.items() for key in own]

    def differences(self, other: Database, spelt: Callable[[Any], str]) -> list[str]:
        """`table key` of each record that differs between two views of the same tables, as `spelt` spells records."""
        places = dict.fromkeys([*self.taken(), *other.taken()])
        return [f"{table} {key}" for table, key in places
                if self._spelt(table, key, spelt) != other._spelt(table, key, spelt)]

    def _spelt(self, table: str, key: str, spelt: Callable[[Any], str]) -> str | None:
        record = self._own[table].get(key, self.shared[table].get(key))
        return None if record is None else spelt(record)
