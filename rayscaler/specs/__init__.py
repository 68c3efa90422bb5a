"""Specification files -> tools: one adapter per format, bounded, and a reject for everything that is no tool."""

from rayscaler.specs.alike import groups_of, marks_of
from rayscaler.specs.assemble import Parsed
from rayscaler.specs.duplicates import COLUMNS as SIGNATURE_COLUMNS
from rayscaler.specs.duplicates import find_duplicates, signature_of
from rayscaler.specs.files import SpecFile, list_files, load_bytes, neighbours
from rayscaler.specs.identity import mark_of
from rayscaler.specs.read import read_file
from rayscaler.specs.sniff import FORMATS, format_of

__all__ = [
    "FORMATS",
    "SIGNATURE_COLUMNS",
    "Parsed",
    "SpecFile",
    "find_duplicates",
    "format_of",
    "groups_of",
    "list_files",
    "load_bytes",
    "mark_of",
    "marks_of",
    "neighbours",
    "read_file",
    "signature_of",
]
