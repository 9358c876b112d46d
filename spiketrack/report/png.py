"""The main pictures as PNG files for a paper."""

from __future__ import annotations

import base64
import shutil
import tempfile
from pathlib import Path

import cv2
import numpy as np
import plotly.graph_objects as go
import plotly.io

from spiketrack.files import atomic_path
from spiketrack.pages.picture import NEEDS, drawn
from spiketrack.report.document import Report
from spiketrack.video.footage import to_rgb
from spiketrack.video.render import Filmstrip, annotate, label

FIGURES = ("energy", "kinds", "counts", "rates", "overlap", "mismatch", "headroom", "cores")
CLIP = "clip.png"
WIDTH, SCALE = 1000, 2  # pixels before scaling; twice as many in the file


def write_pngs(report: Report, folder: Path) -> list[str]:
    """Write ``clip.png`` and ``<figure>.png`` (each variant its own); returns the file names.

    Whatever else the folder holds stays there.

    ``MissingDependency`` where kaleido or the Chrome that it needs is absent.
    """
    pictures = {
        f"{figure.name}{_suffix(title)}.png": plot
        for figure in report.figures
        if figure.name in FIGURES
        for title, plot in figure.variants
    }
    with tempfile.TemporaryDirectory() as home:
        _draw(list(pictures.values()), [Path(home) / name for name in pictures])
        folder.mkdir(exist_ok=True)
        for name in pictures:
            with atomic_path(folder / name) as temporary:
                shutil.copyfile(Path(home) / name, temporary)
    if not report.pictures.data:
        return list(pictures)
    filmstrip(report).write(folder / CLIP)
    return [CLIP, *pictures]


def _draw(plots: list[go.Figure], files: list[Path]) -> None:
    """All figures on white paper, in one browser."""
    figures = [go.Figure(plot).update_layout(template="simple_white") for plot in plots]
    heights = [int(figure.layout.height) for figure in figures]
    options = {"scale": SCALE, "width": WIDTH, "height": heights}
    drawn(lambda: plotly.io.write_images(figures, files, **options), f"--png: a PNG {NEEDS}")


def filmstrip(report: Report) -> Filmstrip:
    """Frames over the whole clip with the boxes of the report's own run."""
    strip = Filmstrip()
    rows = {row.frame: row for row in report.overlays[0].rows}
    size = (report.pictures.width, report.pictures.height)
    for number, data in zip(report.pictures.frames, report.pictures.data, strict=True):
        if number in rows:
            jpeg = np.frombuffer(base64.b64decode(data.partition(",")[2]), np.uint8)
            frame = to_rgb(cv2.resize(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), size))
            row = rows[number]
            strip.add(annotate(frame, row.box, label(number, row.score)))
    return strip


def _suffix(title: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in title).split()
    return "".join(f"-{word}" for word in words)
