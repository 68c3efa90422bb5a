"""Which keys of a table occur twice, in memory that does not grow with the table."""

from __future__ import annotations

import tempfile
from typing import IO

import numpy as np

from rayscaler.errors import StorageError


class Repeats:
    """Which of any number of marks occur more than once: `add` them, then ask `found` once.

    Some 24 MiB, whatever their number: beyond HELD they go to a temporary file, cut by their first byte into 256 pieces
    of which one at a time is sorted (a billion marks: 8 GB of file, 32 MB at a time).
    """

    HELD = 2**20

    def __init__(self) -> None:
        self._held: list[np.ndarray] = []
        self._n_held = 0
        self._file: IO[bytes] | None = None
        self._cuts: list[np.ndarray] = []   # of each run in the file: where its 256 pieces begin and end, in marks

    def add(self, marks_N: np.ndarray) -> None:
        """Take marks in; StorageError if the temporary folder has no room for them."""
        self._held.append(marks_N)
        self._n_held += len(marks_N)
        if self._n_held >= self.HELD:
            try:
                self._spill()
            except OSError as error:
                raise StorageError(f"keys cannot be laid into the temporary folder {tempfile.gettempdir()}: {error}. "
                                   "Make room there, or name another one in TMPDIR") from error

    def found(self) -> np.ndarray:
        """The marks that were added more than once, sorted."""
        if self._file is None:
            return _repeated(self._taken())
        self._spill()
        with self._file:
            return np.concatenate([_repeated(self._piece(number)) for number in range(256)])

    def _taken(self) -> np.ndarray:
        marks_N = np.concatenate([np.zeros(0, np.uint64), *self._held])
        self._held, self._n_held = [], 0
        return marks_N

    def _spill(self) -> None:
        marks_N = self._taken()
        marks_N.sort()
        edges = np.arange(1, 256, dtype=np.uint64) << np.uint64(56)
        self._file = self._file or tempfile.TemporaryFile(prefix="rayscaler-")   # noqa: SIM115 (lives with this)
        before = self._cuts[-1][-1] if self._cuts else 0
        self._cuts.append(np.concatenate(([0], np.searchsorted(marks_N, edges), [len(marks_N)])) + before)
        self._file.write(marks_N.tobytes())
        self._file.flush()

    def _piece(self, number: int) -> np.ndarray:
        assert self._file is not None
        pieces = []
        for cuts in self._cuts:
            start, stop = int(cuts[number]), int(cuts[number + 1])
            self._file.seek(8 * start)
            pieces.append(np.frombuffer(self._file.read(8 * (stop - start)), np.uint64))
        return np.concatenate(pieces)


def _repeated(marks_N: np.ndarray) -> np.ndarray:
    """The marks that occur more than once, sorted. Sorts `marks_N` in place."""
    marks_N.sort()
    return np.unique(marks_N[1:][marks_N[1:] == marks_N[:-1]])
