"""What every figure has in common: colours that all readers tell apart, titled axes, margins.

No colours of paper, text or grid in here: the page takes them from the reader's light or dark
scheme, a PNG from a template for print.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go

# Okabe and Ito's colours: told apart by colour-blind readers, on white and on black
COLOURS = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8A8A8A",
    "#8866CC", "#A0A000", "#AA4466",
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
TOP = 64  # pixels above a plot: the tool bar's line, then the legend's
BOTTOM = 60
ENTRY = 19  # pixels of a legend's line
SCALE = "Viridis"  # even in lightness; reads the same in grey


def blank(x: str, y: str, height: int = 420, **layout: Any) -> go.Figure:
    """An empty figure with titled axes."""
    plot = go.Figure()
    plot.update_layout(
        template="none",
        height=height,
        colorway=COLOURS,
        margin={"l": 70, "r": 20, "t": TOP, "b": BOTTOM},
        xaxis={"title": {"text": x, "standoff": 12}, "automargin": True},
        yaxis={"title": {"text": y, "standoff": 12}, "automargin": True},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
        hoverlabel={"align": "left"},
        **layout,
    )
    return plot


def legend_beside(plot: go.Figure) -> None:
    """The legend to the right of the plot, which grows until all entries have room."""
    room = TOP + BOTTOM + ENTRY * len(plot.data) + 10
    plot.update_layout(
        legend={"orientation": "v", "x": 1.01, "y": 1, "yanchor": "top"},
        height=max(plot.layout.height, room),
    )


def hide_names(plot: go.Figure) -> None:
    """Hundreds of names fit under no axis; they show under the pointer."""
    plot.update_xaxes(showticklabels=False, showgrid=False, ticks="")


def si(unit: str = "") -> dict[str, str]:
    """An axis whose ticks take SI prefixes: 20 µJ, 1.5 M."""
    return {"tickformat": "~s", "ticksuffix": unit}


def band(first: float, last: float) -> dict[str, Any]:
    """A stripe behind columns ``first`` to ``last``; the page gives it the scheme's colour."""
    return {
        "name": "band", "type": "rect", "layer": "below", "xref": "x", "yref": "paper",
        "x0": first - 0.5, "x1": last + 0.5, "y0": 0, "y1": 1,
        "line": {"width": 0}, "fillcolor": "#eef2f6",
    }  # fmt: skip


def leader(x: float, y: float, at: float, top: float) -> dict[str, Any]:
    """A thin line from the top of a bar to its name above the plot."""
    return {
        "name": "leader", "type": "line", "xref": "x", "yref": "y",
        "x0": x, "y0": y, "x1": at, "y1": top, "line": {"width": 0.8, "color": "#8A8A8A"},
    }  # fmt: skip


def upright(x: float, text: str) -> dict[str, Any]:
    """A name that stands above the plot at ``x``."""
    return {
        "x": x, "y": 1, "xref": "x", "yref": "paper", "xanchor": "center", "yanchor": "bottom",
        "text": text, "textangle": -90, "showarrow": False, "font": {"size": 10.5},
    }  # fmt: skip


def pushed_apart(places: Sequence[float], gap: float, last: float) -> list[float]:
    """Places in rising order, moved as little as needed to lie ``gap`` apart and below ``last``."""
    moved = list(places)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + gap)
    for i in range(len(moved) - 1, -1, -1):
        moved[i] = min(moved[i], last - gap * (len(moved) - 1 - i))
    return moved
