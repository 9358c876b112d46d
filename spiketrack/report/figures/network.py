"""Figures of the network: float against integer, head-room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from spiketrack.documents.manifest import LayerFormat
from spiketrack.documents.verification import LossRow
from spiketrack.inference import SEARCH
from spiketrack.pages.parts import Figure
from spiketrack.pages.plots import blank, hide_names


def mismatch_figure(rows: Sequence[LossRow]) -> Figure:
    """Share of counts that differ between float and integer, population by population."""
    plot = blank("population, in the order of the network", "share of counts that differ", 400)
    for branch in dict.fromkeys(row.branch for row in rows):
        same = [row for row in rows if row.branch == branch]
        plot.add_bar(
            x=[row.population for row in same],
            y=[row.mismatch_rate for row in same],
            name=f"{branch} branch",
            hovertemplate="%{x}<br>%{y:.3%}",
        )
    hide_names(plot)
    plot.update_yaxes(tickformat=".2~%", rangemode="tozero")
    return Figure(
        "mismatch", "Integer against float by population, teacher-forced", (("", plot),), "y"
    )


def headroom_figure(layers: Mapping[str, Sequence[LayerFormat]]) -> Figure:
    """Bits between the largest value that can occur and the limit of 24 bits."""
    plot = blank("layer, in the order of the network", "head-room, bits", 400)
    for branch, rows in layers.items():
        plot.add_scatter(
            x=[row.name for row in rows],
            y=[row.headroom_bits for row in rows],
            name=f"{branch} branch",
            mode="markers",
            marker={"size": 6, "symbol": "circle" if branch == SEARCH else "diamond-open"},
            hovertemplate="%{x}<br>%{y:.2f} bits",
        )
    hide_names(plot)
    plot.update_yaxes(rangemode="tozero")
    return Figure("headroom", "Head-room of every layer", (("", plot),))
