"""Histograms: counts of neurons, firing rates of populations, weights, head-room of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from spiketrack.documents.manifest import LayerFormat
from spiketrack.pages.parts import Figure
from spiketrack.pages.plots import blank, si
from spiketrack.report.activity import Activity
from spiketrack.report.distributions import LARGEST, Occurrences

RATES = np.linspace(0, 1, 21)  # bins of 5 %
BITS = 0.5  # of a bin of head-room
HEIGHT = 340


def counts_histogram(occurrences: Mapping[str, Occurrences]) -> Figure:
    """Share of neuron steps that hold the count 0, 1, … 4."""
    plot = blank("count", "share of neuron steps", HEIGHT, barmode="group")
    for branch, sums in occurrences.items():
        plot.add_bar(
            name=f"{branch} branch",
            x=list(range(len(sums))),
            y=(sums / max(sums.sum(), 1)).tolist(),
            texttemplate="%{y:.1%}",
            textposition="outside",
            cliponaxis=False,
            hovertemplate="count %{x}: %{y:.3%}",
        )
    plot.update_xaxes(dtick=1, showgrid=False)
    plot.update_yaxes(tickformat=".0%", rangemode="tozero")
    return Figure("count_histogram", "Histogram of counts", (("", plot),), "y")


def rates_histogram(activities: Mapping[str, Activity]) -> Figure:
    """Number of populations by their mean firing rate."""
    plot = blank("mean firing rate of a population", "populations", HEIGHT, barmode="group")
    for branch, activity in activities.items():
        numbers, _ = np.histogram(activity.rate.mean(1), RATES)
        plot.add_bar(
            name=f"{branch} branch",
            x=((RATES[1:] + RATES[:-1]) / 2).round(4).tolist(),
            y=numbers.tolist(),
            hovertemplate="%{x:.1%}: %{y} populations",
        )
    plot.update_xaxes(tickformat=".0%", showgrid=False)
    return Figure("rate_histogram", "Histogram of firing rates", (("", plot),))


def weights_histogram(occurrences: Mapping[str, Occurrences]) -> Figure:
    """How many weights have each int8 value; a channel's shift scales them."""
    plot = blank("weight (int8 mantissa)", "weights", HEIGHT)
    for branch, sums in occurrences.items():
        plot.add_scatter(
            name=f"{branch} branch",
            x=list(range(-LARGEST, LARGEST)),
            y=sums.tolist(),
            mode="lines",
            line={"shape": "hvh", "width": 1.5},
            hovertemplate="%{x}: %{y:,} weights",
        )
    plot.update_yaxes(rangemode="tozero", **si())
    return Figure("weight_histogram", "Histogram of weights", (("", plot),), "y")


def headroom_histogram(layers: Mapping[str, Sequence[LayerFormat]]) -> Figure:
    """Number of layers by bits between their largest possible value and the limit."""
    plot = blank("head-room, bits", "layers", HEIGHT, barmode="group")
    most = max((row.headroom_bits for rows in layers.values() for row in rows), default=1.0)
    edges = np.arange(0, most + 2 * BITS, BITS)
    for branch, rows in layers.items():
        numbers, _ = np.histogram([row.headroom_bits for row in rows], edges)
        plot.add_bar(
            name=f"{branch} branch",
            x=((edges[1:] + edges[:-1]) / 2).tolist(),
            y=numbers.tolist(),
            hovertemplate="%{x} bits: %{y} layers",
        )
    plot.update_xaxes(showgrid=False)
    return Figure("headroom_histogram", "Histogram of head-room", (("", plot),), "y")
