"""Figures of the time model: the timeline by binding term, the core map by time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import plotly.graph_objects as go

from spiketrack.documents.placement import MapDocument
from spiketrack.documents.timing import BranchTime, ModeTime, TimeDocument
from spiketrack.documents.whole import WholeEnergy
from spiketrack.pages import Figure, Page, Section, write_page
from spiketrack.pages.plots import COLOURS, blank, legend_beside
from spiketrack.report.figures.cores import core_plot
from spiketrack.report.figures.placement import step_plot
from spiketrack.report.names import file_name

MICRO, MILLI = 1e6, 1e3  # of a second
MILLIJOULE = 1e9  # picojoules
SHAPES = ("", "", "", "", "", "", "", "/")  # where colours begin again


def timeline_figure(branches: Sequence[BranchTime], name: str = "step_times") -> Figure:
    """Seconds of each time step, coloured by the term that binds; a variant a branch and mode."""
    variants = tuple(
        (f"{branch.name}, {mode.mode}", _timeline(branch, mode))
        for branch in branches
        for mode in branch.modes
    )
    note = (
        "A bar is a time step, as long as its longest term; central rates. Fall-through: the steps "
        "of one frame; pipelined: those between two frames, with all that are under way."
    )
    return Figure(name, "How long each time step takes, and what binds", variants, "y", note)


def _timeline(branch: BranchTime, mode: ModeTime) -> go.Figure:
    plot = blank("time step", "µs", 380, barmode="overlay", bargap=0)
    times = np.array(mode.step_seconds) * MICRO
    terms = np.array(mode.step_terms)
    for index, term in enumerate(branch.terms):
        steps = np.flatnonzero(terms == index)
        if len(steps):
            plot.add_bar(
                x=steps.tolist(),
                y=times[steps].tolist(),
                name=term,
                width=1,
                marker={"color": COLOURS[index], "line": {"width": 0}},
                hovertemplate="step %{x}<br>%{y:.3g} µs",
            )
    plot.update_layout(showlegend=True)
    return plot


def activity_figure(branches: Sequence[BranchTime]) -> Figure:
    """Updates, operations, messages and bits of each time step; a variant a branch."""
    variants = tuple(
        (f"{branch.name} branch", step_plot(branch.activity.model_dump())) for branch in branches
    )
    note = "Of one frame by itself, counted; without the host's pixels."
    return Figure("step_activity", "What each time step does", variants, "y", note)


def whole_figure(whole: Sequence[WholeEnergy]) -> Figure:
    """Energy of a frame as stacked bars, low and high, a part a colour; a variant a branch."""
    variants = []
    for energy in whole:
        plot = blank("", "mJ", 420, barmode="stack")
        for index, row in enumerate(energy.rows):
            plot.add_bar(
                name=row.part,
                x=["low", "high"],
                y=[row.low_pj / MILLIJOULE, row.high_pj / MILLIJOULE],
                marker={
                    "color": COLOURS[index % len(COLOURS)],
                    "pattern": {"shape": SHAPES[index]},
                },
                hovertemplate="%{fullData.name}, %{x}<br>%{y:.3g} mJ<extra></extra>",
            )
        legend_beside(plot)
        variants.append((f"{energy.branch} branch", plot))
    note = "From the operations to static power; both estimates are modelled."
    return Figure("whole", "Energy of a whole frame", tuple(variants), "y", note)


def seconds_figure(time: TimeDocument) -> Figure:
    """Seconds a frame with the host, low to high, for each branch and mode."""
    plot = blank("ms a frame", "", 300)
    names, low, central, high = [], [], [], []
    for branch in time.branches:
        for mode in branch.modes:
            names.append(f"{branch.name}, {mode.mode}")
            low.append(mode.frame.low * MILLI)
            central.append(mode.frame.central * MILLI)
            high.append(mode.frame.high * MILLI)
    plot.add_bar(
        orientation="h",
        name="low to high",
        y=names,
        base=low,
        x=[b - a for a, b in zip(low, high, strict=True)],
        customdata=list(zip(low, central, high, strict=True)),
        hovertemplate="%{y}<br>%{customdata[0]:.3g} to %{customdata[2]:.3g} ms, "
        "central %{customdata[1]:.3g}<extra></extra>",
    )
    plot.add_scatter(
        y=names, x=central, name="central", mode="markers",
        marker={"symbol": "line-ns-open", "size": 18, "color": COLOURS[4]},
        hovertemplate="%{x:.3g} ms<extra></extra>",
    )  # fmt: skip
    plot.update_xaxes(rangemode="tozero")
    return Figure("seconds", "Seconds a frame, from low to high", (("", plot),), "x")


def core_time_figure(placement: MapDocument, time: TimeDocument) -> Figure:
    """Every core where it lies, coloured by how long it is busy in a frame."""
    variants = tuple(
        (f"{branch.name} branch", core_plot(placement, np.array(branch.core_seconds) * MILLI, "ms"))
        for branch in time.branches
    )
    note = "Time that each core needs for one frame by itself; central rates."
    return Figure("core_time", "Core map by time", variants, note=note)


def write_timeline(path: Path, document: TimeDocument) -> None:
    """A page of its own: the timelines of both branches."""
    figure = timeline_figure(document.branches)
    notice = "Modelled, not measured: no chip was used."
    text = (f"Rates: {document.rates.title}.",)
    section = Section("time", figure.title, text, (figure,))
    head = ("SpikeTrack: seconds of a chip", file_name(document.export), notice)
    write_page(Page(*head, (), (section,)), path)
