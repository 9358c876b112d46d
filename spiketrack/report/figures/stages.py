"""An axis of layers in the order of the network, with its stages as bands and names."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from spiketrack.pages.plots import band
from spiketrack.report.names import runs_of, short, stage

WIDE = 0.012  # of the width that a stage needs for its name
APART = 0.024  # of the width between two names


def stage_axis(plot: go.Figure, layers: Sequence[str]) -> None:
    """Layers at x = 0, 1, …; every other stage is a band, those that have room are named.

    A page leaves out more names where it is narrow (``pages/figures.js``).
    """
    stages = runs_of([short(stage(name)) for name in layers])
    named: list[tuple[str, float]] = []
    for name, a, b in stages:
        middle = (a + b) / 2
        room = not named or middle - named[-1][1] >= APART * len(layers)
        if room and b - a + 1 >= WIDE * len(layers):
            named.append((name, middle))
    plot.update_layout(shapes=[band(a, b) for _, a, b in stages[::2]])
    plot.update_xaxes(
        range=[-0.5, len(layers) - 0.5],
        tickvals=[middle for _, middle in named],
        ticktext=[name for name, _ in named],
        tickangle=-45,
        showgrid=False,
        zeroline=False,
    )
