"""The filter funnel as a picture: what each filter dropped in all, by length and by domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rayscaler.display.funnel import STAGES, VIEWS, Share, groups
from rayscaler.errors import ConfigError

try:
    import matplotlib as mpl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
except ImportError as error:
    raise ConfigError("a plot needs matplotlib: pip install 'rayscaler[report]'") from error

KEPT = "#4c8f5b"
COLOURS = ("#b9483f", "#d98b3a", "#c9b44a", "#7d6aa8")
"""One per filter, in their order."""

MAX_DOMAINS, MAX_LENGTHS = 25, 30


def plot_funnel(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw the rows of `funnel` into `path`; the ending says how (`.svg`, `.png`, `.pdf`). Same rows, same SVG.

    Raises ConfigError if matplotlib does not know the ending.
    """
    if path.suffix[1:] not in Figure().canvas.get_supported_filetypes():
        raise ConfigError(f"{path}: expected a name that ends in .svg or .png")
    domains = groups(rows, "domain")
    n_domains = min(len(domains), MAX_DOMAINS)
    with mpl.rc_context({"svg.hashsalt": "rayscaler", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(12, max(5.0, 2.2 + 0.24 * n_domains)), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.15])
        above, below = _split(figure, left)
        _draw_stages(above, rows)
        _draw_lengths(below, groups(rows, "length"))
        _draw_domains(right, domains)
        handles, names = right.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names), frameon=False)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, dpi=150, metadata=metadata)


def _split(figure: Figure, axes: Axes) -> tuple[Axes, Axes]:
    """Two plots, one above the other, in the place of one."""
    place = axes.get_subplotspec()
    assert place is not None
    axes.remove()
    grid = place.subgridspec(2, 1)
    return figure.add_subplot(grid[0]), figure.add_subplot(grid[1])


def _draw_stages(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    stages = [row for row in rows if row["by"] == "all"]
    total = stages[0]["n_in"]
    names = ["played", *STAGES]
    passed = [total, *(row["n_out"] for row in stages)]
    axes.barh(names, passed, color=KEPT)
    for place, row in enumerate(stages, start=1):
        dropped = row["n_in"] - row["n_out"]
        axes.barh(place, dropped, left=row["n_out"], color=COLOURS[place - 1])
    for place, n in enumerate(passed):
        before = passed[place - 1] if place else n
        text = f"{n:,}" if n == before else f"{n:,} (-{before - n:,})"
        axes.text(before + total * 0.01, place, text, va="center")
    axes.invert_yaxis()
    axes.set_xlim(0, total * 1.25)
    _plain(axes, f"{passed[-1]:,} of {total:,} trajectories pass every filter", "trajectories")


def _draw_lengths(axes: Axes, lengths: list[Share]) -> None:
    shown = lengths[:MAX_LENGTHS]
    _stack(axes, shown, horizontal=False)
    more = f" (the first {len(shown)} of {len(lengths)})" if len(shown) < len(lengths) else ""
    axes.set_ylabel("trajectories")
    _plain(axes, f"by length{more}", VIEWS["length"])


def _draw_domains(axes: Axes, domains: list[Share]) -> None:
    shown = domains[:MAX_DOMAINS]
    _stack(axes, shown, horizontal=True)
    axes.invert_yaxis()
    most = max((d.n_in for d in shown), default=1)
    for place, domain in enumerate(shown):
        axes.text(domain.n_in + most * 0.01, place, f"{domain.kept / max(1, domain.n_in):.0%}", va="center")
    more = f" (the first {len(shown)} of {len(domains)})" if len(shown) < len(domains) else ""
    _plain(axes, f"by domain, with the share that is kept{more}", "trajectories")


def _stack(axes: Axes, found: list[Share], *, horizontal: bool) -> None:
    names = [_short(share.value) for share in found]
    places = list(range(len(found)))
    heights = [("kept", KEPT, [share.kept for share in found])]
    heights += [(f"dropped by {stage}", COLOURS[i], [share.dropped[i] for share in found])
                for i, stage in enumerate(STAGES)]
    floor = [0] * len(found)
    for label, colour, values in heights:
        if horizontal:
            axes.barh(places, values, left=floor, color=colour, label=label)
        else:
            axes.bar(places, values, bottom=floor, color=colour, label=label)
        floor = [a + b for a, b in zip(floor, values, strict=True)]
    if horizontal:
        axes.set_yticks(places, names)
    else:
        axes.set_xticks(places, names)


def _plain(axes: Axes, title: str, xlabel: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.set_xlabel(xlabel)
    axes.spines[["top", "right"]].set_visible(False)


def _short(text: str, width: int = 34) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
