"""Small figures for papers, in matplotlib: vectors without a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spiketrack.notebook.sheet import EXTRA
from spiketrack.optional import load

WIDTH, HEIGHT = 3.4, 2.2  # inches: a column of a two-column paper
COLOURS = ("#3b6ea5", "#c8553d", "#588157", "#8d6a9f", "#6c757d")


def bars(
    names: Sequence[str], parts: Mapping[str, Sequence[float]], label: str, axes: Any = None
) -> Any:
    """Horizontal bars, the first name on top; several ``parts`` are stacked and named.

    Returns the matplotlib ``Figure``; ``MissingDependency`` where matplotlib is not installed.
    """
    pyplot = load("matplotlib.pyplot", EXTRA)
    drawn = axes
    if drawn is None:
        figure, drawn = pyplot.subplots(figsize=(WIDTH, HEIGHT), layout="constrained")
        pyplot.close(figure)  # a notebook shows what a cell gives, once
    left = [0.0] * len(names)
    for number, (name, values) in enumerate(parts.items()):
        colour = COLOURS[number % len(COLOURS)]
        drawn.barh(range(len(names)), values, left=left, label=name or None, color=colour)
        left = [before + value for before, value in zip(left, values, strict=True)]
    drawn.set_yticks(range(len(names)), names)
    drawn.invert_yaxis()
    drawn.set_xlabel(label)
    drawn.spines[["top", "right"]].set_visible(False)
    if any(parts):
        drawn.legend(frameon=False)
    return drawn.figure
