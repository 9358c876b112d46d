"""Figures of several trackers as files, and accuracy against energy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import plotly.graph_objects as go

from spiketrack.documents.tracking import FiguresPart
from spiketrack.errors import ConfigError
from spiketrack.files import atomic_path
from spiketrack.pages.picture import NEEDS, drawn
from spiketrack.pages.plots import COLOURS

FORMATS = (".png", ".svg", ".pdf")


def energy_scatter(trackers: Mapping[str, FiguresPart]) -> go.Figure:
    """Success AUC against mJ a frame; a line where nothing is known.

    Of all that chips spend, a range, where that is known of each tracker that has an energy; else
    of its operations.

    ``ConfigError`` where no tracker has an energy: those that ``evaluate`` counted have.
    """
    plot = go.Figure()
    means = [part.mean for part in trackers.values() if part.mean is not None]
    whole = all(mean.whole_mj for mean in means if mean.operations_mj is not None)
    known = 0
    for index, (name, part) in enumerate(trackers.items()):
        if part.mean is None or part.mean.success_auc is None:
            continue
        colour, auc = COLOURS[index % len(COLOURS)], part.mean.success_auc
        operations = part.mean.operations_mj
        if operations is None:
            plot.add_hline(
                auc, line={"dash": "dot", "color": colour, "width": 2}, opacity=1,
                annotation={"text": name, "font": {"color": colour}}, annotation_position="right",
            )  # fmt: skip
            continue
        known += 1
        ends = [*(part.mean.whole_mj or ())] if whole else [operations]
        plot.add_trace(
            go.Scatter(
                x=ends, y=[auc] * len(ends), name=name, mode="lines+markers+text",
                text=[name] if len(ends) == 1 else ["", name], textposition="top center",
                marker={"size": 12, "color": colour}, hovertemplate="%{x:.4g} mJ, %{y:.3f}",
            )
        )  # fmt: skip
    if not known:
        raise ConfigError(
            "--scatter: no tracker has an energy; give what spiketrack evaluate --out wrote"
        )
    what = "all that chips spend, low to high" if whole else "operations"
    plot.update_xaxes(title_text=f"mJ a frame: {what}", type="log")
    plot.update_yaxes(title_text="success AUC", range=[0, 1])
    plot.update_layout(
        template="simple_white", width=860, height=520, showlegend=False, margin={"r": 180}
    )
    return plot


def attribute_bars(scores: Mapping[str, Mapping[str, tuple[int, float]]]) -> go.Figure:
    """Success AUC of each tracker by attribute."""
    names = list(dict.fromkeys(name for row in scores.values() for name in row))
    plot = go.Figure()
    for index, name in enumerate(names):
        rows = {attribute: row[name] for attribute, row in scores.items() if name in row}
        heads = [f"{attribute} ({count})" for attribute, (count, _) in rows.items()]
        colour = COLOURS[index % len(COLOURS)]
        plot.add_bar(x=heads, y=[auc for _, auc in rows.values()], name=name, marker_color=colour)
    plot.update_yaxes(title_text="success AUC", range=[0, 1])
    plot.update_layout(template="simple_white", width=1100, height=480, barmode="group")
    return plot


def write_figure(figure: go.Figure, path: Path) -> None:
    """By its suffix; ``ConfigError`` for an unknown one, ``MissingDependency`` without kaleido."""
    suffix = path.suffix.lower()
    if suffix not in (".html", *FORMATS):
        raise ConfigError(f"{path}: choose .html, {', '.join(FORMATS)}")
    if suffix == ".html":
        content = figure.to_html(include_plotlyjs=True).encode()
    else:
        content = drawn(
            lambda: figure.to_image(format=suffix[1:], scale=2),
            f"{path}: {NEEDS}, .html needs neither",
        )
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
