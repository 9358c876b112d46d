"""Success, precision and normalised precision plots of an evaluation; ``page.py`` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from spiketrack.files import atomic_path
from spiketrack.pages.picture import NEEDS, drawn
from spiketrack.pages.plots import COLOURS, DASHES
from spiketrack.tracking.metrics import (
    IOU_THRESHOLDS,
    NORMALISED_THRESHOLDS,
    PIXEL_THRESHOLDS,
    Floats,
)

TOP, PLOT, AXIS, ENTRY = 100, 300, 70, 20  # pixels: titles, plots, axes, a name in a legend


@dataclass(frozen=True)
class Panel:
    """One plot: its curve and figure in the report, thresholds, axis and title."""

    curve: str
    figure: str
    thresholds: Floats
    axis: str
    title: str


PANELS = (
    Panel("success_curve", "success_auc", IOU_THRESHOLDS, "IoU threshold", "Success (AUC)"),
    Panel("precision_curve", "precision_20", PIXEL_THRESHOLDS, "pixels", "Precision (at 20 px)"),
    Panel(
        "normalised_curve",
        "normalised_precision_20",
        NORMALISED_THRESHOLDS,
        "share of the target's size",
        "Normalised precision (at 0.20)",
    ),
)


def figure(document: Mapping[str, Any]) -> go.Figure:
    """Mean curves of the method and the baselines of a ``report`` document, best AUC first."""
    means = mean_curves(document)
    plot = make_subplots(1, len(PANELS), subplot_titles=[panel.title for panel in PANELS])
    for column, panel in enumerate(PANELS, 1):
        for colour, (name, mean) in enumerate(means.items()):
            plot.add_trace(line(panel, name, mean, colour), row=1, col=column)
        plot.update_xaxes(title_text=panel.axis, row=1, col=column)
        key = f"legend{column}" if column > 1 else "legend"
        left = next(plot.select_xaxes(row=1, col=column)).domain[0]
        plot.update_traces(legend=key, row=1, col=column)
        plot.update_layout({key: {"x": left, "y": -AXIS / PLOT, "yanchor": "top"}})
    plot.update_yaxes(range=[0, 1.02])
    plot.update_yaxes(title_text="share of frames", row=1, col=1)
    below = AXIS + ENTRY * len(means) + 20
    plot.update_layout(
        template="simple_white", width=1320, height=TOP + PLOT + below, title=title(document),
        margin={"t": TOP, "b": below},
    )  # fmt: skip
    return plot


def mean_curves(document: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The method's means and the baselines', best AUC first, as far as any sequence was scored."""
    means = {document["method"]: document["mean"]}
    means |= {name: baseline["mean"] for name, baseline in document["baselines"].items()}
    known = [n for n, mean in means.items() if mean and mean["success_auc"] is not None]
    return {name: means[name] for name in sorted(known, key=lambda n: -means[n]["success_auc"])}


def line(panel: Panel, name: str, mean: Mapping[str, Any], colour: int) -> go.Scatter:
    """One method's curve, its figure in the legend."""
    return go.Scatter(
        x=panel.thresholds,
        y=mean[panel.curve],
        name=f"{name} [{mean[panel.figure]:.3f}]",
        line_color=COLOURS[colour % len(COLOURS)],
        line_dash=DASHES[colour % len(DASHES)],
        hovertemplate="%{x:.2f}: %{y:.3f}",
    )


def title(document: Mapping[str, Any]) -> str:
    """The data set and how many sequences the means are of, or the one's name."""
    parts = (document, *document["baselines"].values())
    names = list(dict.fromkeys(name for part in parts for name in part["sequences"]))
    if len(names) == 1:
        return str(names[0])
    mean = f"mean of {len(names)} sequences"
    where = document.get("footage")
    return f"{Path(where).name}: {mean}" if where else mean.capitalize()


def write_png(document: Mapping[str, Any], path: Path) -> None:
    """The same as PNG; ``MissingDependency`` where kaleido or the Chrome it needs is absent."""
    png = drawn(
        lambda: figure(document).to_image(format="png", scale=2),
        f"{path.name}: skipped; a PNG {NEEDS}",
    )
    with atomic_path(path) as temporary:
        temporary.write_bytes(png)
