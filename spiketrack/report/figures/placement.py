"""Figures of a placement: the network in the chip's own time, what crosses between cores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from spiketrack.documents.placement import BranchPlacement
from spiketrack.pages.parts import Figure
from spiketrack.pages.plots import blank, si
from spiketrack.report.figures.stages import stage_axis
from spiketrack.report.names import runs_of, short, stage
from spiketrack.runs.activity import RunActivity

FAINT = 0.4
ROW_HEIGHT = 5  # pixels of a layer in the timeline
NAMED = 3  # layers of the timeline that a stage needs for its name
ACTIVITY = ("updates", "operations", "messages", "bits")
TRAFFIC = ("within_core", "between_cores", "between_chips")


def timeline_figure(branches: Sequence[BranchPlacement]) -> Figure:
    """Layers × time steps of one frame: when each works; the longest chain is bold."""
    variants = [(f"{branch.name} branch", _timeline(branch)) for branch in branches]
    note = (
        "A bar is a span of time steps in which a layer works on one frame, stages of the network "
        "from above; what does not lie on the longest chain is faint."
    )
    return Figure("timeline", "The network in the chip's own time", tuple(variants), note=note)


def _timeline(branch: BranchPlacement) -> go.Figure:
    layers = branch.layers
    height = min(1600, 160 + ROW_HEIGHT * len(layers))
    plot = blank("time step of the frame", "", height, barmode="overlay", bargap=0.1)
    chain = set(branch.longest_chain)
    for kind in dict.fromkeys(row.kind for row in layers):
        spans = [(row, *span) for row in layers if row.kind == kind for span in row.work_steps]
        plot.add_bar(
            name=kind,
            orientation="h",
            y=[row.name for row, _, _ in spans],
            base=[first for _, first, _ in spans],
            x=[last - first + 1 for _, first, last in spans],
            marker={"opacity": [1 if row.name in chain else FAINT for row, _, _ in spans]},
            customdata=[(last, row.neurons) for row, _, last in spans],
            hovertemplate="%{y}<br>steps %{base:,} to %{customdata[0]:,}, "
            "%{customdata[1]:,} neurons",
        )
    plot.update_xaxes(range=[0, branch.latency_steps + 1])
    names = [row.name for row in layers]
    stretches = runs_of([short(stage(name)) for name in names])
    stages = [(name, a) for name, a, b in stretches if b - a + 1 >= NAMED]
    plot.update_yaxes(
        categoryorder="array",
        categoryarray=names[::-1],
        tickvals=[names[a] for _, a in stages],
        ticktext=[name for name, _ in stages],
        tickfont={"size": 10},
        showgrid=False,
    )
    return plot


def step_figure(branch: str, activity: RunActivity) -> Figure:
    """What one inference does in each time step, in the mean over those of a run."""
    inferences = int(activity.column("inference").max()) + 1
    steps = activity.column("step")
    means = {
        name: np.bincount(steps, activity.column(name).astype(float)) / inferences
        for name in ACTIVITY
    }
    title = f"Activity of the {branch} branch, mean of {inferences} inferences"
    return Figure(f"steps_{branch}", title, ((f"{branch} branch", step_plot(means)),), "y")


def step_plot(means: Mapping[str, Sequence[float] | NDArray[np.float64]]) -> go.Figure:
    """Updates, operations, messages and bits of each time step, on a logarithmic scale."""
    plot = blank("time step", "a time step", 400)
    for name in ACTIVITY:
        plot.add_scatter(
            y=np.asarray(means[name]).round(2), name=name, mode="lines", line={"shape": "hvh"},
            hovertemplate="step %{x}<br>%{y:,.0f}",
        )  # fmt: skip
    plot.update_yaxes(type="log")
    return plot


def resident_figure(branches: Sequence[BranchPlacement]) -> Figure:
    """Neurons × time steps of each layer: those in which it works, and those in which it rests."""
    variants = []
    for branch in branches:
        plot = blank("", "neurons × time steps", 440, barmode="stack")
        steps = [sum(last - first + 1 for first, last in row.work_steps) for row in branch.layers]
        working = [min(n, branch.latency_steps) for n in steps]
        resting = [branch.latency_steps - n for n in working]
        for name, taken in (("works", working), ("rests", resting)):
            rows = list(zip(branch.layers, taken, strict=True))
            plot.add_bar(
                y=[row.neurons * n for row, n in rows],
                name=name,
                customdata=[(row.name, row.neurons, n) for row, n in rows],
                hovertemplate="%{customdata[0]}<br>%{customdata[1]:,} neurons × "
                "%{customdata[2]:,} steps",
            )
        stage_axis(plot, [row.name for row in branch.layers])
        plot.update_yaxes(**si())
        total = branch.neurons * branch.latency_steps
        variants.append((f"{branch.name} branch: {total:,}", plot))
    note = (
        "What a chip pays that services neurons which rest. Copies of products make the steps "
        "fewer: spiketrack map --tiles auto."
    )
    return Figure("resident", "Neurons × time steps of a frame", tuple(variants), note=note)


def traffic_figure(branches: Sequence[BranchPlacement]) -> Figure:
    """Messages that each layer sends in one inference, by how far they go."""
    variants = []
    for branch in branches:
        plot = blank("", "messages an inference", 440, barmode="stack")
        for key in TRAFFIC:
            plot.add_bar(
                y=[getattr(row.traffic, key) for row in branch.layers],
                name=key.replace("_", " "),
                customdata=[row.name for row in branch.layers],
                hovertemplate="%{customdata}<br>%{y:,.0f}",
            )
        stage_axis(plot, [row.name for row in branch.layers])
        plot.update_yaxes(**si())
        source = "" if branch.counted else " (at most: no run was counted)"
        variants.append((f"{branch.name} branch{source}", plot))
    return Figure("traffic", "Traffic between cores", tuple(variants))
