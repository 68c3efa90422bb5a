"""The coherence report in a terminal: how a run's domains hold together, how large they are, and whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rayscaler.graph.coherence import EVERYTHING

SIZES = ((1, 4), (5, 9), (10, 19), (20, 39), (40, 60), (61, 80), (81, 10**9))
WANTED = (5, 60)
BAR = 40
EXAMPLES = 10


def domains_report(coherence: Sequence[dict[str, Any]], domains: Sequence[dict[str, Any]]) -> RenderableType:
    """Totals, sizes, the domains that mix vendors most, and the least coherent ones, from the rows of two tables."""
    whole = next((row for row in coherence if row["domain_id"] == EVERYTHING), None)
    measured = [row for row in coherence if row["domain_id"] != EVERYTHING]
    if whole is None or not measured:
        return Text("This run has no domains.")
    place = {row["domain_id"]: row for row in domains}
    mixed = [(row, place[row["domain_id"]]) for row in measured if row["n_vendors"] > 1]
    mixed.sort(key=lambda pair: (-_mixture(*pair), pair[0]["domain_id"]))
    loose = sorted(measured, key=lambda row: (row["inside"] - row["outside"], row["domain_id"]))
    return Group(
        _totals(whole, measured),
        Text("Sizes", style="bold"), _sizes(measured),
        Text(f"{len(mixed):,} domains mix vendors; the {min(EXAMPLES, len(mixed))} that do most", style="bold"),
        _mixed(mixed[:EXAMPLES]),
        Text("Nearest to another domain", style="bold"),
        _loose(loose[:EXAMPLES], {row["domain_id"]: row["title"] for row in measured}),
    )  # fmt: skip


def second_vendor(domain: dict[str, Any]) -> float:
    """The share of a domain's tools that are of its second vendor, 0 without one. A tool id starts with its vendor."""
    counts = Counter(tool_id.split("/", 1)[0] for tool_id in domain["tool_ids"]).most_common(2)
    return counts[1][1] / domain["n_tools"] if len(counts) > 1 else 0.0


def _mixture(row: dict[str, Any], domain: dict[str, Any]) -> float:
    """Large where both vendors have many tools that are near to one another."""
    return float(row["inside"] * second_vendor(domain) * min(row["n_tools"], 20))


def _totals(whole: dict[str, Any], measured: Sequence[dict[str, Any]]) -> Table:
    n = whole["n_tools"]
    wanted = sum(row["n_tools"] for row in measured if WANTED[0] <= row["n_tools"] <= WANTED[1])
    across = sum(row["n_apis"] > 1 for row in measured)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    owners = f"{whole['n_apis']:,} APIs, {whole['n_vendors']:,} vendors"
    table.add_row("domains", f"{len(measured):,}", f"of {n:,} tools, {owners}")
    table.add_row(f"in domains of {WANTED[0]} to {WANTED[1]}", f"{wanted / n:.1%}", "of the tools")
    table.add_row("largest", f"{max(row['n_tools'] for row in measured)}", "tools")
    table.add_row("inside", f"{whole['inside']:.3f}", "mean cosine between the tools of a domain")
    table.add_row("outside", f"{whole['outside']:.3f}", "mean cosine with the tools of the nearest other domain")
    table.add_row("one API", f"{whole['api_purity']:.1%}", f"of a domain's tools; {across:,} domains have several APIs")
    table.add_row("one noun", f"{whole['noun_purity']:.1%}", "of a domain's tools are about its most frequent noun")
    table.add_row("modularity", f"{whole['modularity'] or 0:.3f}", "of the domains in the tool graph")
    return table


def _sizes(measured: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("tools", "domains"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    counts = [sum(low <= row["n_tools"] <= high for row in measured) for low, high in SIZES]
    for (low, high), count in zip(SIZES, counts, strict=True):
        if count:
            label = f"{low}-{high}" if high < 10**9 else f"{low} and more"
            table.add_row(label, f"{count:,}", Text("█" * max(1, round(BAR * count / max(counts))), style="cyan"))
    return table


def _mixed(mixed: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("domain", style="bold")
    table.add_column("tools", justify="right", no_wrap=True)
    table.add_column("inside", justify="right", no_wrap=True)
    table.add_column("APIs", ratio=1)
    for row, domain in mixed:
        apis = domain["apis"]
        shown = ", ".join(apis[:6]) + (f" and {len(apis) - 6} more" if len(apis) > 6 else "")
        table.add_row(Text(row["title"]), str(row["n_tools"]), f"{row['inside']:.2f}", Text(shown))
    return table


def _loose(loose: Sequence[dict[str, Any]], titles: dict[str, str]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("domain", style="bold")
    for name in ("tools", "inside", "outside"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("nearest")
    for row in loose:
        numbers = (str(row["n_tools"]), f"{row['inside']:.2f}", f"{row['outside']:.2f}")
        table.add_row(Text(row["title"]), *numbers, Text(titles.get(row["nearest"], "-")))
    return table
