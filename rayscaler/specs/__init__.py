"""Specification files -> tools: one adapter per format, bounded, and a reject for everything that is no tool."""

from rayscaler.specs.assemble import Parsed
from rayscaler.specs.files import SpecFile, list_files, load_bytes, neighbours
from rayscaler.specs.read import read_file
from rayscaler.specs.sniff import FORMATS, format_of

__all__ = ["FORMATS", "Parsed", "SpecFile", "format_of", "list_files", "load_bytes", "neighbours", "read_file"]
