"""The main pictures as PNG files for a paper."""

from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go

from spiketrack.errors import MissingDependency
from spiketrack.files import atomic_folder
from spiketrack.report.document import Report

FIGURES = ("energy", "kinds", "counts", "rates", "overlap", "mismatch", "headroom", "cores")
WIDTH, SCALE = 1000, 2  # pixels before scaling; twice as many in the file


def write_pngs(report: Report, folder: Path, force: bool = True) -> list[str]:
    """Write ``<figure>.png`` (each variant its own) into a folder; returns the file names.

    ``MissingDependency`` where kaleido or the Chrome that it needs is absent.
    """
    pictures = {
        f"{figure.name}{_suffix(label)}.png": plot
        for figure in report.figures
        if figure.name in FIGURES
        for label, plot in figure.variants
    }
    with atomic_folder(folder, force) as temporary:
        for name, plot in pictures.items():
            (temporary / name).write_bytes(to_png(plot))
    return list(pictures)


def to_png(plot: go.Figure) -> bytes:
    """A figure on white paper."""
    figure = go.Figure(plot).update_layout(template="simple_white")
    height = int(figure.layout.height)
    try:
        data: bytes = figure.to_image("png", width=WIDTH, height=height, scale=SCALE)
    except (ImportError, ValueError, RuntimeError) as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise MissingDependency(
            f"--png: a PNG needs kaleido (pip install spiketrack-loihi[png]) and Chrome: {reason}"
        ) from error
    return data


def _suffix(label: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in label).split()
    return "".join(f"-{word}" for word in words)
