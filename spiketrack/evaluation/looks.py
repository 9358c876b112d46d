"""A look at an evaluation's sequences: frames with the box that was found and the labelled one."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from spiketrack.documents.tracking import SequencePart
from spiketrack.errors import ClipError
from spiketrack.pages import Drawing
from spiketrack.report.pictures import data_uri
from spiketrack.tracking.sequences import Sequence
from spiketrack.video.boxes import Box, read_rectangles
from spiketrack.video.footage import levels_of, read_image

MOST = 8  # sequences that are shown, those of the lowest success
SHOWN = 4  # frames of each, evenly spread
WIDTH, GAP, QUALITY = 240, 6, 80  # pixels of a frame and between two; of a JPEG
FOUND, TRUTH = "#e4572e", "#2ec4b6"
NOTE = "orange: the box that was found; turquoise, dashed: the label, where the target is visible"


def looks(
    footage: Iterable[Sequence], outcomes: Mapping[str, SequencePart], boxes: Path
) -> tuple[Drawing, ...]:
    """Of the sequences that were followed worst; ``boxes`` holds ``NAME.txt`` for each.

    One whose frames are gone is left out.
    """
    scored = sorted(
        (part.success_auc, name) for name, part in outcomes.items() if part.success_auc is not None
    )
    by_name = {sequence.name: sequence for sequence in footage}
    drawings: list[Drawing] = []
    for auc, name in scored[:MOST]:
        try:
            svg = strip(by_name[name], read_rectangles(boxes / f"{name}.txt"))
        except (ClipError, OSError, KeyError):
            continue
        drawings.append(Drawing(f"look-{len(drawings)}", f"{name}: success {auc:.3f}", svg, NOTE))
    return tuple(drawings)


def strip(sequence: Sequence, found: list[Box]) -> str:
    """Some frames of a sequence beside each other, as SVG."""
    count = min(len(sequence.images), len(found))
    chosen = np.unique(np.linspace(min(1, count - 1), count - 1, SHOWN).round().astype(int))
    levels = levels_of(sequence.images)
    parts, height = [], 0
    for place, number in enumerate(chosen.tolist()):
        frame = read_image(sequence.images[number], levels)
        scale = WIDTH / frame.shape[1]
        height = max(height, round(frame.shape[0] * scale))
        left = place * (WIDTH + GAP)
        parts.append(
            f'<image x="{left}" width="{WIDTH}" height="{round(frame.shape[0] * scale)}" '
            f'href="{data_uri(frame, WIDTH, QUALITY)}"/>'
        )
        if sequence.visible[number]:
            truth = Box(*map(float, sequence.boxes[number]))
            parts.append(_rectangle(truth, scale, left, f"{TRUTH};stroke-dasharray:5 3"))
        parts.append(_rectangle(found[number], scale, left, FOUND))
        parts.append(f'<text x="{left + 2}" y="{height + 14}">frame {number}</text>')
    width = len(chosen) * (WIDTH + GAP) - GAP
    label = html.escape(f"{sequence.name}: {len(chosen)} frames with boxes", quote=True)
    return (
        f'<svg role="img" aria-label="{label}" width="{width}" height="{height + 20}" '
        f'viewBox="0 0 {width} {height + 20}">{"".join(parts)}</svg>'
    )


def _rectangle(box: Box, scale: float, left: float, stroke: str) -> str:
    x, y, w, h = (value * scale for value in box.as_tuple())
    return (
        f'<rect x="{left + x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" '
        f'style="fill:none;stroke-width:2;stroke:{stroke}"/>'
    )
