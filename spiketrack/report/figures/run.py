"""Figures of a run: counts over time, firing rates, boxes and scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from spiketrack.inference import SEARCH
from spiketrack.pages.parts import Figure
from spiketrack.pages.plots import COLOURS, DASHES, SCALE, blank, legend_beside, si
from spiketrack.report.activity import Activity
from spiketrack.report.document import Overlay
from spiketrack.report.names import short, stage
from spiketrack.video.boxes import iou

NAMED_STAGE = 4  # populations that a stage needs for room to name it


def counts_figure(activities: Mapping[str, Activity]) -> Figure:
    """Spikes of each stage over time, a variant for each branch."""
    variants = []
    for branch, activity in activities.items():
        plot = blank(axis_of(branch), "spikes (sum of counts)", 440)
        plot.update_yaxes(rangemode="tozero", **si())
        x = np.arange(activity.spikes.shape[1]) + (branch == SEARCH)
        for index, (name, series) in enumerate(activity.by_stage().items()):
            line = {"dash": DASHES[index // len(COLOURS) % len(DASHES)]}
            plot.add_scatter(
                x=x, y=series, name=short(name), mode="lines+markers", line=line, marker={"size": 4}
            )
        legend_beside(plot)
        variants.append((f"{branch} branch", plot))
    return Figure("counts", "Counts over time", tuple(variants), "y")


def axis_of(branch: str) -> str:
    """What an inference of a branch is."""
    return "frame" if branch == SEARCH else "template encoding"


def rates_figure(activities: Mapping[str, Activity]) -> Figure:
    """Heat maps (populations × inferences) of firing rates and of mean counts."""
    variants = []
    for branch, activity in activities.items():
        for title, values in (
            ("share of neurons that fire", activity.rate),
            ("mean count (0 to 4)", activity.mean_count),
        ):
            variants.append((f"{branch} branch: {title}", _heat(activity, values, branch)))
    return Figure("rates", "Firing rates", tuple(variants))


def _heat(activity: Activity, values: Any, branch: str) -> go.Figure:
    plot = blank(axis_of(branch), "", 620)
    plot.add_heatmap(
        z=values.astype(np.float32),
        x=np.arange(values.shape[1]) + (branch == SEARCH),
        y=list(activity.names),
        colorscale=SCALE,
        zmin=0,
        zmax=float(values.max(initial=0)) or 1.0,
        hovertemplate="%{y}<br>%{x}: %{z:.4f}<extra></extra>",
        colorbar={"thickness": 14},
    )
    stages = [stage(name) for name in activity.names]
    named = [name for name in dict.fromkeys(stages) if stages.count(name) >= NAMED_STAGE]
    first = {name: activity.names[stages.index(name)] for name in named}
    plot.update_yaxes(
        autorange="reversed",
        showgrid=False,
        tickvals=list(first.values()),
        ticktext=[short(name) for name in first],
        tickfont={"size": 10},
    )
    plot.update_xaxes(showgrid=False)
    return plot


def scores_figure(overlays: Sequence[Overlay]) -> Figure:
    """Confidence of each source over the frames."""
    plot = blank("frame", "confidence", 320)
    for index, overlay in enumerate(one for one in overlays if one.scored):
        rows = [row for row in overlay.rows if row.frame]
        plot.add_scatter(
            x=[row.frame for row in rows],
            y=[row.score for row in rows],
            name=overlay.label,
            mode="lines",
            line={"dash": DASHES[index % len(DASHES)]},
        )
    plot.update_yaxes(range=[0, 1.02])
    return Figure("scores", "Confidence over time", (("", plot),))


def overlap_figure(overlays: Sequence[Overlay]) -> Figure:
    """Box overlap of every other source with the first."""
    first = {row.frame: row.box for row in overlays[0].rows}
    plot = blank("frame", f"IoU with {overlays[0].label}", 320)
    for index, overlay in enumerate(overlays[1:], 1):
        rows = [row for row in overlay.rows if row.frame in first and row.frame]
        plot.add_scatter(
            x=[row.frame for row in rows],
            y=[iou(first[row.frame], row.box) for row in rows],
            name=overlay.label,
            mode="lines+markers",
            line={"dash": DASHES[index % len(DASHES)], "color": COLOURS[index % len(COLOURS)]},
            marker={"size": 5},
        )
    plot.update_layout(showlegend=True)
    plot.update_yaxes(range=[0, 1.05])
    return Figure("overlap", "Do the backends see the same box?", (("", plot),))
