"""Every error that rayscaler raises, in one tree.

Each class is also a standard-library type, so a caller can catch `KeyError` or `ValueError` without importing this
module. All of them pickle, because Ray carries them from a worker to the driver. A message says which thing, what was
expected, what was found and what to do; it never holds a whole row.
"""

from __future__ import annotations


class RayscalerError(Exception):
    """Anything that rayscaler raises on purpose."""


class ConfigError(RayscalerError, ValueError):
    """A configuration cannot be used: an unknown key, a value out of range, a file that is not there."""


class SpecError(RayscalerError, ValueError):
    """An API specification cannot be read. `reason` is a `Reason` value; the file goes to `rejects` with it."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class TableError(RayscalerError, ValueError):
    """Rows that do not fit their table: wrong schema, a repeated key, a null where none may be."""


class TableNotFound(RayscalerError, LookupError):
    """A table, or a whole version of it, is not where a run says it is."""


class FingerprintError(RayscalerError, TypeError):
    """A value without a stable identity was given to a fingerprint."""


class StageError(RayscalerError, RuntimeError):
    """A stage could not finish. The tables before it are whole."""


class StorageError(RayscalerError, OSError):
    """A disk or a bucket refused: full, read-only, not there, wrong credentials, unreachable. Says what to do."""


class StoreUnreachable(StorageError):
    """A bucket did not answer or had an internal error, although it was asked several times. It may later."""


class EndpointError(RayscalerError, ConnectionError):
    """A model's server refused a call, or failed more often than a call is repeated. `requests`: how often it was."""

    def __init__(self, detail: str, requests: int = 1) -> None:
        super().__init__(detail, requests)
        self.requests = requests

    def __str__(self) -> str:
        return str(self.args[0])


class ToolCodeError(RayscalerError, ValueError):
    """A tool's source is outside the tool language. Names the construct and its line."""


class EnvironmentSpecError(RayscalerError, ValueError):
    """An environment specification contradicts itself: an unknown column, a reference to no table."""


class HostError(RayscalerError, RuntimeError):
    """A host of sessions, or the process that tries a tool, ended without an answer; what was asked is not done."""


class UndecidedError(HostError):
    """The process that tries a tool stood still by the clock, more than once: the machine may be why, not the tool."""


class ShapeError(RayscalerError, ValueError):
    """An array has the wrong shape, dtype or norm."""


class EngineMissing(RayscalerError, ImportError):
    """An optional engine (graph-tool, vLLM …) is not installed. The message says how to get it."""


class MaskError(RayscalerError, ValueError):
    """A conversation cannot be turned into a training example: no supervised token, roles out of order."""
