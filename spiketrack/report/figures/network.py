"""Figures of the network: float against integer, head-room, the cores of a placement."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from spiketrack.documents.manifest import LayerFormat
from spiketrack.documents.placement import BranchPlacement, CoreMap, MapDocument
from spiketrack.documents.verification import LossRow
from spiketrack.pages.parts import Figure
from spiketrack.pages.plots import SCALE, blank, hide_names
from spiketrack.runs.activity import RunActivity

NAMED_CORES = 1000  # beyond, cores show no names under the pointer, to keep the page small
NAMED_LAYERS = 3  # of a core
SPREAD = 2.2  # how much wider than high the core map is
PLOT_WIDTH = 950  # pixels, roughly; gives the core map its height
FAINT = 0.4
ROW_HEIGHT = 5  # pixels of a layer in the timeline
TRAFFIC = ("within_core", "between_cores", "between_chips")


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
    plot.update_yaxes(tickformat=".2%")
    return Figure("mismatch", "Float against integer, teacher-forced", (("", plot),), "y")


def headroom_figure(layers: Mapping[str, Sequence[LayerFormat]]) -> Figure:
    """Bits between the largest value that can occur and the limit of 24 bits."""
    plot = blank("layer, in the order of the network", "head-room, bits", 400)
    for branch, rows in layers.items():
        plot.add_scatter(
            x=[row.name for row in rows],
            y=[row.headroom_bits for row in rows],
            name=f"{branch} branch",
            mode="markers",
            marker={"size": 6, "symbol": "circle" if branch == "search" else "diamond-open"},
            hovertemplate="%{x}<br>%{y:.2f} bits",
        )
    hide_names(plot)
    plot.update_yaxes(rangemode="tozero")
    return Figure("headroom", "Head-room of every layer", (("", plot),))


def core_figure(placement: MapDocument) -> Figure:
    """Every core where it lies on its chip, coloured by use, by resource or by layers."""
    cores, resources = placement.core_map, placement.core_map.resources
    names = _names(cores)
    limits = placement.limits
    shares = {
        "use of the fullest resource": np.array(cores.use, float),
        "neurons": np.array(cores.neurons) / limits.neurons_per_core.value,
        "memory": np.array(cores.memory_bytes) / (1024 * limits.memory_kib_per_core.value),
    }
    variants = [
        (title, _cores(placement, value, names, "share")) for title, value in shares.items()
    ]
    held = np.array([len(layers) for layers in cores.layers], float)
    variants.append(("layers on the core", _cores(placement, held, names, "layers")))
    note = "Fullest resource: " + ", ".join(
        f"{resources[i]} on {cores.fullest.count(i):,} cores" for i in dict.fromkeys(cores.fullest)
    )
    return Figure("cores", "Core map", tuple(variants), note=f"{note}.")


def _names(cores: CoreMap) -> list[str]:
    """What shows of a core under the pointer: its fullest resource and its first layers."""
    layers, resources = cores.layer_names, cores.resources
    texts = []
    for number, (index, held) in enumerate(zip(cores.fullest, cores.layers, strict=True)):
        more = [f"and {len(held) - NAMED_LAYERS} more"] if len(held) > NAMED_LAYERS else []
        lines = [layers[i] for i in held[:NAMED_LAYERS]] + more
        texts.append("<br>".join([f"core {number}, {resources[index]}", *lines]))
    return texts


def core_plot(placement: MapDocument, values: Any, unit: str) -> go.Figure:
    """Every core where it lies on its chip, coloured by one value each."""
    return _cores(placement, values, _names(placement.core_map), unit)


def _cores(placement: MapDocument, values: Any, names: Sequence[str], unit: str) -> go.Figure:
    columns, rows, shape = core_grid(placement)
    grid = np.full(shape, np.nan, np.float32)
    grid[rows, columns] = values
    plot = blank("", "", min(1000, 110 + PLOT_WIDTH * shape[0] // shape[1]))
    gap = 0.5 if shape[1] < 200 else 0
    plot.add_heatmap(
        z=grid,
        colorscale=SCALE,
        zmin=0,
        zmax=1 if unit == "share" else float(np.max(values)),
        xgap=gap,
        ygap=gap,
        hoverongaps=False,
        hovertemplate="%{z:.3g} " + unit + "<extra></extra>",
        colorbar={"thickness": 14},
    )
    if len(names) <= NAMED_CORES:
        text = np.full(shape, "", object)
        text[rows, columns] = names
        plot.update_traces(
            text=text.tolist(), hovertemplate="%{text}<br>%{z:.3g} " + unit + "<extra></extra>"
        )
    plot.update_xaxes(visible=False)
    plot.update_yaxes(visible=False, autorange="reversed", scaleanchor="x")
    return plot


def core_grid(placement: MapDocument) -> tuple[Any, Any, tuple[int, int]]:
    """(column, row) of each core in one picture of all chips, and its (height, width).

    Chips lie in rows of about sqrt(chips), a gap between them; a tile's cores stand in a square.
    """
    cores, limits = placement.core_map, placement.limits
    inside = limits.cores_per_tile.value
    side = math.ceil(math.sqrt(inside))
    chip = np.array(cores.chip)
    column = np.array(cores.tile_column) * side
    row = np.array(cores.tile_row) * side
    local = np.arange(len(chip)) % limits.cores_per_chip.value % inside
    width = limits.tiles_across.value * side
    tiles = -(-limits.cores_per_chip.value // inside)
    height = -(-tiles // limits.tiles_across.value) * side
    across = max(1, round(math.sqrt((int(chip.max()) + 1) * height / width * SPREAD)))
    across = min(across, int(chip.max()) + 1)
    x = chip % across * (width + 1) + column + local % side
    y = chip // across * (height + 1) + row + local // side
    down = int(chip.max()) // across + 1
    return x, y, (down * (height + 1) - 1, across * (width + 1) - 1)


def timeline_figure(branches: Sequence[BranchPlacement]) -> Figure:
    """Layers × time steps of one frame: when each works; the longest chain is bold."""
    variants = [(f"{branch.name} branch", _timeline(branch)) for branch in branches]
    note = (
        "A bar is a span of time steps in which a layer works on one frame; what does not lie on "
        "the longest chain is faint."
    )
    return Figure("timeline", "The network in the chip's own time", tuple(variants), note=note)


def _timeline(branch: BranchPlacement) -> go.Figure:
    layers = branch.layers
    height = min(1600, 160 + ROW_HEIGHT * len(layers))
    plot = blank("time step of the frame", "layer", height, barmode="overlay", bargap=0.1)
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
    names = [row.name for row in reversed(layers)]
    plot.update_yaxes(
        categoryorder="array", categoryarray=names, showticklabels=False, showgrid=False, ticks=""
    )
    return plot


def step_figure(branch: str, activity: RunActivity) -> Figure:
    """What one inference does in each time step, in the mean over those of a run."""
    plot = blank("time step", "a time step", 400)
    inferences = int(activity.column("inference").max()) + 1
    for name in ("updates", "operations", "messages", "bits"):
        sums = np.bincount(activity.column("step"), activity.column(name).astype(float))
        plot.add_scatter(
            y=sums / inferences, name=name, mode="lines", line={"shape": "hvh"},
            hovertemplate="step %{x}<br>%{y:,.0f}",
        )  # fmt: skip
    plot.update_yaxes(type="log")
    title = f"Activity of the {branch} branch, mean of {inferences} inferences"
    return Figure("steps", title, ((f"{branch} branch", plot),), "y")


def traffic_figure(branches: Sequence[BranchPlacement]) -> Figure:
    """Messages that each layer sends in one inference, by how far they go."""
    variants = []
    for branch in branches:
        plot = blank("layer", "messages an inference", 400, barmode="stack")
        for key in TRAFFIC:
            plot.add_bar(
                x=[row.name for row in branch.layers],
                y=[getattr(row.traffic, key) for row in branch.layers],
                name=key.replace("_", " "),
                hovertemplate="%{x}<br>%{y:,.0f}",
            )
        hide_names(plot)
        source = "" if branch.counted else " (at most: no run was counted)"
        variants.append((f"{branch.name} branch{source}", plot))
    return Figure("traffic", "Traffic between cores", tuple(variants))
