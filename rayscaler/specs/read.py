"""One specification file -> its tools and its rejects: decode, recognise, read, assemble."""

from __future__ import annotations

from rayscaler.errors import SpecError
from rayscaler.reasons import Reason, Rejected
from rayscaler.recipes import IngestRecipe, Source
from rayscaler.specs.assemble import Assembly, Parsed, key_of
from rayscaler.specs.decode import decode
from rayscaler.specs.documents import Beside
from rayscaler.specs.files import SpecFile
from rayscaler.specs.operation import Origin
from rayscaler.specs.sniff import format_of


def read_file(
    file: SpecFile, data: bytes, source: Source, recipe: IngestRecipe, beside: Beside | None = None
) -> Parsed:
    """The tools in `data`, and a reject for everything in it that is none. Never raises for bad content.

    `beside` reads files that external references name (`files.neighbours`); without it they become open objects.
    """
    assembly: Assembly | None = None
    try:
        if file.problem:
            reason, _, detail = file.problem.partition(": ")
            raise SpecError(Reason(reason), detail)
        if file.member and file.size and not data:
            raise SpecError(Reason.UNREADABLE, "the archive is broken at this member")
        if file.superseded_by:
            raise SpecError(Reason.FILTERED, f"an older version of the API; {file.superseded_by} is taken")
        if len(data) > recipe.max_file_mb * 2**20:
            raise SpecError(Reason.TOO_LARGE, f"{len(data)} bytes; the recipe's limit is {recipe.max_file_mb} MiB")
        document = decode(data, file.name)
        found = format_of(document)
        if found.read is None:
            raise SpecError(Reason.UNSUPPORTED_FORMAT, f"a {found.name} file; there is no adapter for this format yet")
        assembly = Assembly(file, source, recipe, found.name)
        for specification in found.read(document, Origin(file.source, file.name, recipe, beside)):
            assembly.take(specification)
    except SpecError as error:
        rejected = Rejected(key_of(file), Reason(error.reason), error.detail)
    except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
        # A document that no adapter foresaw: what it holds before the fault is kept, the fault is named.
        detail = f"the reader stumbled: {type(error).__name__}: {str(error)[:200]}"
        rejected = Rejected(key_of(file), Reason.INVALID_OPERATION, detail)
    else:
        return assembly.parsed()
    parsed = assembly.parsed() if assembly else Parsed([], [])
    return Parsed(parsed.tools, [*parsed.rejects, rejected])
