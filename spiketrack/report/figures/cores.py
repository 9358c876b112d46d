"""The core map: every core where it lies on its chip, in one of several colourings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from spiketrack.documents.placement import CoreMap, MapDocument
from spiketrack.pages.parts import Figure
from spiketrack.pages.plots import SCALE, blank
from spiketrack.report.names import short, stage
from spiketrack.terminal.amounts import counted

NAMED_CORES = 1000  # beyond, cores show no names under the pointer, to keep the page small
NAMED_LAYERS = 3  # of a core
NUMBERED_CHIPS = 80  # beyond, a chip is too small for its number
SPREAD = 2.2  # how much wider than high the core map is
PLOT_WIDTH = 950  # pixels, roughly; gives the core map its height
GAP = 2  # cores between two chips: room for a number

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Colouring:
    """A number a core; ``labels`` name the numbers 0, 1, … where they are kinds, not amounts."""

    title: str
    values: Numbers
    unit: str
    labels: tuple[str, ...] = ()
    most: float | None = None


def core_figure(placement: MapDocument) -> Figure:
    """Every core on its chip: when it works, its stage or branch, how full it is."""
    names = _names(placement.core_map)
    variants = [(c.title, _cores(placement, c, names)) for c in colourings(placement)]
    cores, resources = placement.core_map, placement.core_map.resources
    fullest = ", ".join(
        f"{resources[i]} on {counted(cores.fullest.count(i), 'core')}"
        for i in dict.fromkeys(cores.fullest)
    )
    note = (
        "Each square is a core, each group a chip with its number. A core that holds several "
        f"layers takes the time, stage and branch of its first. Fullest resource: {fullest}."
    )
    return Figure("cores", "Core map", tuple(variants), note=note)


def colourings(placement: MapDocument) -> list[Colouring]:
    """Time first where the placement knows it."""
    cores, limits = placement.core_map, placement.limits
    neurons = limits.neurons_per_core.value
    memory = 1024 * limits.memory_kib_per_core.value
    held = np.array([len(layers) for layers in cores.layers], float)
    return [
        *_times(placement),
        *_kinds(cores),
        Colouring("use of the fullest resource", np.array(cores.use, float), "share", most=1),
        Colouring("neurons", np.array(cores.neurons) / neurons, "share", most=1),
        Colouring("memory", np.array(cores.memory_bytes) / memory, "share", most=1),
        Colouring("layers on the core", held, "layers"),
    ]


def _times(placement: MapDocument) -> list[Colouring]:
    """The time step of a frame in which a core's first layer begins its work."""
    begin = {
        f"{branch.name}/{row.name}": row.work_steps[0][0]
        for branch in placement.branches
        for row in branch.layers
        if row.work_steps
    }
    cores = placement.core_map
    first = [cores.layer_names[held[0]] if held else "" for held in cores.layers]
    values = np.array([begin.get(name, np.nan) for name in first], float)
    if np.isnan(values).all():
        return []
    return [Colouring("when it begins to work, time step of a frame", values, "steps")]


def _kinds(cores: CoreMap) -> list[Colouring]:
    """Stage and branch of a core's first layer."""
    firsts = [cores.layer_names[held[0]] if held else "/" for held in cores.layers]
    colourings = []
    for title, label in (("stage of the network", _stage), ("branch", _branch)):
        order = tuple(dict.fromkeys(label(name) for name in cores.layer_names))
        values = np.array(
            [order.index(label(name)) if label(name) in order else np.nan for name in firsts]
        )
        colourings.append(Colouring(title, values, "", order))
    return colourings


def _stage(name: str) -> str:
    return short(stage(name.partition("/")[2]))


def _branch(name: str) -> str:
    return name.partition("/")[0]


def _names(cores: CoreMap) -> list[str]:
    """What shows of a core under the pointer: its fullest resource and its first layers."""
    layers, resources = cores.layer_names, cores.resources
    texts = []
    for number, (index, held) in enumerate(zip(cores.fullest, cores.layers, strict=True)):
        more = [f"and {len(held) - NAMED_LAYERS} more"] if len(held) > NAMED_LAYERS else []
        lines = [layers[i] for i in held[:NAMED_LAYERS]] + more
        texts.append("<br>".join([f"core {number}, {resources[index]}", *lines]))
    return texts


def _cores(placement: MapDocument, colouring: Colouring, names: Sequence[str]) -> go.Figure:
    columns, rows, shape = core_grid(placement)
    grid = np.full(shape, np.nan, np.float32)
    grid[rows, columns] = colouring.values
    plot = blank("", "", min(1000, 110 + PLOT_WIDTH * shape[0] // shape[1]))
    gap = 0.5 if shape[1] < 200 else 0
    said = "%{customdata}" if colouring.labels else "%{z:.3g} " + colouring.unit
    plot.add_heatmap(
        z=grid,
        zmin=0,
        xgap=gap,
        ygap=gap,
        hoverongaps=False,
        hovertemplate=f"{said}<extra></extra>",
        **_colours(colouring),
    )
    if colouring.labels:
        words = np.full(shape, "", object)
        labels = [*colouring.labels, ""]
        words[rows, columns] = [labels[int(v)] if v == v else "" for v in colouring.values]
        plot.update_traces(customdata=words.tolist())
    if len(names) <= NAMED_CORES:
        text = np.full(shape, "", object)
        text[rows, columns] = names
        template = "%{text}<br>" + said + "<extra></extra>"
        plot.update_traces(text=text.tolist(), hovertemplate=template)
    _number_chips(plot, placement, columns, rows)
    plot.update_layout(margin={"l": 10, "b": 10})
    plot.update_xaxes(range=[-0.5, shape[1] - 0.5], visible=False, constrain="domain")
    plot.update_yaxes(
        range=[shape[0] - 0.5, -0.5 - GAP], visible=False, scaleanchor="x", constrain="domain"
    )
    return plot


def core_plot(placement: MapDocument, values: Any, unit: str) -> go.Figure:
    """Every core where it lies on its chip, coloured by one amount each."""
    colouring = Colouring("", np.asarray(values, float), unit, most=1 if unit == "share" else None)
    return _cores(placement, colouring, _names(placement.core_map))


def _colours(colouring: Colouring) -> dict[str, Any]:
    """Scale and legend: steps with names for kinds, else a ramp."""
    number = len(colouring.labels)
    if not number:
        top = colouring.most or float(np.nanmax(colouring.values)) or 1.0
        return {
            "colorscale": SCALE,
            "zmax": top,
            "colorbar": {"thickness": 14, "title": colouring.unit},
        }
    ticks = list(range(number))
    bar = {"thickness": 14, "tickvals": ticks, "ticktext": list(colouring.labels)}
    return {"colorscale": SCALE, "zmax": max(number - 1, 1), "colorbar": bar}


def _number_chips(plot: go.Figure, placement: MapDocument, columns: Any, rows: Any) -> None:
    """Each chip's number above its first row."""
    chips = np.array(placement.core_map.chip)
    if chips.max() >= NUMBERED_CHIPS:
        return
    for chip in range(int(chips.max()) + 1):
        own = chips == chip
        plot.add_annotation(
            x=float(columns[own].min()) - 0.5, y=float(rows[own].min()) - 0.5, text=f"chip {chip}",
            showarrow=False, xanchor="left", yanchor="bottom", font={"size": 10.5},
        )  # fmt: skip


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
    x = chip % across * (width + GAP) + column + local % side
    y = chip // across * (height + GAP) + row + local // side
    down = int(chip.max()) // across + 1
    return x, y, (down * (height + GAP) - GAP, across * (width + GAP) - GAP)
