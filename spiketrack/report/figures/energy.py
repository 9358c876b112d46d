"""Figures of energy: layers in the order of the network, blocks, kinds, runs side by side.

Joules throughout, ticks with SI prefixes. The page draws the bars of the rows that the energy table
shows (``follow.js``); what is here is the whole search branch, as a PNG shows it.
"""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from spiketrack.documents.energy import LayerEnergy
from spiketrack.pages.parts import Figure
from spiketrack.pages.plots import COLOURS, blank, leader, pushed_apart, si, upright
from spiketrack.report.figures.stages import stage_axis
from spiketrack.report.names import block, short
from spiketrack.report.sources import Run

PICO = 1e-12
NAMED = 10  # layers whose names stand above their bars
NOMINAL = 900  # pixels of the plot, for the distance of names
NAME = 13  # pixels that an upright name takes
ROOM = 190  # pixels for names above the plot


def energy_figure(runs: Sequence[Run]) -> Figure:
    """Energy of a frame by layer of the search branch: stacked by kind, in blocks, by run."""
    own = runs[0].priced.layers
    variants = [
        ("layers, stacked by kind", layers_plot(own)),
        ("blocks, stacked by kind", blocks_plot(own)),
    ]
    if len(runs) > 1:
        variants.append(("runs side by side", runs_plot(runs)))
    note = (
        "Layers of the search branch in the order of the network; bands are its stages, the ten "
        "largest layers are named. The first variant follows the table below: filter or sort it "
        "and the bars change with it."
    )
    return Figure("energy", "Energy by layer", tuple(variants), "y", note)


def layers_plot(rows: Sequence[LayerEnergy]) -> go.Figure:
    """A bar a layer that costs anything, in the order of the network."""
    rows = [row for row in rows if row.energy_pj]
    plot = blank("", "energy a frame", 540, barmode="stack")
    for kind in dict.fromkeys(row.kind for row in rows):
        picked = [(x, row) for x, row in enumerate(rows) if row.kind == kind]
        plot.add_bar(
            name=kind.replace("_", " "),
            x=[x for x, _ in picked],
            y=[row.energy_pj * PICO for _, row in picked],
            customdata=[(row.name, row.energy_share) for _, row in picked],
            hovertemplate="%{customdata[0]}<br>%{y:.4s}J, %{customdata[1]:.1%}",
        )
    plot.update_layout(
        margin={"t": ROOM}, legend={"y": -0.34, "yanchor": "top", "traceorder": "normal"}
    )
    stage_axis(plot, [row.name for row in rows])
    top = 1.02 * PICO * max((row.energy_pj for row in rows), default=1.0)
    plot.update_yaxes(range=[0, top], **si("J"))
    _named(plot, rows, top)
    return plot


def _named(plot: go.Figure, rows: Sequence[LayerEnergy], top: float) -> None:
    """Upright names of the largest above the plot, each with a line to its bar."""
    largest = sorted(range(len(rows)), key=lambda x: -rows[x].energy_pj)[:NAMED]
    places = sorted(largest)
    moved = pushed_apart(places, NAME * len(rows) / NOMINAL, len(rows) - 0.5)
    for x, at in zip(places, moved, strict=True):
        plot.add_annotation(**upright(at, short(rows[x].name)))
        plot.add_shape(**leader(x, rows[x].energy_pj * PICO, at, top))


def blocks_plot(rows: Sequence[LayerEnergy]) -> go.Figure:
    """A bar a block, its kinds of layer on top of each other."""
    plot = blank("block of the network", "energy a frame", 520, barmode="stack")
    blocks = list(dict.fromkeys(block(row.name) for row in rows if row.energy_pj))
    total = sum(row.energy_pj for row in rows)
    for kind in dict.fromkeys(row.kind for row in rows if row.energy_pj):
        sums = dict.fromkeys(blocks, 0.0)
        for row in rows:
            if row.kind == kind and row.energy_pj:
                sums[block(row.name)] += row.energy_pj
        plot.add_bar(
            name=kind.replace("_", " "),
            x=[short(name) for name in sums],
            y=[value * PICO for value in sums.values()],
            customdata=[value / total for value in sums.values()],
            hovertemplate="%{x}<br>%{y:.4s}J, %{customdata:.1%}",
        )
    plot.update_xaxes(tickangle=-60, tickfont={"size": 10.5}, title={"text": ""})
    plot.update_yaxes(**si("J"))
    return plot


def runs_plot(runs: Sequence[Run]) -> go.Figure:
    """The search branch of all runs, bars beside each other."""
    plot = blank("layer, in the order of the network", "energy a frame", 460)
    for run in runs:
        rows = [row for row in run.priced.layers if row.energy_pj]
        plot.add_bar(
            name=run.label,
            x=[row.name for row in rows],
            y=[row.energy_pj * PICO for row in rows],
            hovertemplate="%{x}<br>%{y:.4s}J",
        )
    plot.update_xaxes(showticklabels=False, showgrid=False, ticks="")
    plot.update_yaxes(**si("J"))
    return plot


def kind_figure(runs: Sequence[Run]) -> Figure:
    """Energy of a frame by kind of layer: joules, and the share of the frame."""
    plot = blank("kind of layer", "energy a frame", 400)
    for index, run in enumerate(runs):
        sums: dict[str, float] = {}
        for row in run.priced.layers:
            sums[row.kind] = sums.get(row.kind, 0.0) + row.energy_pj
        spending = {kind: value for kind, value in sums.items() if value}
        total = sum(spending.values())
        plot.add_bar(
            name=run.label,
            x=[kind.replace("_", " ") for kind in spending],
            y=[value * PICO for value in spending.values()],
            customdata=[value / total for value in spending.values()],
            texttemplate="%{y:.3s}J<br>%{customdata:.1%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{x}<br>%{y:.4s}J, %{customdata:.1%}",
            marker={"color": COLOURS[index % len(COLOURS)]},
        )
    plot.update_yaxes(rangemode="tozero", **si("J"))
    return Figure("kinds", "Energy by kind of layer", (("", plot),), "y")
