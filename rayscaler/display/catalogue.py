"""The table catalogue as Markdown: the text of docs/tables.md."""

from __future__ import annotations

from rayscaler.table import Table
from rayscaler.tables import CATALOGUE

_HEAD = """# Tables

Generated from `rayscaler/tables.py` by `rayscaler docs tables > docs/tables.md`; a test fails when it is stale.

Every table is a folder of Parquet files, `<run>/<table>@<version>/<fingerprint>/`, with exactly this Arrow schema. Its
`record.json` is written last and says that the table is whole. Columns that hold JSON hold it as canonical text: keys
sorted, no spaces. Nulls are only where the type says so.
"""


def tables_markdown() -> str:
    """All tables with key, version and columns."""
    index = "\n".join(f"- [`{t.name}`](#{t.name}): {t.doc}" for t in CATALOGUE.values())
    return "\n".join([_HEAD, index, *(_section(table) for table in CATALOGUE.values())])


def _section(table: Table) -> str:
    rows = (
        f"| `{f.name}` | `{str(f.type).replace(chr(10), ' ')}`{' or null' if f.nullable else ''} | {f.doc} |"
        for f in table.fields
    )
    key = ", ".join(f"`{name}`" for name in table.key)
    head = f"\n## {table.name}\n\n{table.doc} Version {table.version}, key {key}.\n"
    return "\n".join([head, "| column | type | what it holds |", "|---|---|---|", *rows])
