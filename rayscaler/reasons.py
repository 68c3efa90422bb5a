"""The closed list of reasons for which a row is left out. A row of `rejects` carries one of them and a detail."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Reason(StrEnum):
    """Why something did not go on to the next table."""

    # any stage: what is wrong with a row shows when it is alone in a process
    CRASHED = "crashed"
    """It ended the process that worked on it, more than once and with nothing else in it."""
    OUT_OF_MEMORY = "out_of_memory"
    """It took more memory than `resources.row_memory_gb`, alone in a process."""
    TIMED_OUT = "timed_out"
    """It took longer than `resources.shard_timeout_s`, alone in a process."""
    # ingest
    UNREADABLE = "unreadable"
    """Not text in any encoding that the format allows, or no archive that opens."""
    MALFORMED = "malformed"
    """Broken JSON or YAML."""
    UNKNOWN_FORMAT = "unknown_format"
    """Well-formed, but no adapter knows it."""
    UNSUPPORTED_FORMAT = "unsupported_format"
    """A format that is recognised by name and has no adapter yet."""
    NO_OPERATIONS = "no_operations"
    """Read, and it declares no operation."""
    INVALID_OPERATION = "invalid_operation"
    """An operation whose declaration contradicts its format."""
    UNRESOLVED_REFERENCE = "unresolved_reference"
    """A `$ref` to something that is not there and that the operation cannot do without."""
    TOO_LARGE = "too_large"
    """A file, a schema or a nesting beyond the recipe's bound."""
    FILTERED = "filtered"
    """Left out by the recipe's own include list, deprecated switch or limit."""
    DUPLICATE = "duplicate"
    """The same tool id as an earlier operation."""
    # embed, connect, partition
    NO_TEXT = "no_text"
    """Neither parameters nor resource nouns: nothing to embed."""
    NO_DOMAIN = "no_domain"
    """In no community of the wanted size, and near none."""
    # materialize
    NO_ENTITY = "no_entity"
    """No entity could be inferred that the tool reads or writes."""
    CODE_REFUSED = "code_refused"
    """The tool's source is outside the tool language."""
    CERTIFICATE_FAILED = "certificate_failed"
    """The tool did not do what the certificate asks of its operator."""
    TOO_FEW_TOOLS = "too_few_tools"
    """The environment is left with fewer tools than the recipe's floor."""
    # compose
    NO_WALK = "no_walk"
    """No directed walk of the wanted length from this start."""
    UNBOUND_ARGUMENT = "unbound_argument"
    """A required argument that neither a fact nor an earlier output can give."""
    GOLD_FAILED = "gold_failed"
    """A gold call failed, or a replay gave other bytes."""
    UNNECESSARY_WRITE = "unnecessary_write"
    """A gold write whose absence leaves the final state as it was."""
    AMBIGUOUS = "ambiguous"
    """The facts select more than one row."""
    DUPLICATE_TASK = "duplicate_task"
    """The same gold calls as an earlier task of the environment."""
    DEFECT = "defect"
    """An error of rayscaler itself while it made the task, with its line; please report it."""
    # curate
    NOT_KEPT = "not_kept"
    """The trajectory's verdict is not to keep it."""
    HELD_OUT = "held_out"
    """The task belongs to the held-out split."""
    TOO_LONG = "too_long"
    """More tokens than the recipe's limit; examples are dropped whole, never cut."""
    NEAR_DUPLICATE = "near_duplicate"
    """User and agent say again what they say in an earlier conversation that stays."""
    CONTAMINATED = "contaminated"
    """Too near to a benchmark: the task's opening, or a tool that is called."""
    NO_SUPERVISED_TOKEN = "no_supervised_token"
    """Nothing in it that the loss would look at."""


class Rejected(NamedTuple):
    """One thing that was left out. `key` names it, `detail` says what was expected and what was found."""

    key: str
    reason: Reason
    detail: str
