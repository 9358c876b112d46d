"""Need for Speed's labels: rows of corners and names, written at 240 frames a second.

Its sets of 30 frames a second hold the rows of all 240, and here and there one row or one image
more than the other; taken as the ``got10k`` toolkit does.
"""

from __future__ import annotations

from pathlib import Path

from spiketrack.errors import ClipError
from spiketrack.video.boxes import Box, read_text

SLOWER = 8  # 240 rows a second for 30 images


def read_corners(path: Path) -> list[Box]:
    """NfS's rows: identity, left, top, right, bottom, frame, lost, occluded, generated, label."""
    boxes = []
    for number, line in enumerate(read_text(path).strip().splitlines(), 1):
        try:
            left, top, right, bottom = (float(field) for field in line.split()[1:5])
        except ValueError:
            raise ClipError(f"{path}: line {number}: {line[:80]!r} is no row of NfS") from None
        boxes.append(Box(left, top, right - left, bottom - top).moved(-1, -1))
    return boxes


def aligned(
    images: tuple[Path, ...], boxes: list[Box]
) -> tuple[tuple[Path, ...], list[Box], tuple[str, ...]]:
    """Images and boxes of equal number where that can be told, and what was left out."""
    if images and len(boxes) != len(images) and abs(len(boxes) / len(images) - SLOWER) < 1:
        boxes = boxes[::SLOWER]
    fewer = min(len(images), len(boxes))
    if len(images) == len(boxes) or abs(len(images) - len(boxes)) > 1:
        return images, boxes, ()
    more = "image" if len(images) > fewer else "label"
    home = images[0].parent
    return images[:fewer], boxes[:fewer], (f"{home}: one {more} more than the others: left out",)
