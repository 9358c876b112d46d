"""What every figure has in common: colours that all readers tell apart, titled axes, margins.

No colours of paper, text or grid in here: the page takes them from the reader's light or dark
scheme, a PNG from a template for print.
"""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

# Okabe and Ito's colours: told apart by colour-blind readers, on white and on black
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8A8A8A")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
SCALE = "Viridis"  # even in lightness; reads the same in grey


def blank(x: str, y: str, height: int = 420, **layout: Any) -> go.Figure:
    """An empty figure with titled axes."""
    plot = go.Figure()
    plot.update_layout(
        template="none",
        height=height,
        colorway=COLOURS,
        margin={"l": 70, "r": 20, "t": 30, "b": 60},
        xaxis={"title": {"text": x}, "automargin": True},
        yaxis={"title": {"text": y}, "automargin": True},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        hoverlabel={"align": "left"},
        **layout,
    )
    return plot


def hide_names(plot: go.Figure) -> None:
    """Hundreds of names fit under no axis; they show under the pointer."""
    plot.update_xaxes(showticklabels=False, showgrid=False, ticks="")
